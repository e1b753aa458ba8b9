"""List the living SQL files of remediation: each object that no model creates, once, by subject."""

from __future__ import annotations

from pathlib import Path

SQL = Path(__file__).resolve().parent / "sql"
# A view, a constraint or an SQL function needs the objects that it names when it is created, so a
# file uses only files before it. All use `facts`; `queue` comes last because it reads all others.
FILES = (
    *("facts", "inventory", "scope", "people", "sessions", "powers", "separation"),
    *("states", "proposals", "review", "execution", "halt", "waiting"),
    *("incidents", "plans", "live", "outcomes", "secrecy", "telling", "queue"),
)
