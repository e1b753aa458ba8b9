"""Format log lines so that an agent's text cannot break or forge them (docs/attacks.md A52)."""

from __future__ import annotations

import logging
from typing import Any

from audit.tlog import inert
from hitlportal import env


class OneLine(logging.Formatter):
    """Formats `time level logger message` on one line, with control characters escaped."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return inert.log_line(super().format(record))


def configuration() -> dict[str, Any]:
    """Return the configuration of every process: standard error, at HITL_LOG_LEVEL."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "hitlportal.logs.OneLine"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": env.text("HITL_LOG_LEVEL")},
    }
