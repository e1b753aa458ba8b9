"""Traces fit into one entry of the log, and hold no secret, whatever a target answers."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from audit.tlog import canonical
from remediation.domain.traces import LEFT_OUT, MOST_BYTES, MOST_TEXT, count, kept

TOKEN = "ghp_" + "a1B2" * 9
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


def session(number: int) -> dict[str, Any]:
    return {"client": f"10.0.0.{number}", "application": "x" * 100, "since": "2026-12-01T00:00Z"}


def test_what_fits_stays_as_it_is() -> None:
    found = {"sessions": [session(1), session(2)], "server": "orders", "count": 2}
    assert kept(found) == found
    assert count(found) == 2
    assert kept({}) == {}


def test_the_last_members_of_the_longest_list_go_first_and_are_counted() -> None:
    found = {"sessions": [session(n % 250) for n in range(2_000)], "pods": ["orders-1"]}
    record = kept(found)
    assert len(canonical.encode(record)) <= MOST_BYTES
    assert record["pods"] == ["orders-1"]
    assert record["sessions"] == found["sessions"][: len(record["sessions"])]  # type: ignore[arg-type]
    assert record[LEFT_OUT] == {"sessions": 2_000 - len(record["sessions"])}  # type: ignore[arg-type]
    assert count(record) == 2_001


def test_a_secret_at_any_place_is_masked_also_where_the_text_is_cut() -> None:
    record = kept(
        {
            "application": f"psql {TOKEN}",
            "sessions": [{"client": f"x{TOKEN}", TOKEN: {"deep": [f"token={TOKEN}"]}}],
            "log": "." * (MOST_TEXT - 20) + " " + TOKEN,
        }
    )
    body = canonical.encode(record).decode()
    assert TOKEN[:20] not in body and "a1B2a1B2" not in body


def test_texts_are_cut_and_one_line() -> None:
    record = kept({"log": "a\nb\x00\u202e" + "c" * 10_000})
    assert len(str(record["log"])) == MOST_TEXT
    assert str(record["log"]).isprintable()


@given(st.dictionaries(st.text(max_size=10), ANY, max_size=6))
def test_anything_at_all_goes_on_record(found: dict[str, Any]) -> None:
    body = canonical.encode(kept(found))
    assert len(body) <= MOST_BYTES


def test_one_value_that_is_too_long_is_left_out_and_counted() -> None:
    wide = {f"name{n}": "y" * 200 for n in range(200)}
    record = kept({"pod": wide, "sessions": [session(1)]})
    assert record == {"sessions": [session(1)], LEFT_OUT: {"pod": 1}}


def test_a_target_that_brings_very_many_names_still_goes_on_record() -> None:
    names = {f"{n:060}": ["y" * 300] for n in range(1_000)}
    record = kept({"sessions": [session(1)], **names})
    assert len(canonical.encode(record)) <= MOST_BYTES
    assert record["sessions"] == [session(1)]
    assert count(record) == 1_001
