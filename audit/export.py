"""Export the log as a C2SP tlog-tiles directory, with `entries.jsonl` (line i is leaf i).

Works page by page in constant memory. Every file is a function of the head: a second export has the
same bytes.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audit import inclusion, tree
from audit.tlog.errors import Mismatch
from audit.tlog.merkle import leaf_hash
from audit.tlog.policy import Checked, Policy
from audit.tlog.tiles import WIDTH, entries_path, pack_entries, tile_path, widths

# Rows of about 300 bytes, 64 KiB at most.
PAGE = WIDTH * 4

_ENTRIES = """
SELECT l.idx, l.entry_id, e.body, l.hash FROM audit.leaf l JOIN audit.entry e ON e.id = l.entry_id
 WHERE l.idx >= %s AND l.idx < %s ORDER BY l.idx
"""
_SIZES = """
SELECT coalesce(sum(octet_length(e.body)), 0) + count(*), count(*)
  FROM audit.leaf l JOIN audit.entry e ON e.id = l.entry_id WHERE l.idx < %s
"""
README = """\
An export of the audit log of hitlportal, in the form of C2SP tlog-tiles (https://c2sp.org).

  checkpoint      the signed head, with the lines of its witnesses
  tile/           hashes (tile/<level>/...) and entries (tile/entries/...)
  entries.jsonl   the same entries, one a line: SHA-256(0x00 || line i) is leaf i
  policy, vkey    what the portal says whom to believe; take yours from elsewhere

Check it: python3 audit-verify.pyz verify . --key <vkey that you trust> [--seen <head you have>]
"""

Progress = Callable[[int, int], None]
# A line of an export: leaf index, the entry's id, the exact bytes.
Line = tuple[int, int, bytes]


@dataclass(frozen=True)
class Sizes:
    """The amount of data to export under a head."""

    entries: int
    jsonl: int  # bytes of entries.jsonl


def head(policy: Policy, using: str = "default") -> Checked:
    """Return the newest head that the policy accepts. Raises inclusion.Unavailable."""
    return inclusion.newest(policy=policy, using=using)


def estimate(size: int, using: str = "default") -> Sizes:
    """Estimate the size from the newest entries, for a page that must not read everything."""
    ((octets,),) = tree.query_of(using)(
        "SELECT coalesce(avg(octet_length(e.body)), 0) + 1 FROM"
        " (SELECT entry_id FROM audit.leaf ORDER BY idx DESC LIMIT 1000) AS l"
        " JOIN audit.entry e ON e.id = l.entry_id",
        (),
    )
    return Sizes(size, int(octets * size))


def sizes(size: int, using: str = "default") -> Sizes:
    ((octets, count),) = tree.query_of(using)(_SIZES, (size,))
    return Sizes(int(count), int(octets))


def lines(size: int, using: str = "default", first: int = 0) -> Iterator[Line]:
    """Yield entries in the order of the log.

    Raises Mismatch for a missing leaf, or an entry that does not match its leaf, so that an export
    never contains invalid data.
    """
    query = tree.query_of(using)
    while first < size:
        rows = query(_ENTRIES, (first, min(first + PAGE, size)))
        if not rows:
            raise Mismatch(f"leaf {first} is not there", first)
        for index, entry_id, body, stored in rows:
            raw = bytes(body)
            if int(index) != first or leaf_hash(raw) != bytes(stored):
                raise Mismatch(f"leaf {first} does not hold", first)
            first += 1
            yield int(index), int(entry_id), raw


def files(
    checked: Checked, policy: Policy, using: str = "default", progress: Progress = lambda a, b: None
) -> Iterator[tuple[str, bytes]]:
    """Yield every file except entries.jsonl, in an order that needs constant memory."""
    size = checked.checkpoint.size
    yield "README.txt", README.encode()
    yield "policy", policy.dump().encode()
    yield "vkey", "".join(f"{key}\n" for key in policy.logs).encode()
    bundle: list[bytes] = []
    for index, _, body in lines(size, using):
        bundle.append(body)
        if len(bundle) == WIDTH or index + 1 == size:
            yield entries_path(index // WIDTH, len(bundle)), pack_entries(bundle)
            bundle = []
            progress(index + 1, size)
    for row, total in enumerate(widths(size)):
        for number in range(-(-total // WIDTH)):
            # A separate reader for each, because a reader caches its tiles.
            tile = tree.reader(size, tree.query_of(using)).tile(row, number)
            yield tile_path(row, number, len(tile)), b"".join(tile)
    # The checkpoint comes last: when it exists, all signed files exist, too.
    yield "checkpoint", checked.note.encode()


def write_directory(
    path: Path, policy: Policy, using: str = "default", progress: Progress = lambda a, b: None
) -> Checked:
    """Write an export and rename it when it is complete; a crash leaves a directory `.name.*`."""
    if path.exists():
        raise FileExistsError(f"{path} exists already")
    checked = head(policy, using)
    draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        for name, content in files(checked, policy, using, progress):
            target = draft / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        with (draft / "entries.jsonl").open("wb") as file:
            for _, _, body in lines(checked.checkpoint.size, using):
                file.write(body + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o755)
        os.replace(draft, path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return checked


def tar_stream(checked: Checked, policy: Policy, using: str = "default") -> Iterator[bytes]:
    """Yield the export as a tar file, created while it is sent."""
    size = checked.checkpoint.size
    for name, content in files(checked, policy, using):
        yield _member(name, len(content)) + content + _padding(len(content))
    octets = sizes(size, using).jsonl
    yield _member("entries.jsonl", octets)
    for _, _, body in lines(size, using):
        yield body + b"\n"
    yield _padding(octets) + bytes(2 * tarfile.BLOCKSIZE)


def tar_size(checked: Checked, policy: Policy, using: str = "default") -> int:
    """Return the number of bytes of `tar_stream` without creating it."""
    size = checked.checkpoint.size
    found = sizes(size, using)
    named = [len(README), len(policy.dump()), sum(len(str(k)) + 1 for k in policy.logs)]
    named += [len(checked.note.encode()), found.jsonl]
    total = sum(_blocks(one) for one in named) + 2 * tarfile.BLOCKSIZE
    for row, count in enumerate(widths(size)):
        full, part = divmod(count, WIDTH)
        tile = full * _blocks(WIDTH * 32) + (_blocks(part * 32) if part else 0)
        total += tile
        if row == 0:
            total += sum(_blocks(octets) for octets in _bundles(size, using))
    return total


def _bundles(size: int, using: str) -> list[int]:
    rows = tree.query_of(using)(
        "SELECT sum(octet_length(e.body) + 2) FROM audit.leaf l"
        " JOIN audit.entry e ON e.id = l.entry_id WHERE l.idx < %s GROUP BY l.idx / 256",
        (size,),
    )
    return [int(row[0]) for row in rows]


def _blocks(octets: int) -> int:
    """Yield header, content and padding of a member."""
    return tarfile.BLOCKSIZE + octets + len(_padding(octets))


def _member(name: str, octets: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = octets, 0o644
    # The size field of USTAR is limited to 8 GiB.
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(octets: int) -> bytes:
    return bytes(-octets % tarfile.BLOCKSIZE)
