"""Read the stored tree: leaves and nodes of the database as tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from django.db import connections

from audit.tlog.merkle import HASH_SIZE, NodeReader
from audit.tlog.tiles import HEIGHT, WIDTH, TileReader, widths

# (statement, parameters) -> rows.
Query: TypeAlias = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

_LEAVES = "SELECT hash FROM audit.leaf WHERE idx >= %s AND idx < %s ORDER BY idx"
_NODES = "SELECT hash FROM audit.node WHERE idx >= %s AND idx < %s AND level = %s ORDER BY idx"
# The same for several tiles in one statement: (position in the list, hash).
_TILES = """
SELECT w.place, h.hash
  FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[])
       WITH ORDINALITY AS w (tile_row, first, stop, place)
 CROSS JOIN LATERAL (
   SELECT l.idx, l.hash FROM audit.leaf l
    WHERE w.tile_row = 0 AND l.idx >= w.first AND l.idx < w.stop
    UNION ALL
   SELECT n.idx, n.hash FROM audit.node n
    WHERE n.level = w.tile_row AND n.idx >= w.first AND n.idx < w.stop) AS h
 ORDER BY w.place, h.idx
"""


def reader(size: int, query: Query) -> TileReader:
    """Return a reader of the tree over the first ``size`` leaves; it reads each tile once."""

    def fetch(row: int, number: int, width: int) -> list[bytes]:
        first = number * WIDTH
        if row == 0:
            rows = query(_LEAVES, (first, first + width))
        else:
            rows = query(_NODES, (first, first + width, row))
        return [bytes(one[0]) for one in rows]

    return TileReader(fetch, size)


def reader_for(size: int, query: Query, wanted: Callable[[NodeReader], object]) -> TileReader:
    """Return a reader that has loaded all tiles that ``wanted`` needs, in one statement."""
    tiles = _tiles_of(wanted)
    rows = widths(size)
    spans = [(row, n * WIDTH, min((n + 1) * WIDTH, rows[row])) for row, n in tiles]
    found: dict[tuple[int, int], list[bytes]] = {tile: [] for tile in tiles}
    if tiles:
        for place, value in query(_TILES, [list(column) for column in zip(*spans, strict=True)]):
            found[tiles[place - 1]].append(bytes(value))

    def fetch(row: int, number: int, width: int) -> list[bytes]:
        return found[row, number]

    return TileReader(fetch, size)


def _tiles_of(wanted: Callable[[NodeReader], object]) -> list[tuple[int, int]]:
    """Return the tiles that ``wanted`` reads, found by running it on a tree without data."""
    asked: dict[tuple[int, int], None] = {}

    def note(level: int, index: int) -> bytes:
        row, within = divmod(level, HEIGHT)
        asked[row, (index << within) // WIDTH] = None
        return bytes(HASH_SIZE)

    wanted(note)
    return list(asked)


def query_of(using: str) -> Query:
    """Return a query function for one of Django's connections."""

    def query(statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with connections[using].cursor() as cursor:
            cursor.execute(statement, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    return query
