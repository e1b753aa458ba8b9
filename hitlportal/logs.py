"""Format log lines so that an agent's text cannot break or forge them (docs/attacks.md A52)."""

from __future__ import annotations

import logging

from audit.tlog import inert


class OneLine(logging.Formatter):
    """Formats `time level logger message` on one line, with control characters escaped."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return inert.log_line(super().format(record))
