"""Helpers of the log's commands: the actor, and the check of process and login."""

from __future__ import annotations

import socket

from django.conf import settings
from django.core.management.base import CommandError

from audit import account


def actor() -> str:
    """Return the account that runs a command, from the operating system and not from LOGNAME."""
    return f"operator:{account.name()}@{socket.gethostname()}"


def need(process: str) -> None:
    """Raise CommandError unless the command runs with this process's settings and login."""
    if process != settings.PROCESS:
        raise CommandError(
            f"run this with the settings of the {process} process (HITL_PROCESS={process} and its"
            f" database login), not of {settings.PROCESS}"
        )
