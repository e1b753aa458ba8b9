"""Name the account of the operating system that runs a process."""

from __future__ import annotations

import os
import pwd


def name() -> str:
    """Return the account's name, not LOGNAME's; its number where it has no entry, as in many
    containers."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid{os.getuid()}"
