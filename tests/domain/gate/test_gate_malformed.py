"""The gate refuses malformed evidence by name; no other exception escapes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.tlog.canonical import Json
from remediation.domain.errors import (
    BadInput,
    GateRefused,
)
from remediation.domain.gate.evidence import (
    Evidence,
)
from remediation.domain.gate.gate import examine
from tests.domain import record
from tests.domain.gate.verifying import GOOD, verify
from tests.domain.story import (
    NOW,
    approvers,
)

DOCUMENT = json.loads(GOOD.dump())
SIGNED_BODIES = ("plan", "diagnosis", "scope", "checks", "ruling", "pin")


@given(st.sampled_from(SIGNED_BODIES), st.data())
def test_no_changed_character_of_a_signed_body_passes(name: str, data: st.DataObject) -> None:
    body: str = DOCUMENT[name]
    where = data.draw(st.integers(0, len(body) - 1))
    changed = body[:where] + data.draw(st.text(max_size=2)) + body[where + 1 :]
    if changed != body:
        changes: dict[str, Any] = {name: changed}
        with pytest.raises(GateRefused):
            verify(replace(GOOD, **changes))


@given(st.integers(0, 1), st.data())
def test_no_changed_character_of_a_statement_passes(which: int, data: st.DataObject) -> None:
    reviews = list(GOOD.reviews)
    body = reviews[which].statement
    where = data.draw(st.integers(0, len(body) - 1))
    changed = body[:where] + data.draw(st.text(max_size=2)) + body[where + 1 :]
    if changed != body:
        reviews[which] = replace(reviews[which], statement=changed)
        with pytest.raises(GateRefused):
            verify(replace(GOOD, reviews=tuple(reviews)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.sampled_from(sorted(DOCUMENT)), JSON)
def test_any_json_in_any_field_is_refused_by_name_or_examined(name: str, value: Json) -> None:
    try:
        evidence = Evidence.from_json(DOCUMENT | {name: value})
    except BadInput:
        return
    found = examine(evidence, approvers=approvers(), now=NOW, log=record.trust())
    holds = all(finding.result for finding in found)
    try:
        verify(evidence, now=NOW)
    except GateRefused:
        assert not holds
    else:
        assert holds
