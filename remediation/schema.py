"""The living SQL of remediation: every object that a model does not make, once, by subject."""

from __future__ import annotations

from pathlib import Path

SQL = Path(__file__).resolve().parent / "sql"
# PostgreSQL looks up what a view, a constraint or a function in SQL names when it is made, so a
# file uses only files before it. All use facts; the rest follows a proposal's way, and the lists
# of the queue come last, because they read all of it.
FILES = (
    *("facts", "inventory", "scope", "people"),
    *("states", "proposals", "review", "execution", "halt"),
    *("incidents", "secrecy", "queue"),
)
