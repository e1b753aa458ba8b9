"""What stands in a database: guards, views, constraints, owners and grants, as plain JSON.

Read from pg_catalog, which every login may read, so each process can check what it relies on.
What should stand there is kept in ``sql/manifest.json`` (``manage.py database_manifest``).
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
# By kind and name of the object: what is said about it.
Facts: TypeAlias = "dict[str, dict[str, dict[str, Any]]]"


def read(database: BaseDatabaseWrapper) -> Facts:
    """All facts of this connection's database.

    Leaves the connection with another search_path: hand in one of your own. Raises
    django.db.Error.
    """
    facts: Facts = {kind: {} for kind in KINDS}
    with database.cursor() as cursor:
        cursor.execute("SET search_path = pg_catalog")
        # Without parameters, so that a % is a %.
        cursor.execute((SQL / "manifest.sql").read_text(encoding="utf-8"))
        for kind, name, said in cursor.fetchall():
            # Django reads jsonb as text.
            facts[kind][name] = json.loads(said)
    for view in facts["views"].values():
        view["definition"] = _alike(view["definition"])
    for constraint in facts["constraints"].values():
        constraint["definition"] = _restored(constraint["definition"])
    return facts


def _alike(definition: str) -> str:
    """A view of one relation as 16 and later print it: columns without the relation's alias."""
    aliases = re.findall(r"(?:FROM|JOIN) [a-z_.]+ ([a-z_]+)", definition)
    return definition if len(aliases) != 1 else re.sub(rf"\b{aliases[0]}\.", "", definition)


def _restored(definition: str) -> str:
    """`column IN (...)` as it is printed after pg_restore: a cast of each word, not of all."""

    def cast_each(match: re.Match[str]) -> str:
        return "ARRAY[" + re.sub(f"({_WORD})", r"(\1)::text", match[1]) + "]"

    return re.sub(rf"\(ARRAY\[({_WORD}(?:, {_WORD})*)\]\)::text\[\]", cast_each, definition)


def dump(facts: Facts) -> str:
    """The manifest's text: sorted, one object a line, so that a change reads as one."""
    return "{\n" + ",\n".join(_dump_kind(kind, facts[kind]) for kind in KINDS) + "\n}\n"


def _dump_kind(kind: str, objects: dict[str, dict[str, Any]]) -> str:
    lines = [
        f"    {json.dumps(name)}: {json.dumps(said, sort_keys=True)}"
        for name, said in sorted(objects.items())
    ]
    body = ",\n".join(lines)
    return f"  {json.dumps(kind)}: {{\n{body}\n  }}"


def manifest() -> Facts:
    """What the database should hold."""
    facts: Facts = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return facts
