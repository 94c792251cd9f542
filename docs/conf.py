"""How Sphinx builds the guide: `make docs`."""

project = "Gatewright"
copyright = "Gatewright contributors"
extensions = ["myst_parser"]
exclude_patterns = ["*.py"]
html_theme = "furo"
html_title = "Gatewright"
html_show_sphinx = False
html_copy_source = False
#: Headings down to this level can be linked to: [..](page.md#heading).
myst_heading_anchors = 3
nitpicky = True
