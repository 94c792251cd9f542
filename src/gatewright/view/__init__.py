"""Pictures: circuits as SVG, boards and training in the terminal."""
