"""The factories reach every state by real edges, and their signatures pass the domain."""

from __future__ import annotations

import pytest

from remediation.domain.gate.signature import Assertion, verify
from remediation.domain.statement import Statement
from remediation.domain.states import ProposalState
from tests import factories
from tests.every import every

pytestmark = pytest.mark.django_db


@every("state", list(ProposalState), undo=True)
def test_every_state_can_be_reached(state: ProposalState) -> None:
    assert factories.proposal_at(state).state == state


def test_a_review_of_the_factories_is_really_signed() -> None:
    alice = factories.person("alice", roles=["security"])
    proposal = factories.proposal_at("in_review")
    review = factories.review(proposal, alice)
    said = Statement.parse(bytes(review.statement))
    given = Assertion(
        bytes(review.credential_id),
        bytes(review.authenticator_data),
        bytes(review.client_data_json),
        bytes(review.signature),
    )
    verify(
        given,
        challenge=said.challenge(),
        cose_key=bytes(review.cose_key),
        rp_id=said.rp_id,
        origin=said.origin,
    )


def test_a_default_proposal_fails_no_check() -> None:
    proposal = factories.proposal_at("in_review")
    assert b'"fail"' not in bytes(proposal.assessments.get().checks)
