"""A tree that grows tile by tile: the sequencer stores it, a verifier rebuilds it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from audit.tlog.merkle import EMPTY_ROOT, node_hash, root_of
from audit.tlog.tiles import WIDTH, TileReader, widths


class Growth:
    """The right edge of a tree's tiles: enough to append leaves and compute the root.

    `edge[row]` contains the hashes of the row's last tile, which is not full yet.
    """

    def __init__(self, size: int = 0, edge: Sequence[Sequence[bytes]] = ()) -> None:
        self.size = size
        self.edge = [list(row) for row in edge]
        # Number of complete nodes in each row above the leaves.
        self._done = [0, *widths(size)[1:]]

    @classmethod
    def at(cls, reader: TileReader, size: int) -> Growth:
        """Read the edge of a stored tree from its tiles. Raises Missing or Malformed."""
        edge = []
        for row, total in enumerate(widths(size)):
            number, width = divmod(total, WIDTH)
            edge.append(list(reader.tile(row, number)) if width else [])
        return cls(size, edge)

    def copy(self) -> Growth:
        return Growth(self.size, self.edge)

    def extend(self, leaves: Iterable[bytes]) -> list[tuple[int, int, bytes]]:
        """Add leaf hashes; return the completed nodes as (row, number, hash)."""
        made: list[tuple[int, int, bytes]] = []
        for leaf in leaves:
            self._push(0, leaf, made)
            self.size += 1
        return made

    def add_full_tile(self, leaves: Sequence[bytes]) -> tuple[bytes, list[tuple[int, int, bytes]]]:
        """Add 256 leaf hashes at the start of a tile; return the tile's root and the new nodes."""
        if len(leaves) != WIDTH or self.size % WIDTH:
            raise ValueError("a full tile begins where a tile begins")
        if not self.edge:
            self.edge.append([])
        root = _root_of_tile(leaves)
        self.size += WIDTH
        made: list[tuple[int, int, bytes]] = []
        self._node(1, root, made)
        return root, made

    def _push(self, row: int, value: bytes, made: list[tuple[int, int, bytes]]) -> None:
        if row == len(self.edge):
            self.edge.append([])
        tile = self.edge[row]
        tile.append(value)
        if len(tile) < WIDTH:
            return
        root = _root_of_tile(tile)
        self.edge[row] = []
        self._node(row + 1, root, made)

    def _node(self, row: int, root: bytes, made: list[tuple[int, int, bytes]]) -> None:
        while row >= len(self._done):
            self._done.append(0)
        made.append((row, self._done[row], root))
        self._done[row] += 1
        self._push(row, root, made)

    def root(self) -> bytes:
        """Return the root of the whole tree."""
        hashes: list[bytes] = []
        for tile in reversed(self.edge):
            start = 0
            while start < len(tile):
                span = 1 << (len(tile) - start).bit_length() - 1
                hashes.append(root_of(tile[start : start + span]))
                start += span
        if not hashes:
            return EMPTY_ROOT
        root = hashes.pop()
        while hashes:
            root = node_hash(hashes.pop(), root)
        return root


def _root_of_tile(row: Sequence[bytes]) -> bytes:
    """Return the root over a power of two of hashes; the inner loop of all verification."""
    prefix = b"\x01"
    while len(row) > 1:
        row = [
            sha256(prefix + left + right).digest()
            for left, right in zip(row[::2], row[1::2], strict=True)
        ]
    return row[0]
