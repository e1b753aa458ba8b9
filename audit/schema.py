"""List the living SQL files of the audit log: each object that no model creates, by subject."""

from __future__ import annotations

from pathlib import Path

SQL = Path(__file__).resolve().parent / "sql"
# `writer` and `log` use the table and functions of `entry`.
FILES = ("entry", "writer", "log")
