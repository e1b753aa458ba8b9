"""A43: a taken-over web process appends any JSON object that PostgreSQL takes. Whoever reads the
log afterwards, a person's page, an export, the daily verification, must not fall over it."""

from __future__ import annotations

import csv
import io
import json

import pytest

from audit import export, formats, fsck, reading
from audit.tlog.canonical import MAX_DEPTH, encode, read
from remediation.domain.sentences import describe
from tests.audit.conftest import House, run
from tests.domain import record

DEEP = b'{"action":"hmac-sha256","object":"deep","data":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
NESTED = b'{"action":"hmac-sha256","object":"nested","data":' + b'{"a":' * 900 + b"1" + b"}" * 901
LONG = b'{"action":"hmac-sha256","object":"long","data":' + b"7" * 6_000 + b"}"
HOSTILE = {
    "deep": DEEP,
    "nested": NESTED,
    "long number": LONG,
    "twice": b'{"action":1,"action":["x"],"at":[],"data":[{"hmac-sha256":{}}]}',
    "large": b'{"data":1e400,"at":"9999-12-31T23:59:59-23:59","actor":{"a":null}}',
    "spaced": b' { "hmac-sha256" : "x" } ',
    "empty": b"{}",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a43_no_entry_stops_those_who_read_the_log(house: House, body: bytes) -> None:
    house.write(1)
    run("INSERT INTO audit.entry (body) VALUES (%s)", [body])
    house.write(1)
    house.integrate()
    (row,) = [row for row in reading.find(reading.Asked(), "default").rows if row.body == body]
    assert isinstance(describe(row.said), str)
    assert isinstance(row.action + row.actor + row.object, str)
    assert row.at is None or row.at.year
    made = b"".join(formats.csv_rows(export.lines(3))).decode()
    assert len(list(csv.reader(io.StringIO(made)))) == 4
    events = [json.loads(line) for line in b"".join(formats.ocsf(export.lines(3))).splitlines()]
    assert events[1]["raw_data"].encode() == body
    assert fsck.verify(record.POLICY).size == 3


def test_what_encode_writes_can_be_read() -> None:
    value: dict[str, object] = {}
    for _ in range(MAX_DEPTH):
        value = {"a": value}
    assert read(encode(value)) == value
    wide = {"a": [{"b": []}] * 500}
    assert read(encode(wide)) == wide


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"7", b"null", b"\xff", b'{"a":\x00}', DEEP, NESTED, LONG, b"{" * 70_000]
)
def test_what_cannot_be_told_is_nothing(body: bytes) -> None:
    assert read(body) is None
