"""The stored tree: leaves and nodes of the database as tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from django.db import connections

from audit.tlog.tiles import WIDTH, TileReader

# (statement, parameters) -> rows.
Query: TypeAlias = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

_LEAVES = "SELECT hash FROM audit.leaf WHERE idx >= %s AND idx < %s ORDER BY idx"
_NODES = "SELECT hash FROM audit.node WHERE idx >= %s AND idx < %s AND level = %s ORDER BY idx"


def reader(size: int, query: Query) -> TileReader:
    """Nodes of the tree over the first ``size`` leaves, read from the rows; each tile once."""

    def fetch(row: int, number: int, width: int) -> list[bytes]:
        first = number * WIDTH
        if row == 0:
            rows = query(_LEAVES, (first, first + width))
        else:
            rows = query(_NODES, (first, first + width, row))
        return [bytes(one[0]) for one in rows]

    return TileReader(fetch, size)


def query_of(using: str) -> Query:
    """Queries through one of Django's connections."""

    def query(statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with connections[using].cursor() as cursor:
            cursor.execute(statement, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    return query
