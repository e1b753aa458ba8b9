"""The scope: equal scopes have equal bytes, and any other shape is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadInput
from remediation.domain.scope import Criticality, Scope, ScopeService, ScopeTarget
from tests.domain.story import a_scope, a_service

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
SERVICES = st.builds(
    ScopeService,
    id=st.integers(0, 2**53 - 1),
    name=NAMES,
    via=NAMES.filter(bool),
    depth=st.integers(1, 1_000),
    environment=NAMES,
    criticality=st.sampled_from(Criticality).map(str),
    payment_path=st.booleans(),
    external_partner=st.booleans(),
    owner_team=NAMES,
)
TARGETS = st.builds(ScopeTarget, NAMES.filter(bool), st.booleans(), NAMES, NAMES, NAMES)
SCOPES = st.builds(
    lambda t, s, u: Scope(tuple(t), tuple(s), tuple(u)),
    st.lists(TARGETS, max_size=3),
    st.lists(SERVICES, max_size=4),
    st.lists(NAMES, max_size=3),
)


@given(SCOPES)
def test_a_scope_reads_back_from_its_bytes(scope: Scope) -> None:
    again = Scope.parse(scope.body())
    assert again.body() == scope.body()
    assert sorted(map(repr, again.services)) == sorted(map(repr, scope.services))
    assert scope.digest == digest(Kind.SCOPE, scope.body())


def test_the_order_in_which_services_were_found_does_not_matter() -> None:
    one, two = a_service(id=1, name="a"), a_service(id=2, name="b", depth=2)
    assert a_scope(services=(one, two)).digest == a_scope(services=(two, one)).digest


def test_a_service_without_team_has_no_known_owner() -> None:
    assert a_service().owner_known
    assert not a_service(owner_team="").owner_known


@pytest.mark.parametrize(
    ("field", "value"),
    [("criticality", "severe"), ("depth", 0), ("payment_path", 1), ("id", "7"), ("extra", 1)],
)
def test_another_shape_is_refused(field: str, value: Any) -> None:
    document = json.loads(a_scope().body())
    document["services"][0][field] = value
    with pytest.raises(BadInput):
        Scope.from_json(document)


def test_bytes_that_are_not_canonical_are_refused() -> None:
    body = a_scope(services=(a_service(name="a"), a_service(name="b"))).body()
    document = json.loads(body)
    document["services"].reverse()
    for broken in (body + b"\n", json.dumps(document).encode(), b"{}", b""):
        with pytest.raises(BadInput):
            Scope.parse(broken)
