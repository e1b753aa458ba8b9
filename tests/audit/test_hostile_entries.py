"""A43: before the guard of entries, a compromised web process could append any JSON object that
PostgreSQL accepts. All readers of the log (pages, exports, the daily verification) survive it."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import psycopg
import pytest
from django.db import transaction

from audit import export, formats, fsck, log, reading, sequencer
from audit.tlog.canonical import MAX_DEPTH, encode, read
from audit.tlog.errors import NotCanonical
from remediation.domain.sentences import describe
from tests.audit.conftest import House, hostile, rows, run
from tests.domain import record
from tests.every import every

DEEP = b'{"action":"hmac-sha256","object":"deep","data":' + b"[" * 5_000 + b"]" * 5_000 + b"}"
NESTED = b'{"action":"hmac-sha256","object":"nested","data":' + b'{"a":' * 900 + b"1" + b"}" * 901
LONG = b'{"action":"hmac-sha256","object":"long","data":' + b"7" * 6_000 + b"}"
HOSTILE = {
    "deep": DEEP,
    "nested": NESTED,
    "long number": LONG,
    "twice": b'{"action":1,"action":["x"],"at":[],"data":[{"hmac-sha256":{}}]}',
    "large": b'{"data":1e400,"at":"9999-12-31T23:59:59-23:59","actor":{"a":null}}',
    "before christ": b'{"at":"0044-03-15T00:00:00 BC"}',
    "before christ in utc": b'{"at":"0001-01-01T00:00:00+15:59"}',
    "year ten thousand": b'{"at":"9999-12-31T23:59:59-15:59"}',
    "without a zone": b'{"at":"2026-11-26T04:00:00"}',
    "spaced": b' { "hmac-sha256" : "x" } ',
    "empty": b"{}",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a43_no_entry_stops_the_readers_of_the_log(house: House, body: bytes) -> None:
    house.write(1)
    hostile(body)
    house.write(1)
    house.integrate()
    (row,) = [row for row in reading.find(reading.Asked(), "default").rows if row.body == body]
    assert isinstance(describe(row.said), str)
    assert isinstance(row.action + row.actor + row.object, str)
    assert row.at is None or row.at.year
    assert reading.state("default").size == 3
    made = b"".join(formats.csv_rows(export.lines(3))).decode()
    assert len(list(csv.reader(io.StringIO(made)))) == 4
    events = [json.loads(line) for line in b"".join(formats.ocsf(export.lines(3))).splitlines()]
    assert events[1]["raw_data"].encode() == body
    # The verifier may use another time zone than the sequencer.
    run("SET LOCAL TIME ZONE 'Pacific/Kiritimati'")
    assert fsck.verify(record.POLICY).size == 3


@pytest.mark.parametrize("newest", [True, False])
@pytest.mark.parametrize("at", ["before christ", "before christ in utc", "year ten thousand"])
def test_a43_an_impossible_time_does_not_hide_the_state_of_the_log(
    house: House, at: str, newest: bool
) -> None:
    """As the newest entry under the head, and as one that waits for its leaf."""
    house.write(1)
    house.integrate()
    hostile(HOSTILE[at])
    if newest:
        house.integrate()
    found = reading.state("default")
    assert (found.size, found.backlog) == ((2, 0) if newest else (1, 1))


def _deepest() -> bytes:
    """Return the deepest entry that the database accepts: readers have less stack than writers."""

    def taken(depth: int) -> bool:
        try:
            with transaction.atomic():
                hostile(nested(depth))
                raise InterruptedError
        except InterruptedError:
            return True
        except psycopg.Error:
            return False

    def nested(depth: int) -> bytes:
        return b'{"object":"deepest","data":' + b"[" * depth + b"]" * depth + b"}"

    low, high = 1, 32_000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if taken(middle) else (low, middle)
    return nested(low)


def test_a43_the_deepest_entry_that_can_be_written_can_be_listed(house: House) -> None:
    """Otherwise the list stops for ever, and the sequencer restarts again and again."""
    hostile(_deepest())
    house.integrate()
    assert rows("SELECT object FROM audit.search") == [("deepest",)]
    assert rows("SELECT count(data) FROM audit.trail") == [(1,)]
    assert fsck.verify(record.POLICY).size == 1


BRACKETS: tuple[dict[str, Any], ...] = ({"a": [[]] * 6_000}, {"a": "[" * 30_000})


def test_brackets_in_texts_do_not_count(house: House) -> None:
    with pytest.raises(NotCanonical):
        house.write(1, data=BRACKETS[0])
    assert house.write(1, data={**BRACKETS[1], "b": '\\"[{' * 5_000})


# As jsonb text: 900 MB. Then input that makes the text parser read again from each character.
SLOW = {
    "numbers": b'{"data":[' + b",".join([b"1e131071"] * 7_000) + b"]}",
    "a time of numbers": b'{"at":[' + b",".join([b"1e131071"] * 7_000) + b"]}",
    "a run": b'{"data":"' + b"a_" * 32_000 + b'"}',
    "hosts": b'{"data":"' + b"a-1." * 16_000 + b'"}',
    "tags": b'{"data":"' + b"<!-- " * 12_000 + b'"}',
    "texts": b'{"data":[' + b",".join([b'"x"'] * 16_000) + b"]}",
}


@pytest.mark.parametrize("body", SLOW.values(), ids=SLOW)
def test_a63_no_entry_takes_long_to_list(house: House, body: bytes) -> None:
    """Approvals wait for the process that makes the list."""
    hostile(body)
    run("SET LOCAL statement_timeout = '2s'")
    house.integrate()
    assert fsck.verify(record.POLICY).size == 1


def test_a63_one_batch_of_entries_fits_into_memory() -> None:
    """Entries of web with the greatest length. On the wire, bytes take twice that."""
    for rows_at_once in (sequencer.LIMIT, fsck.PAGE, export.PAGE, reading.TIMELINE):
        assert rows_at_once * log.MAX_BODY < 70_000_000


def test_words_are_found_anywhere_in_an_entry(house: House) -> None:
    digest = "ab" * 32
    said = f'the sushi <b>key</b>\n{digest} caf\u00e9 "quoted" alice@example.org'
    house.write(1, data={"title": said, "n": [42, -7], "deep": {"er": ["sha256:" + digest]}})
    house.integrate()
    for words in ("sushi", "key", digest, "café", "quoted", "alice@example.org", "42", "sha256"):
        assert reading.find(reading.Asked(words=words), "default").rows, words
    for words in ("title", "er", "wasabi", "nab"):
        assert not reading.find(reading.Asked(words=words), "default").rows, words


def test_encoded_entries_can_be_read() -> None:
    value: dict[str, object] = {}
    for _ in range(MAX_DEPTH):
        value = {"a": value}
    assert read(encode(value)) == value
    wide: dict[str, Any] = {"a": [{"b": []}] * 500}
    assert read(encode(wide)) == wide


@every(
    "body", [b"", b"[]", b"7", b"null", b"\xff", b'{"a":\x00}', DEEP, NESTED, LONG, b"{" * 70_000]
)
def test_an_unreadable_body_reads_as_nothing(body: bytes) -> None:
    assert read(body) is None
