"""The life of a proposal as a stateful machine, with an invariant check after each step.

Hypothesis plays people, agent, worker, operator and environment in any order. The check reads rows,
audit log and target and tests the product's promises.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import booleans, sampled_from

from audit.models import Entry
from remediation import models as m
from remediation.domain.errors import Refused
from remediation.domain.states import EDGES, ProposalState
from remediation.services.reporting import submit, withdraw
from tests.factories import WEB
from tests.flows.test_gate_refusals import freeze
from tests.flows.world import World, acts


class Life(RuleBasedStateMachine):
    """One world, up to three proposals on two targets."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.directory = tempfile.TemporaryDirectory()
        self.world = World(Path(self.directory.name), _Settings.current, ("t1",), "production")
        self.proposals: list[UUID] = []
        self.approvals_when_called: dict[UUID, int] = {}

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)
        self.directory.cleanup()

    # -- what can happen ---------------------------------------------------------------------------

    @rule()
    def the_agent_reports(self) -> None:
        with acts(WEB), transaction.atomic():
            made = submit.report(self.world.report(), actor=self.world.agent)
        if made.proposal_id is not None and made.proposal_id not in self.proposals:
            self.proposals.append(made.proposal_id)

    @precondition(lambda self: self.proposals)
    @rule(
        name=sampled_from(["alice", "bob", "mallory", "dave", "eve"]),
        decision=sampled_from(["approve", "approve", "approve", "reject", "return"]),
    )
    def somebody_decides(self, name: str, decision: str) -> None:
        with contextlib.suppress(Refused), transaction.atomic():
            self.world.decide(name, self.proposals[-1], decision)

    @precondition(lambda self: self.proposals)
    @rule(asked=booleans())
    def the_worker_assesses(self, asked: bool) -> None:
        with contextlib.suppress(Refused), transaction.atomic():
            self.world.assess(self.proposals[-1], "asked" if asked else "")

    @precondition(lambda self: self.proposals)
    @rule()
    def the_worker_settles(self) -> None:
        self.world.settle(self.proposals[-1])

    @precondition(lambda self: self.proposals)
    @rule(failure=sampled_from(["", "", "fail_apply", "fail_verify", "unknown_apply"]))
    def the_worker_executes(self, failure: str) -> None:
        self.world.inject({"t1": {failure: True}} if failure else {})
        for proposal_id in self.proposals:
            self.world.execute(proposal_id)
        self.world.inject({})

    @rule()
    def every_lease_runs_out_and_the_rest_is_settled(self) -> None:
        self.world.reconcile()

    @rule(state=sampled_from(["on", "off"]))
    def somebody_else_changes_the_target(self, state: str) -> None:
        self.world.set_state("t1", state)

    @rule(frozen=booleans())
    def an_operator_freezes_or_lifts(self, frozen: bool) -> None:
        freeze(frozen)

    @rule(both=booleans())
    def an_operator_changes_the_approvers_file(self, both: bool) -> None:
        self.world.approve_keys_of(*(["alice", "bob"] if both else ["alice"]))

    @precondition(lambda self: self.proposals)
    @rule()
    def the_agent_withdraws(self) -> None:
        with contextlib.suppress(Refused), acts(WEB), transaction.atomic():
            withdraw.withdraw(actor=self.world.agent, proposal_id=self.proposals[-1], reason="")

    # -- what must hold after each step ------------------------------------------------------------

    @invariant()
    def promises_hold(self) -> None:
        check_everything(self.world)


def check_everything(world: World) -> None:
    """Check the invariants with rows, audit log and the target's own log alone."""
    entries = set(Entry.objects.values_list("id", flat=True))
    for model in (m.Transition, m.Review, m.Assessment, m.StepRecord, m.Execution, m.Refusal):
        assert set(model.objects.values_list("entry", flat=True)) <= entries
    applies = Counter(call["proposal"] for call in world.calls() if call["call"] == "apply")
    for proposal in m.Proposal.objects.all():
        _check_moves(proposal)
        _check_effect(proposal, applies[str(proposal.pk)])


def _check_moves(proposal: m.Proposal) -> None:
    state, number = ProposalState.SUBMITTED, 0
    for move in proposal.transitions.order_by("id"):
        assert (ProposalState(move.from_state), ProposalState(move.to_state)) in EDGES
        assert move.from_state == state
        number += move.to_state == ProposalState.IN_REVIEW
        assert move.round == number
        state = ProposalState(move.to_state)
        body: dict[str, Any] = Entry.objects.get(pk=move.entry).data
        assert (body["object"], body["actor"]) == (f"proposal:{proposal.pk}", move.actor)
    assert (proposal.state, proposal.round) == (state, number)


def _check_effect(proposal: m.Proposal, calls: int) -> None:
    # At most one effect, and only after two different people with the right roles in one round.
    assert calls <= 1
    if not calls:
        return
    approval = proposal.transitions.get(to_state="approved", round=proposal.round)
    reviews = m.Review.objects.filter(proposal=proposal, round=approval.round)
    assert {review.decision for review in reviews} == {"approve"}
    assert sorted(review.slot for review in reviews) == ["security", "service_owner"]
    assert len({review.person for review in reviews}) == 2
    assert m.Execution.objects.filter(proposal=proposal).count() == 1


class _Settings:
    """Pass the fixture to the machine, which Hypothesis creates."""

    current: Any = None


@pytest.mark.django_db
def test_the_invariants_hold_for_every_order_of_events(settings: Any) -> None:
    _Settings.current = settings
    run_state_machine_as_test(Life, settings=MACHINE)


MACHINE = hypothesis_settings(
    max_examples=25,
    stateful_step_count=18,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
