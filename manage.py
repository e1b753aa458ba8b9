#!/usr/bin/env python
"""The one entry point for commands."""

from __future__ import annotations

import os
import sys


def main() -> int:
    # An auditor replays the gate with this checkout and nothing else: no settings, no database.
    if sys.argv[1:2] == ["verify_evidence"]:
        from remediation.management import offline

        return offline.main(sys.argv[2:])
    # A witness runs on somebody else's machine: no settings, no database.
    if sys.argv[1:2] == ["audit_witness"]:
        from audit import witness_server

        return witness_server.main(sys.argv[2:])
    # The demo supervisor runs before any server or setting exists.
    if sys.argv[1:2] == ["demo"]:
        from hitlportal.demo.__main__ import main as demo

        return demo(sys.argv[2:])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hitlportal.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
