"""The living SQL of the audit log: every object that a model does not make, once, by subject."""

from __future__ import annotations

from pathlib import Path

SQL = Path(__file__).resolve().parent / "sql"
# The log refers to entries and their functions.
FILES = ("entry", "log")
