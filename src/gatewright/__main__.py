"""`python -m gatewright`."""

import sys

from gatewright.cli import main

sys.exit(main())
