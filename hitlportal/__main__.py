"""`python -m hitlportal`: the console command `hitlportal`, by this Python."""

from __future__ import annotations

import sys

from hitlportal.command_line import main

if __name__ == "__main__":
    sys.exit(main())
