"""An excerpt shows a cited value complete, in its place, among its neighbours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain import excerpt as module
from remediation.domain.citations import resolve
from remediation.domain.excerpt import (
    CONTEXT_LINES,
    MORE,
    VALUE_CHARS,
    Excerpt,
    Excerpts,
    NoRoom,
)


def excerpt(document: Any, pointer: str) -> Excerpt | None:
    return Excerpts({"a": document}).at("a", pointer)


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


# ---- what an agent can make of it (A83) ----------------------------------------------------------


def test_a83_a_long_neighbour_is_named_and_not_written() -> None:
    document = {"log": ["x" * 9_000, "y"], "text": "z" * 9_000, "n" * 900: 1, "key": "AKIA"}
    found = excerpt(document, "/key")
    assert found is not None
    assert found.before.splitlines() == [
        f'"log": [{MORE}]', f'"text": "{"z" * 160}"{MORE}', f'"{"n" * 160}"{MORE}: 1',
    ]  # fmt: skip


def test_a83_a_long_value_ends_with_a_mark() -> None:
    found = excerpt({"key": ["x" * 100] * 9_000}, "/key")
    assert found is not None
    assert found.cut and len(found.value) == VALUE_CHARS + 1 and found.value.endswith(MORE)
    whole = excerpt({"key": "x" * 1_000}, "/key")
    assert whole is not None and not whole.cut


def test_a83_a_value_that_is_nested_deeply_ends_with_a_mark() -> None:
    document: Any = 1
    for _ in range(900):
        document = [document]
    found = excerpt({"key": document}, "/key")
    assert found is not None and found.cut


def test_a83_each_member_of_a_list_is_written_once_for_all_citations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """4,000 citations into one list of half a million: only what is near is written."""
    written: list[str] = []
    write = module._written

    def counted(label: str, value: Any, most: int) -> tuple[str, bool]:
        written.append(label)
        return write(label, value, most)

    monkeypatch.setattr(module, "_written", counted)
    made = Excerpts({"a": {"events": list(range(524_000))}})
    for number in range(4_000):
        assert made.at("a", f"/events/{100_000 + number % 50}") is not None
    # 50 values, and the 50 and eight on either side as neighbours.
    assert len(written) == 50 + 50 + 2 * CONTEXT_LINES


def test_a83_excerpts_of_a_page_have_one_limit() -> None:
    made = Excerpts({"a": {"log": ["x" * 200] * 1_000}}, most=10_000)
    shown = 0
    with pytest.raises(NoRoom):
        for number in range(1_000):
            found = made.at("a", f"/log/{number}")
            assert found is not None
            shown += found.size
    assert 10_000 <= shown < 10_000 + VALUE_CHARS + 16 * 400
