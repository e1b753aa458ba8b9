"""An excerpt shows a cited value complete, in its place, among its neighbours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.citations import resolve
from remediation.domain.excerpt import CONTEXT_LINES, excerpt

EVENT = {"eventName": "GetCallerIdentity", "user": {"arn": "a", "key": "AKIA"}, "list": [1, 2, 3]}


def test_a_value_among_its_neighbours() -> None:
    found = excerpt(EVENT, "/user/key")
    assert found is not None
    assert (found.around, found.before, found.value, found.after) == (
        "/user", '"arn": "a"', '"key": "AKIA"', "",
    )  # fmt: skip


def test_a_value_of_many_lines_is_complete() -> None:
    found = excerpt(EVENT, "/user")
    assert found is not None
    assert json.loads(found.value.removeprefix('"user": ')) == EVENT["user"]
    assert found.around == "/"


def test_an_item_of_a_list() -> None:
    found = excerpt(EVENT, "/list/1")
    assert found is not None
    assert (found.before, found.value, found.after) == ("1", "2", "3")


def test_distant_neighbours_are_counted() -> None:
    found = excerpt({f"k{n:03}": n for n in range(100)}, "/k050")
    assert found is not None
    assert (found.cut_before, found.cut_after) == (50 - CONTEXT_LINES, 49 - CONTEXT_LINES)
    assert found.before.splitlines()[-1] == '"k049": 49'


def test_the_whole_document_has_no_surroundings() -> None:
    assert excerpt(EVENT, "") is None


@pytest.mark.parametrize("pointer", ["/nothing", "/user/arn/deeper", "/list/9", "/list/-"])
def test_a_pointer_to_nothing_gives_no_excerpt(pointer: str) -> None:
    with pytest.raises(LookupError):
        excerpt(EVENT, pointer)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, min_size=1) | st.dictionaries(st.text(), inner, min_size=1),
    max_leaves=20,
)


def pointers(value: Any, at: str = "") -> list[str]:
    members = (
        value.items() if isinstance(value, dict)
        else enumerate(value) if isinstance(value, list) else ()
    )  # fmt: skip
    found = []
    for key, inner in members:
        path = f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}"
        found += [path, *pointers(inner, path)]
    return found


@given(values)
def test_every_value_of_any_document_is_shown_complete(document: Any) -> None:
    for pointer in pointers(document):
        found = excerpt(document, pointer)
        assert found is not None
        shown = json.dumps(resolve(document, pointer), ensure_ascii=False, indent=2)
        assert found.value.endswith(shown)
