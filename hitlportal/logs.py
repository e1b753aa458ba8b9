"""Format log lines so that an agent's text cannot break or forge them (docs/attacks.md A52)."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from audit.tlog import inert
from hitlportal import env


class OneLine(logging.Formatter):
    """Formats `time level logger message` on one line, with control characters escaped."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return inert.log_line(super().format(record))


class OneObject(logging.Formatter):
    """Formats one JSON object on one line, in ASCII; the ids of a line are members of it."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            **getattr(record, "ids", {}),
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if line := getattr(record, "line", ""):
            said["line"] = line
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, default=str)


FORMATTERS = {"text": "hitlportal.logs.OneLine", "json": "hitlportal.logs.OneObject"}


def configuration() -> dict[str, Any]:
    """Return the configuration of every process: standard error, in the form of
    HITL_LOG_FORMAT, at HITL_LOG_LEVEL."""
    form = env.choice("HITL_LOG_FORMAT", tuple(FORMATTERS))
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": FORMATTERS[form]}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": env.text("HITL_LOG_LEVEL")},
    }
