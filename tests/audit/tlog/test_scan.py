"""A file that would cost much is refused before it is parsed, with bounded memory (A87)."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable

import pytest

from audit.tlog import bundle, bundle_form, scan
from audit.tlog.errors import Malformed, TlogError, UnknownKey
from audit.verifying import verify
from tests.audit.tlog.case import case
from tests.domain import record
from tests.every import every

GOOD = case().dump()
MIB = 1024 * 1024
# What a reader may take beside the file, as a multiple of its length.
MOST = 6


def beside(values: bytes) -> bytes:
    """Return a bundle with a true head whose entries are these values."""
    before, _, after = GOOD.partition(b'"entries":[')
    return before + b'"entries":[' + values + b"],".join(after.rpartition(b'],"heads"')[1:])


def cost(of: Callable[[], object]) -> int:
    """Return the peak of memory while it runs, and is refused."""
    tracemalloc.start()
    try:
        with pytest.raises((TlogError, ValueError)):
            of()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


HOSTILE = {
    "empty lists": b"[]," * MIB,
    "empty objects": b"{}," * MIB,
    "numbers": b"1," * MIB,
    "short texts": b'"",' * MIB,
    "one long number": b"1" * 16 * MIB,
    "brackets": b"[" * MIB,
    "in texts": b'"\\"[\\\\",' * MIB,
}


@every("hostile", HOSTILE)
def test_a87_memory_is_bounded_before_a_file_is_parsed(hostile: str) -> None:
    raw = beside(HOSTILE[hostile])
    assert cost(lambda: bundle.verify(raw, record.POLICY, verify=verify)) < MOST * len(raw)


def test_a87_control_the_parser_alone_takes_many_times_the_file() -> None:
    raw = beside(HOSTILE["empty lists"])
    scan_check, scan.check = scan.check, lambda *_, **__: None  # type: ignore[assignment]
    try:
        assert cost(lambda: bundle_form.read_file(raw)) > 2 * MOST * len(raw)
    finally:
        scan.check = scan_check


def test_a87_the_head_is_checked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(raw: bytes) -> None:
        raise AssertionError("parsed before its head was checked")

    monkeypatch.setattr(bundle_form, "read_file", parse)
    with pytest.raises(UnknownKey):
        bundle.verify(GOOD, bundle.Policy.single(record.signer("a/b").vkey), verify=verify)


@every("text", ['"', "\\", '\\"', '[{,"\\\\', "\\\\\\", "☂\n"])
def test_what_stands_in_texts_is_not_counted(text: str) -> None:
    raw = json.dumps([text * 50, {text: text}]).encode()
    scan.check(raw, values=4, depth=2)
    for bound in ({"values": 2}, {"depth": 1}):
        with pytest.raises(Malformed):
            scan.check(raw, **bound)
