"""Run the console command `hitlportal` with this Python: `python -m hitlportal`."""

from __future__ import annotations

import sys

from hitlportal.command_line import main

if __name__ == "__main__":
    sys.exit(main())
