"""Text of agents made harmless: the one place through which it goes to any destination.

The functions, one for each destination, stand in `audit.tlog.inert`, since the log shows such text
too and knows no other app. Nothing here or elsewhere in this package neutralises text in a way of
its own (tests/hostile/test_one_way_out.py).
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
    "subject",
    "terminal",
    "visible",
]
