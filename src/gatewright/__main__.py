"""`python -m gatewright`."""

import sys

from gatewright.cli import main

if __name__ == "__main__":  # workers of a sweep import this module again
    sys.exit(main())
