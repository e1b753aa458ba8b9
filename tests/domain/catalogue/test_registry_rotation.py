"""The registry refuses effects, references and conditions that contradict the declaration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from remediation.domain.catalogue import (
    CatalogueInvalid,
    Change,
    Narrows,
    Op,
    Provider,
    after_step,
    build,
    test,
)
from tests.every import every

ADD = Op.ADD


def make(**changes: Any) -> Provider:
    return _with("make", **changes)


def _with(name: str, **changes: Any) -> Provider:
    kind = f"test.thing.{name}"
    actions = tuple(
        replace(one, **changes) if one.kind == kind else one for one in test.PROVIDER.actions
    )
    return replace(test.PROVIDER, actions=actions)


def tokens(change: Change) -> dict[str, Change]:
    return {"tokens": change}


@every(
    ("declared", "says"),
    [
        (make(leads_to_from={"other": Change(ADD, made="token_id")}), "other, which is not pinned"),
        (make(leads_to={"tokens": []}), "leads to tokens in two ways"),
        (make(leads_to_from=tokens(Change(ADD, "store", "token_id"))), "not both"),
        (make(leads_to_from=tokens(Change(Op.SET))), "does not say where the value comes from"),
        (make(leads_to_from=tokens(Change(ADD, parameter="x"))), "there is no parameter x"),
        (make(leads_to_from=tokens(Change(ADD, made="x"))), "it makes no x"),
        (make(makes={}), "it makes no token_id"),
        (make(makes={"token_id": "("}), "makes token_id: not a pattern"),
        (make(makes={"token_id": ".*"}), "makes token_id: the pattern takes ''"),
        (make(makes={"token_id": "[a-z ]+"}), "makes token_id: the pattern takes 'a b'"),
        (make(makes={"token_id": r"[a-z\n]+"}), r"makes token_id: the pattern takes 'a\nb'"),
        (make(makes={"token_id": "x", "No": "x"}), "'No' is not a name for what it makes"),
        (make(rotation=""), "a title for a rotation if and only if it delivers"),
        (make(rotation="Rotate {place} of {name}"), "neither its target nor its parameters"),
        (make(rotation="Rotate {name!r}"), "neither its target nor its parameters"),
        (make(rotation="Rotate it"), "does not name its target"),
        (_with("retire", rotation="Rotate {name}"), "if and only if it delivers"),
        (make(delivers="place"), "it delivers to place, which is no text"),
        (make(references={"other": "token_id"}), "parameter other: only a text"),
        (make(references={"store": "secret"}), "parameter store: no action makes secret"),
        (make(conditions=("quiet",)), "nobody knows the condition 'quiet'"),
        (
            make(conditions=("consumers_moved",), seen_by_uses=True),
            "what is seen after it are uses",
        ),
        (make(pin_fields=(), leads_to_from={}, unpinned_reason="none"), "what it leaves"),
        (_with("restore", retires=True), "retires a credential and gives access"),
        (_with("create", leads_to={"tokens": []}), "it must say all that it leaves"),
        (
            _with("announce", narrows={"token_id": Narrows.SUBSET}),
            "parameter token_id: only a parameter of type array narrows so",
        ),
    ],
)
def test_contradictions_are_refused(declared: Provider, says: str) -> None:
    with pytest.raises(CatalogueInvalid) as refused:
        build((declared,))
    assert says in str(refused.value)


@every(
    "declared",
    [
        test.PROVIDER,
        make(conditions=()),
        make(delivers="", rotation=""),
        make(leaves=False),
        make(leads_to_from={}),
        make(leads_to_from={}, makes={}),
        make(references={"store": "token_id"}),
        _with("create", leads_to={"tokens": []}, leaves=False),
        _with("create", leads_to={"tokens": []}, creates=False),
    ],
)
def test_twins_are_declared(declared: Provider) -> None:
    assert build((declared,))


STATE: dict[str, Any] = {"announced": "", "off": [], "tokens": ["b"]}


@every(
    ("spec", "parameters", "made", "changed"),
    [
        (test.MAKE, {}, {"token_id": "a"}, {"tokens": ["a", "b"]}),
        (test.MAKE, {}, {"token_id": "b"}, {"tokens": ["b"]}),
        (test.MAKE, {}, {}, {"tokens": ["<token_id>", "b"]}),
        (test.RETIRE, {"token_id": "b"}, {}, {"tokens": [], "off": ["b"]}),
        (test.RETIRE, {"token_id": "x"}, {}, {"off": ["x"]}),
        (test.ROTATE, {"token_id": "b"}, {"token_id": "a"}, {"tokens": ["a"], "off": ["b"]}),
        (test.ANNOUNCE, {"token_id": "a"}, {}, {"announced": "a"}),
        (
            test.ANNOUNCE,
            {"token_id": {"made_by": 0, "name": "token_id"}},
            {},
            {"announced": "<token_id>"},
        ),
        (test.CREATE, {}, {}, {"tokens": []}),
    ],
)
def test_effects_depend_on_parameters_and_on_what_is_made(
    spec: Any, parameters: Any, made: Any, changed: Any
) -> None:
    assert after_step(spec, STATE, parameters, made) == {**STATE, **changed}


@every(
    ("change", "old", "new"),
    [
        (Change(Op.ADD), 1, 2),
        (Change(Op.REMOVE), 1, 0),
        (Change(Op.SET, parameter="n"), 1, 1),
        (Change(Op.SET, parameter="n"), True, 7),
        (Change(Op.SET, parameter="n"), None, 7),
        (Change(Op.SET, parameter="n"), ["x"], [7]),
        (Change(Op.ADD, parameter="n"), None, [7]),
        (Change(Op.REMOVE, parameter="n"), [7, 8], [8]),
    ],
)
def test_a_number_counts_and_a_list_has_members(change: Change, old: Any, new: Any) -> None:
    spec = replace(test.MAKE, leads_to_from={"tokens": change})
    assert after_step(spec, {"tokens": old}, {"n": 7}, {}) == {"tokens": new}
