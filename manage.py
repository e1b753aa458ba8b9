#!/usr/bin/env python
"""The console command `hitlportal`, from the source tree."""

from __future__ import annotations

import sys

from hitlportal.command_line import main

if __name__ == "__main__":
    sys.exit(main())
