"""What the log's own commands share: who runs them, and by which process's login."""

from __future__ import annotations

import os
import pwd
import socket

from django.conf import settings
from django.core.management.base import CommandError


def actor() -> str:
    """The account that runs a command: what the operating system says, not LOGNAME."""
    return f"operator:{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"


def need(process: str) -> None:
    """Raises CommandError unless the command runs with this process's settings and login."""
    if process != settings.PROCESS:
        raise CommandError(
            f"run this with the settings of the {process} process (HITL_PROCESS={process} and its"
            f" database login), not of {settings.PROCESS}"
        )
