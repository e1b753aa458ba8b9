"""Verify a log from its files: any C2SP tlog-tiles directory, also of other software.

Everything is computed again from the entries: leaf hashes, every tile of every level, the
checkpoint's root. Errors name the path of the first mismatch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audit.tlog import ed25519
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import Fork, Malformed, Mismatch, Missing, Rollback
from audit.tlog.growth import Growth
from audit.tlog.merkle import HASH_SIZE
from audit.tlog.note import MAX_NOTE, Verify, from_bytes
from audit.tlog.policy import Checked, Policy
from audit.tlog.rules import default
from audit.tlog.tiles import (
    MAX_ENTRY,
    WIDTH,
    entries_path,
    hash_entries,
    parse_path,
    tile_path,
    unpack_entries,
    widths,
)
from audit.tlog.writers import Judge

# A full bundle of the longest entries.
MAX_BUNDLE = WIDTH * (MAX_ENTRY + 2)
# Forged entries that are named; all are counted.
MAX_NAMED = 100

# Exact bytes, also on Windows; do not wait for a writer if the file is a pipe.
_FLAGS = os.O_RDONLY | sum(getattr(os, n, 0) for n in ("O_BINARY", "O_CLOEXEC", "O_NONBLOCK"))

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Verified:
    """The result for a directory without a mismatch."""

    checked: Checked
    tiles: int
    # Whether entries.jsonl exists and its lines equal the leaves.
    lines: bool
    # Entries that their writer may not have written, the first ones, and how many there are.
    forged: tuple[str, ...] = ()
    forged_count: int = 0


def verify(
    path: Path,
    policy: Policy,
    *,
    seen: Checkpoint | None = None,
    verify: Verify = ed25519.verify,
    progress: Progress = lambda done, total: None,
) -> Verified:
    """Verify the directory.

    ``policy`` names the keys for its checkpoint, ``seen`` is a head that the caller has.

    Raises Malformed, UnknownKey, BadSignature, QuorumMissing, Missing, Mismatch, Rollback, Fork.
    """
    checked = policy.check(from_bytes(_read(path / "checkpoint", MAX_NOTE)), verify)
    return _Run(path, checked, seen, progress).result()


class _Run:
    def __init__(
        self, path: Path, checked: Checked, seen: Checkpoint | None, progress: Progress
    ) -> None:
        self.path, self.checked, self.progress = path, checked, progress
        self.size = checked.checkpoint.size
        if seen is not None and seen.origin != checked.checkpoint.origin:
            raise Malformed(f"the head seen is of {seen.origin}")
        if seen is not None and seen.size > self.size:
            raise Rollback(f"size {seen.size} was seen, the checkpoint here is of {self.size}")
        self.seen = seen
        self.growth = Growth()
        self.base = f"{path}/"
        # The files compared so far; the others are checked at the end.
        self.known: set[str] = set()
        # The hashes of each row's current tile, to compare with its file.
        self.rows: list[list[bytes]] = [[] for _ in widths(self.size)] or [[]]
        self.counts = [0] * (len(self.rows) + 1)
        self.tiles = 0
        self.judge = Judge(default().writers)
        self.forged: list[str] = []
        self.forged_count = 0

    def result(self) -> Verified:
        jsonl = self.path / "entries.jsonl"
        lines = _lines(jsonl) if jsonl.exists() else None
        for number in range(-(-self.size // WIDTH)):
            self._bundle(number, lines)
            if number % 64 == 0:
                self.progress(self.growth.size, self.size)
        self.progress(self.size, self.size)
        for row in range(len(self.rows)):
            if self.rows[row]:
                self._tile(row, len(self.rows[row]))
        if self.growth.root() != self.checked.checkpoint.root:
            raise Mismatch("checkpoint: its root is not that of the entries")
        if lines is not None and next(lines, None) is not None:
            raise Mismatch("entries.jsonl: more lines than the checkpoint has leaves")
        if self.seen is not None and self.seen.size == 0:
            self.seen = None
        self._leftovers()
        return Verified(
            self.checked, self.tiles, lines is not None, tuple(self.forged), self.forged_count
        )

    def _bundle(self, number: int, lines: Iterator[bytes] | None) -> None:
        width = min(WIDTH, self.size - number * WIDTH)
        name = entries_path(number, width)
        if width < WIDTH and not (self.path / name).exists():
            # Other software may have the full bundle only; then its beginning is used.
            name = entries_path(number)
        raw = _read(self.base + name, MAX_BUNDLE, name)
        self.known.add(name)
        try:
            hashes = hash_entries(raw)
        except Malformed as error:
            raise Mismatch(f"{name}: {error.detail}") from None
        whole = name == entries_path(number, width)
        if len(hashes) < width or (len(hashes) > width and whole):
            raise Mismatch(f"{name}: {len(hashes)} entries, not {width}", number * WIDTH)
        entries = unpack_entries(raw)[:width]
        if lines is not None:
            self._compare_lines(entries, lines, number * WIDTH)
        self._judge(entries, number * WIDTH)
        self._add(hashes[:width], width)

    def _judge(self, entries: list[bytes], first: int) -> None:
        for at, entry in enumerate(entries, first):
            if why := self.judge.why_forged_bytes(at, entry):
                self.forged_count += 1
                if len(self.forged) < MAX_NAMED:
                    self.forged.append(f"entry {at} is forged and not to be believed: it {why}")

    def _unpacked(self, name: str) -> list[bytes]:
        try:
            return unpack_entries(_read(self.path / name, MAX_BUNDLE, name))
        except Malformed as error:
            raise Mismatch(f"{name}: {error.detail}") from None

    def _add(self, hashes: list[bytes], width: int) -> None:
        self.rows[0] = hashes
        seen = self.seen
        if seen is not None and self.growth.size < seen.size <= self.growth.size + width:
            partial = self.growth.copy()
            partial.extend(hashes[: seen.size - self.growth.size])
            if partial.root() != seen.root:
                raise Fork(f"size {seen.size} was seen with another root")
        if width < WIDTH:
            self.growth.extend(hashes)
            return
        _, made = self.growth.add_full_tile(hashes)
        self._tile(0, WIDTH)
        for row, _, value in made:
            self.rows[row].append(value)
            if len(self.rows[row]) == WIDTH:
                self._tile(row, WIDTH)

    def _tile(self, row: int, width: int) -> None:
        """Compare a row's tile with its file."""
        number = self.counts[row]
        name = tile_path(row, number, width)
        self.known.add(name)
        if _read(self.base + name, WIDTH * HASH_SIZE, name) != b"".join(self.rows[row]):
            raise Mismatch(f"{name}: not the hashes of its entries")
        self.tiles += 1
        self.counts[row] += 1
        self.rows[row] = []

    def _compare_lines(self, entries: list[bytes], lines: Iterator[bytes], first: int) -> None:
        for at, entry in enumerate(entries):
            if next(lines, None) != entry:
                raise Mismatch(f"entries.jsonl: line {first + at} is not leaf {first + at}")

    def _leftovers(self) -> None:
        """Check that each older partial tile is the beginning of the computed tile."""
        root = str(self.path)
        for folder, _, names in os.walk(os.path.join(root, "tile")):
            inside = os.path.relpath(folder, root).replace(os.sep, "/")
            for name in names:
                if f"{inside}/{name}" not in self.known:
                    self._leftover(f"{inside}/{name}")

    def _leftover(self, name: str) -> None:
        level, index, width = parse_path(name)
        total = self.size if level is None else self.size >> 8 * level
        if index * WIDTH + width > total:
            raise Mismatch(f"{name}: beyond the checkpoint's size")
        now = min(WIDTH, total - index * WIDTH)
        whole = entries_path(index, now) if level is None else tile_path(level, index, now)
        if level is None:
            same = self._unpacked(name) == self._unpacked(whole)[:width]
        else:
            limit = WIDTH * HASH_SIZE
            part = _read(self.path / name, limit, name)
            same = part == _read(self.path / whole, limit, whole)[: width * HASH_SIZE]
        if not same:
            raise Mismatch(f"{name}: not the beginning of {whole}")


def _read(path: Path | str, most: int, name: str = "") -> bytes:
    """Read a whole file; the buffer has the file's size, not the maximum."""
    name = name or os.path.basename(path)
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            size = os.fstat(descriptor).st_size
            if size > most:
                raise Malformed(f"{name}: too long")
            return os.read(descriptor, size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Missing(f"{name}: {error.strerror}") from None


def _lines(path: Path) -> Iterator[bytes]:
    if not path.is_file():
        raise Malformed("entries.jsonl: not a file")
    with path.open("rb") as file:
        # The limit of an entry; a longer line is an error.
        while line := file.readline(MAX_ENTRY + 2):
            if not line.endswith(b"\n"):
                raise Mismatch("entries.jsonl: a line does not end, or is longer than an entry")
            yield line[:-1]
