"""Steps 5 and 6: the approval is still valid, and the target still matches its pin."""

from __future__ import annotations

from datetime import timedelta

from remediation.domain import policy
from remediation.domain.errors import (
    ClockSkew,
    Deadline,
    Digest,
    Drift,
    Frozen,
    GateAgentDisabled,
    GateProposerLost,
    IncidentClosed,
    ReviewerLost,
    TargetGone,
    TargetUnobservable,
)
from remediation.domain.gate.case import Case
from remediation.domain.observation import Pinned
from remediation.domain.slots import KEY_ROLES
from remediation.domain.states import IncidentState

# Hosts with NTP differ by milliseconds; with a larger difference deadlines are meaningless.
MAX_SKEW = timedelta(seconds=2)


# (5) Freshness: in time, reviewers and proposer still entitled, execution not frozen.


def freshness(case: Case) -> None:
    given = case.evidence
    clocks(case)
    if given.approved_at > case.now + MAX_SKEW:
        raise ClockSkew("the approval lies in the future")
    _deadlines(case)
    _proposer(case)
    _incident(case)
    _reviewers(case)
    if given.frozen:
        raise Frozen(given.frozen)


def clocks(case: Case) -> None:
    """Refuse when the clocks disagree; they come first, because deadlines depend on them."""
    given = case.evidence
    if max(abs(given.database_now - given.worker_now), abs(case.now - given.worker_now)) > MAX_SKEW:
        raise ClockSkew()


def _deadlines(case: Case) -> None:
    approved_at = case.evidence.approved_at
    if approved_at > case.ruling.decide_by:
        raise Deadline("it was approved after the decision was due")
    if case.now >= approved_at + timedelta(seconds=case.ruling.run_within_s):
        raise Deadline("the time to run it has passed")


def _proposer(case: Case) -> None:
    """Refuse a suspended agent, or for a reversal a proposer who is inactive or holds no role.

    A reversal ignores the state of the agent: suspending it must not keep its changes in force.
    """
    reversal = case.evidence.reversal
    if reversal is None:
        if not case.evidence.agent.enabled:
            raise GateAgentDisabled(case.evidence.agent.id)
        return
    person = reversal.proposer
    if not person.active or not set(person.roles) & set(KEY_ROLES):
        raise GateProposerLost(person.person)


def _incident(case: Case) -> None:
    """Refuse a proposal of a closed incident, except a reversal from after the closure (A78).

    Who closes an incident ends what was asked for it; taking back what a run changed stays
    possible.
    """
    incident = case.evidence.incident
    if incident is None or incident.state != IncidentState.CLOSED:
        return
    after = incident.closed_at is not None and incident.proposed_at > incident.closed_at
    if case.evidence.reversal is None or not after:
        raise IncidentClosed()


def _reviewers(case: Case) -> None:
    people = {person.person: person for person in case.evidence.people}
    for review in case.counted:
        person = people.get(review.person)
        if person is None or not person.active:
            raise ReviewerLost(f"{review.person} is not active")
        held = set(person.roles) & set(policy.ROLES)
        if not held or (review.slot != policy.ANY and review.slot not in held):
            raise ReviewerLost(f"{review.person} does not hold the role for {review.slot}")


# (6) Drift: the target equals its pin.


def drift(case: Case) -> None:
    given = case.evidence
    if given.applied != tuple(range(given.step)):
        raise Digest("the steps before this one are not the applied ones")
    _target_unchanged(case, case.step.index)
    # Also the observed targets of later steps: it is better to stop before the first step.
    looked_at = {o.locator for o in given.observations} | {u.locator for u in given.unobservable}
    for step in case.plan.steps[given.step + 1 :]:
        if step.target.locator in looked_at:
            _target_unchanged(case, step.index)


def _target_unchanged(case: Case, index: int) -> None:
    pinned = case.pinned[index]
    for failed in case.evidence.unobservable:
        if failed.locator == pinned.locator:
            raise TargetUnobservable(f"{failed.locator}: {failed.why}")
    seen = [entry for entry in case.evidence.observations if entry.locator == pinned.locator]
    if not seen:
        raise TargetUnobservable(f"{pinned.locator} was not observed")
    for entry in seen:
        if not entry.exists or not pinned.exists:
            raise TargetGone(pinned.locator)
        if not entry.same_as(pinned):
            raise Drift(f"{pinned.locator}: {_changes(pinned, entry)}")


def _changes(old: Pinned, new: Pinned) -> str:
    names = sorted(set(old.state) | set(new.state))
    return ", ".join(
        f"{name} was {old.state.get(name)}, is {new.state.get(name)}"
        for name in names
        if old.state.get(name) != new.state.get(name)
        or type(old.state.get(name)) is not type(new.state.get(name))
    )
