"""Differences: everything that differs, complete, and nothing else."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from audit.tlog.canonical import Json
from remediation.domain.differences import Difference, differences, items, words

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_does_not_differ_from_itself(value: Json) -> None:
    assert differences(value, json.loads(json.dumps(value))) == ()


@given(st.dictionaries(st.text(max_size=3), VALUES), st.dictionaries(st.text(max_size=3), VALUES))
def test_each_field_that_differs_is_named(old: dict[str, Json], new: dict[str, Json]) -> None:
    differing = {k for k in old.keys() | new.keys() if k not in old or k not in new}
    differing |= {
        k
        for k in old.keys() & new.keys()
        if isinstance(old[k], str | int) and (old[k], type(old[k])) != (new[k], type(new[k]))
    }
    named = {row.place for row in differences(old, new)}
    for key in differing:
        assert any(place == key or place.startswith(f"{key} / ") for place in named)


def test_true_is_not_one() -> None:
    assert differences({"a": True}, {"a": 1}) == (Difference("a", "true", "1"),)


def test_members_of_a_list_are_matched_at_any_position() -> None:
    old: Json = {"services": [service("a", "low"), service("b", "low")]}
    new: Json = {"services": [service("b", "high"), service("a", "low"), service("c", "low")]}
    assert [(row.word, row.place, row.old, row.new) for row in differences(old, new)] == [
        ("changed", "services / b via t / criticality", "low", "high"),
        ("added", "services / c via t", None, json.dumps(service("c", "low"), sort_keys=True)),
        ("changed", "services / order", "a via t, b via t", "b via t, a via t"),
    ]


def service(name: str, criticality: str) -> dict[str, Json]:
    return {"name": name, "via": "t", "criticality": criticality}


def test_a_slot_that_comes_twice_is_not_lost() -> None:
    (row,) = differences({"slots": ["any"]}, {"slots": ["any", "any"]})
    assert (row.word, row.new) == ("added", "any")


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_word_is_lost_between_two_texts(old: str, new: str) -> None:
    pieces = words(old, new)
    assert "".join(p.text for p in pieces if p.word != "added") == old
    assert "".join(p.text for p in pieces if p.word != "removed") == new


def test_a_long_text_is_shown_complete_without_comparing_words() -> None:
    old, new = "a " * 5_000, "b " * 5_000
    assert [(p.word, p.text) for p in words(old, new)] == [("removed", old), ("added", new)]


def test_steps_are_paired_by_target_and_shown_in_order() -> None:
    old: list[Json] = [step("t1"), step("t2"), step("t3")]
    new: list[Json] = [step("t1"), step("t3", note="again"), step("t4")]
    found = items(old, new, key=lambda s: s["target"], text=lambda s: s["target"])  # type: ignore[index,call-overload,return-value]
    assert [(item.word, item.old, item.new) for item in found] == [
        ("same", 1, 1),
        ("removed", 2, None),
        ("changed", 3, 2),
        ("added", None, 3),
    ]
    assert found[2].rows == (Difference("note", "", "again"),)


def step(target: str, note: str = "") -> dict[str, Json]:
    return {"target": target, "note": note}
