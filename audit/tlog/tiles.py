"""Tiles of C2SP tlog-tiles: 256 hashes of one level each, with paths and numbers.

Tile row L contains nodes of level 8 * L; its tile N those from N * 256 on. A partial tile is the
beginning of a full one. Tiles contain only complete subtrees, so their hashes never change.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from hashlib import sha256

from audit.tlog.errors import Malformed, Missing
from audit.tlog.merkle import HASH_SIZE, root_of

# C2SP tlog-tiles: tiles are 8 levels high, so 256 hashes or entries wide.
HEIGHT = 8
WIDTH = 256
# C2SP tlog-tiles: the tile level in a path is at most 63.
MAX_LEVEL = 63
# C2SP tlog-tiles: an entry's length is a big-endian uint16.
MAX_ENTRY = 65_535

_PATH = re.compile(
    r"tile/(?P<level>0|[1-9][0-9]?|entries)/(?P<number>(?:x[0-9]{3}/)*[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)

# (tile level, tile number, width) -> that many hashes.
Fetch = Callable[[int, int, int], Sequence[bytes]]


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """``tile/0/x001/x234/067`` or, partial, ``tile/0/000.p/5`` (C2SP tlog-tiles, Merkle Tree)."""
    return f"tile/{level}/{_number(index)}{_partial(width)}"


def entries_path(index: int, width: int = WIDTH) -> str:
    """``tile/entries/x001/x234/067`` (C2SP tlog-tiles, Log Entries)."""
    return f"tile/entries/{_number(index)}{_partial(width)}"


def parse_path(path: str) -> tuple[int | None, int, int]:
    """Parse a path into level (None for an entry bundle), number and width. Raises Malformed."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise Malformed(f"{path!r} is not the path of a tile")
    index = int(match["number"].replace("x", "").replace("/", ""))
    width = int(match["width"] or WIDTH)
    level = None if match["level"] == "entries" else int(match["level"])
    right = entries_path(index, width) if level is None else tile_path(level, index, width)
    if path != right or (level or 0) > MAX_LEVEL:
        raise Malformed(f"{path!r} is not the path of a tile")
    return level, index, width


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """Return an entry bundle: each entry after its length. Raises Malformed for one too long."""
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise Malformed(f"an entry has at most {MAX_ENTRY} bytes, this one {len(entry)}")
        parts += [struct.pack(">H", len(entry)), entry]
    return b"".join(parts)


def unpack_entries(bundle: bytes) -> list[bytes]:
    """Return the entries of a bundle. Raises Malformed when the bundle ends within an entry."""
    found, at = [], 0
    while at < len(bundle):
        if at + 2 > len(bundle):
            raise Malformed("the bundle ends within a length")
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if end > len(bundle):
            raise Malformed("the bundle ends within an entry")
        found.append(bundle[at + 2 : end])
        at = end
    return found


def hash_entries(bundle: bytes) -> list[bytes]:
    """Return the leaf hashes of a bundle in one pass: the inner loop of verifying a whole log.

    Raises Malformed as `unpack_entries` does.
    """
    found, at, size = [], 0, len(bundle)
    try:
        while at < size:
            start = at + 2
            at = start + (bundle[at] << 8 | bundle[at + 1])
            found.append(sha256(b"\x00" + bundle[start:at]).digest())
    except IndexError:
        raise Malformed("the bundle ends within a length") from None
    if at > size:
        raise Malformed("the bundle ends within an entry")
    return found


def widths(size: int) -> list[int]:
    """Return the number of hashes in each tile row of a tree, up to the highest non-empty row."""
    rows = []
    while size:
        rows.append(size)
        size >>= HEIGHT
    return rows


class TileReader:
    """Read nodes of a tree of ``size`` from its tiles; each tile is fetched once.

    Callable as a `merkle.NodeReader`. Raises Missing for a node outside the tree, and Malformed
    when a tile does not have the requested width.
    """

    def __init__(self, fetch: Fetch, size: int) -> None:
        self._fetch = fetch
        self._rows = widths(size)
        self._tiles: dict[tuple[int, int], Sequence[bytes]] = {}

    def __call__(self, level: int, index: int) -> bytes:
        row, within = divmod(level, HEIGHT)
        first = index << within
        number, at = divmod(first, WIDTH)
        count = 1 << within
        tile = self.tile(row, number)
        if at + count > len(tile):
            raise Missing(f"no node {index} at level {level} in this tree")
        return tile[at] if count == 1 else root_of(tile[at : at + count])

    def tile(self, row: int, number: int) -> Sequence[bytes]:
        """Return the tile's hashes, as many as the tree has."""
        kept = self._tiles.get((row, number))
        if kept is not None:
            return kept
        total = self._rows[row] if row < len(self._rows) else 0
        width = min(WIDTH, total - number * WIDTH)
        if number < 0 or width <= 0:
            raise Missing(f"no tile {number} in row {row} of this tree")
        tile = self._fetch(row, number, width)
        if len(tile) != width or any(len(one) != HASH_SIZE for one in tile):
            raise Malformed(f"{tile_path(row, number, width)} has {len(tile)} hashes")
        self._tiles[row, number] = tile
        return tile


def _number(index: int) -> str:
    """C2SP tlog-tiles: three digits per element; all but the last start with x."""
    digits = f"{index % 1000:03}"
    while index := index // 1000:
        digits = f"x{index % 1000:03}/{digits}"
    return digits


def _partial(width: int) -> str:
    if not 1 <= width <= WIDTH:
        raise ValueError(f"a tile is 1 to {WIDTH} wide")
    return "" if width == WIDTH else f".p/{width}"
