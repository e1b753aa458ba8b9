"""Make proposals in any state, by real transitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from remediation import models as m
from remediation.domain.states import ProposalState
from tests.factories.assessments import assess
from tests.factories.halts import halt, halt_verdict
from tests.factories.logins import WEB, backdate
from tests.factories.people import Person, person
from tests.factories.proposals import move, proposal
from tests.factories.reviews import approve, review
from tests.factories.runs import execute, finish_steps, step
from tests.factories.waits import wait_for

S = ProposalState


def proposal_at(
    state: str,
    *names: str,
    reviewers: Sequence[Person] = (),
    slots: Sequence[str] = ("any",),
    ruling: Mapping[str, Any] | None = None,
    **fields: Any,
) -> m.Proposal:
    """Make a proposal and move it to this state along existing edges, with all that they require.

    `fields` are arguments of `proposal`; `ruling` may hold decide_by and run_within_s.
    """
    made = proposal(*names, **fields)
    asked = {"slots": slots, **(ruling or {})}
    if state in (S.WITHDRAWN, S.SUPERSEDED):
        move(made, state, login=WEB, actor=made.agent.actor)
    elif state == S.EXPIRED:
        backdate(made, hours=25)
        move(made, state)
    elif state != S.SUBMITTED:
        assess(made, **asked)
        _from_review(made, ProposalState(state), reviewers)
    made.refresh_from_db()
    return made


def _from_review(proposal: m.Proposal, state: ProposalState, reviewers: Sequence[Person]) -> None:
    if state in (S.REJECTED, S.RETURNED):
        decision = "reject" if state is S.REJECTED else "return"
        someone = reviewers[0] if reviewers else person(roles=["security"])
        slot = proposal.assessments.get(round=proposal.round).slots[0]
        review(proposal, someone, decision, slot)
        move(proposal, state)
    elif state is not S.IN_REVIEW:
        approve(proposal, *reviewers)
        _from_approved(proposal, state)


def _from_approved(proposal: m.Proposal, state: ProposalState) -> None:
    if state is S.REFUSED:
        move(proposal, state)
    elif state is not S.APPROVED:
        run = execute(proposal)
        if state is S.SUCCEEDED:
            finish_steps(run)
        if state in (S.STOPPED, S.ROLLED_BACK):
            step(run, "applied")
        if state is S.ROLLED_BACK:
            _undo(run)
        if state is S.WAITING:
            finish_steps(run)
            wait_for(run, run.proposal.targets.count() - 1)
        elif state is not S.EXECUTING:
            move(proposal, state)


def _undo(run: m.Execution) -> None:
    """Record the rollback of the first step, as a person signed."""
    someone = person(roles=["security"])
    halt_verdict(halt(run.proposal, someone, decision="undo"))
    step(run, "undo_intended")
    step(run, "undone")
