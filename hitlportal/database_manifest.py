"""Read a database's guards, views, constraints, owners and grants as plain JSON.

The source is pg_catalog, which every login may read, so each process can verify what it relies on.
The expected content is ``sql/manifest.json`` (written by ``make manifest``).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, TypeAlias

from django.db.backends.base.base import BaseDatabaseWrapper

SQL = Path(__file__).resolve().parent / "sql"
MANIFEST = SQL / "manifest.json"
KINDS = (
    "columns", "constraints", "database", "functions", "relations", "rules", "schemas", "triggers",
    "views",
)  # fmt: skip

_WORD = r"'(?:[^']|'')*'::character varying"
# The attributes of each object, by kind and name.
Facts: TypeAlias = "dict[str, dict[str, dict[str, Any]]]"


def read(database: BaseDatabaseWrapper) -> Facts:
    """Return all facts of this connection's database. Raises django.db.Error.

    Changes the connection's search_path, so use a connection for this call only.
    """
    facts: Facts = {kind: {} for kind in KINDS}
    with database.cursor() as cursor:
        cursor.execute("SET search_path = pg_catalog")
        # Without parameters, so that % needs no escape.
        cursor.execute((SQL / "manifest.sql").read_text(encoding="utf-8"))
        for kind, name, attributes in cursor.fetchall():
            # Django reads jsonb as text.
            facts[kind][name] = json.loads(attributes)
    for view in facts["views"].values():
        view["definition"] = _alike(view["definition"])
    for constraint in facts["constraints"].values():
        constraint["definition"] = _restored(constraint["definition"])
    return facts


def _alike(definition: str) -> str:
    """Rewrite a view of one relation as PostgreSQL 16 and later print it: columns without alias."""
    aliases = re.findall(r"(?:FROM|JOIN) [a-z_.]+ ([a-z_]+)", definition)
    return definition if len(aliases) != 1 else re.sub(rf"\b{aliases[0]}\.", "", definition)


def _restored(definition: str) -> str:
    """Rewrite `column IN (...)` as printed after pg_restore: with a cast of each word."""

    def cast_each(match: re.Match[str]) -> str:
        return "ARRAY[" + re.sub(f"({_WORD})", r"(\1)::text", match[1]) + "]"

    return re.sub(rf"\(ARRAY\[({_WORD}(?:, {_WORD})*)\]\)::text\[\]", cast_each, definition)


def dump(facts: Facts) -> str:
    """Return the manifest's text: sorted, one object per line, so that diffs are readable."""
    return "{\n" + ",\n".join(_dump_kind(kind, facts[kind]) for kind in KINDS) + "\n}\n"


def _dump_kind(kind: str, objects: dict[str, dict[str, Any]]) -> str:
    lines = [
        f"    {json.dumps(name)}: {json.dumps(attributes, sort_keys=True)}"
        for name, attributes in sorted(objects.items())
    ]
    body = ",\n".join(lines)
    return f"  {json.dumps(kind)}: {{\n{body}\n  }}"


def manifest() -> Facts:
    """Return the facts that the database should have."""
    facts: Facts = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return facts
