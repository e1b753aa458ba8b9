"""Export the only functions that make untrusted text inert, one for each destination.

They are defined in `audit.tlog.inert`, because the log shows untrusted text too and may not import
other apps. No other module may neutralise text in its own way (tests/hostile/test_one_way_out.py).
"""

from __future__ import annotations

from audit.tlog.inert import (
    Piece,
    csv_cell,
    line,
    log_line,
    message,
    noted,
    pieces,
    quoted,
    subject,
    terminal,
    visible,
)

__all__ = [
    "Piece",
    "csv_cell",
    "line",
    "log_line",
    "message",
    "noted",
    "pieces",
    "quoted",
    "subject",
    "terminal",
    "visible",
]
