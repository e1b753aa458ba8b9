"""The Merkle tree of RFC 6962 section 2.1: hashes, proofs, and the frontier for appending.

A tree over n leaves is a row of complete subtrees, biggest first, one per bit of n. (level, index)
names a node: the root of the complete subtree over the 2**level leaves that start at
index * 2**level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import TypeAlias

from audit.tlog.errors import BadProof

# (level, index) -> the root of that complete subtree.
NodeReader: TypeAlias = Callable[[int, int], bytes]

HASH_SIZE = 32
# RFC 6962 2.1: the hash of an empty list is the hash of an empty string.
EMPTY_ROOT = sha256(b"").digest()
# No real log reaches this size; a larger one is an attack on the reader.
MAX_SIZE = 2**62


def leaf_hash(data: bytes) -> bytes:
    """RFC 6962 2.1: SHA-256(0x00 || data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 2.1: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of a growing tree's complete subtrees: enough for appending."""

    __slots__ = ("_hashes", "_size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self._size = size
        self._hashes = list(hashes)
        if len(self._hashes) != size.bit_count():
            raise ValueError("a frontier has one hash for each bit of its size")

    @property
    def size(self) -> int:
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """Biggest subtree first."""
        return tuple(self._hashes)

    def copy(self) -> Frontier:
        return Frontier(self._size, self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        size, hashes = self._size, self._hashes
        while size & 1:
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)
        self._size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        if not self._hashes:
            return EMPTY_ROOT
        *rest, root = self._hashes
        for left in reversed(rest):
            root = node_hash(left, root)
        return root


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root of the tree over these leaf hashes."""
    row = list(hashes)
    if not row:
        return EMPTY_ROOT
    while len(row) > 1:
        # An odd last hash moves up unchanged: RFC 6962 splits at the largest power of two.
        last = [row[-1]] if len(row) % 2 else []
        row = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(row[::2], row[1::2], strict=False)
        ] + last
    return row[0]


def frontier_at(read: NodeReader, size: int) -> Frontier:
    """Return the frontier of the tree over the first ``size`` leaves."""
    return Frontier(size, [read(level, index) for level, index in _complete(0, size)])


def tree_root(read: NodeReader, size: int) -> bytes:
    return frontier_at(read, size).root()


def inclusion_proof(read: NodeReader, index: int, size: int) -> list[bytes]:
    """Return the audit path of leaf ``index`` (RFC 6962 2.1.1), from the leaf upwards."""
    if not 0 <= index < size <= MAX_SIZE:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    spans: list[tuple[int, int]] = []
    while end - start > 1:
        split = start + _split(end - start)
        if index < split:
            spans.append((split, end))
            end = split
        else:
            spans.append((start, split))
            start = split
    path.extend(_root_between(read, *span) for span in reversed(spans))
    return path


def consistency_proof(read: NodeReader, old: int, new: int) -> list[bytes]:
    """Return the proof that the tree of size ``new`` extends that of size ``old`` (2.1.2)."""
    if not 0 <= old <= new <= MAX_SIZE:
        raise ValueError(f"no way from {old} to {new}")
    if old in (0, new):
        return []
    spans: list[tuple[int, int]] = []
    start, end, whole = 0, new, True
    while old != end:
        split = start + _split(end - start)
        if old <= split:
            spans.append((split, end))
            end = split
        else:
            spans.append((start, split))
            start, whole = split, False
    if not whole:
        spans.append((start, end))
    return [_root_between(read, *span) for span in reversed(spans)]


def verify_inclusion(
    *, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Verify that ``leaf`` (a leaf hash) is leaf ``index`` of the tree (RFC 9162 2.1.3.2).

    Raises BadProof.
    """
    _check_hashes((leaf, root, *proof))
    if not 0 <= index < size <= MAX_SIZE:
        raise BadProof(f"no leaf {index} in a tree of {size}")
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BadProof("the proof is too long")
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise BadProof("the proof is too short")
    if found != root:
        raise BadProof(f"leaf {index} is not in the tree of {size}")


def verify_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Verify that the new tree extends the old one (RFC 9162 2.1.4.2). Raises BadProof.

    Every tree extends the empty tree, which has one possible root; the proof is empty.
    """
    _check_hashes((old_root, new_root, *proof))
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise BadProof(f"no way from size {old_size} to {new_size}")
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise BadProof("an empty tree has one root only")
    if old_size in (0, new_size):
        if proof:
            raise BadProof("the proof is too long")
        if old_size == new_size and old_root != new_root:
            raise BadProof(f"two roots for size {old_size}")
        return
    _walk_consistency(old_size, old_root, new_size, new_root, proof)


def _walk_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    at, last = old_size - 1, new_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    # If the old tree is complete, its root is the first hash.
    path = [old_root, *proof] if at == 0 else list(proof)
    if not path:
        raise BadProof("the proof is too short")
    old_found = new_found = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise BadProof("the proof is too long")
        if at & 1 or at == last:
            old_found = node_hash(sibling, old_found)
            new_found = node_hash(sibling, new_found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new_found = node_hash(new_found, sibling)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise BadProof("the proof is too short")
    if old_found != old_root or new_found != new_root:
        raise BadProof(f"the tree of {new_size} does not begin with that of {old_size}")


def _split(count: int) -> int:
    """Return the largest power of two that is smaller than ``count``."""
    return 1 << (count - 1).bit_length() - 1


def _complete(start: int, end: int) -> list[tuple[int, int]]:
    """Yield the complete subtrees of leaves [start, end); start is aligned to them."""
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def _root_between(read: NodeReader, start: int, end: int) -> bytes:
    hashes = [read(level, index) for level, index in _complete(start, end)]
    root = hashes.pop()
    while hashes:
        root = node_hash(hashes.pop(), root)
    return root


def _check_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(one) != HASH_SIZE for one in hashes):
        raise BadProof("a hash has 32 bytes")
