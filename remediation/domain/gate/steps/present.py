"""Steps 5 and 6: the approval is still valid, and the target still matches its pin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from audit.tlog.canonical import Json
from remediation.domain.catalogue import after_step
from remediation.domain.errors import (
    BadReference,
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
from remediation.domain.gate.steps.holds import holds
from remediation.domain.observation import Pinned
from remediation.domain.plan_order import delivered_before
from remediation.domain.slots import KEY_ROLES, fits
from remediation.domain.states import IncidentState
from remediation.domain.step import Step, resolved

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
    holds(case)


def clocks(case: Case) -> None:
    """Refuse when the clocks disagree; they come first, because deadlines depend on them."""
    given = case.evidence
    if max(abs(given.database_now - given.worker_now), abs(case.now - given.worker_now)) > MAX_SKEW:
        raise ClockSkew()


def _deadlines(case: Case) -> None:
    approved_at = case.evidence.approved_at
    if approved_at > case.ruling.decide_by:
        raise Deadline("it was approved after the decision was due")
    within = timedelta(seconds=case.ruling.run_within_s + _waited_s(case))
    # At the end each step was in time, and nothing is left to run.
    if case.now >= approved_at + within and not case.ends:
        raise Deadline("the time to run it has passed")


def _waited_s(case: Case) -> int:
    """Return how long the run has waited; working time counts, so this is added.

    At most the time since the first wait began, of those that were signed.
    """
    began = [wait.since for wait in case.evidence.waits if wait.step in case.waits]
    if not began:
        return 0
    most = case.now - max(min(began), case.evidence.approved_at)
    return min(case.evidence.waited_s, max(0, int(most.total_seconds())))


def _proposer(case: Case) -> None:
    """Refuse a suspended agent; of a person's proposal, a person who is inactive or without a role.

    A reversal ignores the state of the agent: suspending it must not keep its changes in force. So
    does a plan of a person: suspending an agent must not leave its incidents without an answer.
    """
    person = case.evidence.proposer
    if person is None:
        if not case.evidence.agent.enabled:
            raise GateAgentDisabled(case.evidence.agent.id)
        return
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
        if not fits(review.slot, person.roles):
            raise ReviewerLost(f"{review.person} does not hold the role for {review.slot}")
        # Evidence before version 3 has no services; there a person without rights has no roles.
        if person.services is not None and not case.asked.may_fill(
            review.slot, person.roles, person.services
        ):
            raise ReviewerLost(f"{review.person} has no right that counts for {review.slot}")


# (6) Drift: the target equals its pin.


def drift(case: Case) -> None:
    given = case.evidence
    if given.applied != tuple(range(given.step)):
        raise Digest("the steps before this one are not the applied ones")
    _made_as_declared(case)
    _target_unchanged(case, case.step.index)
    for step in delivered_before(case.plan.steps, case.plan.order, given.step):
        _new_one_unchanged(case, step)
    # Also the observed targets of later steps: it is better to stop before the first step.
    looked_at = {o.locator for o in given.observations} | {u.locator for u in given.unobservable}
    for step in case.plan.steps[given.step + 1 :]:
        if step.target.locator in looked_at:
            _target_unchanged(case, step.index)


def end(case: Case) -> None:
    """Refuse an end before every step was applied; what its targets show now is the plan's doing.

    Takes the place of `drift` after a wait behind the last step.
    """
    if not case.ends or case.evidence.step != len(case.plan.steps) - 1:
        raise Digest("the run has not waited behind its last step")
    _made_as_declared(case)


def _made_as_declared(case: Case) -> None:
    """Refuse what no applied step of this plan makes, and values that it does not make."""
    for index, values in case.evidence.made.items():
        if index not in case.evidence.applied:
            raise Digest(f"step {index + 1} was not applied and has made nothing")
        makes = case.plan.steps[index].spec.makes
        for name, value in values.items():
            if name not in makes or not re.fullmatch(makes[name], value, re.ASCII):
                raise Digest(f"step {index + 1} makes no such {name}")


def _target_unchanged(case: Case, index: int) -> None:
    expected = _expected(case, index)
    for seen in _seen_of(case, index, expected):
        _refuse_other(expected, seen)


def _new_one_unchanged(case: Case, step: Step) -> None:
    """Refuse to end an old credential when the new one is not as the plan left it.

    Somebody took it away, put another one beside it, or gave consumers another version to read.
    """
    expected = _expected(case, step.index)
    for seen in _seen_of(case, step.index, expected):
        _refuse_other(_without_ended(case, step, expected, seen), seen)


def _without_ended(case: Case, step: Step, expected: Pinned, seen: Pinned) -> Pinned:
    """Return the expected state without members of lists that have ended meanwhile.

    What is there besides is for its owners to end. What the step made must be there, unless its
    target ends it by itself.
    """
    made = case.evidence.made.get(step.index, {})
    changes = step.spec.leads_to_from.values()
    kept = [made.get(change.made) for change in changes if change.made and change.lasts]
    state: dict[str, Json] = {}
    for name, value in expected.state.items():
        now = seen.state.get(name)
        if isinstance(value, list) and isinstance(now, list):
            value = [one for one in value if one in now or one in kept]
        state[name] = value
    return replace(expected, state=state)


def _refuse_other(expected: Pinned, seen: Pinned) -> None:
    if not seen.same_as(expected):
        raise Drift(f"{expected.locator}: {_changes(expected, seen)}")


def _seen_of(case: Case, index: int, expected: Pinned) -> Iterator[Pinned]:
    """Yield what was observed of a step's target. Raises TargetUnobservable, TargetGone."""
    for failed in case.evidence.unobservable:
        if failed.locator == expected.locator:
            raise TargetUnobservable(f"{failed.locator}: {failed.why}")
    seen = [entry for entry in case.evidence.observations if entry.locator == expected.locator]
    if not seen:
        raise TargetUnobservable(f"{expected.locator} was not observed")
    for entry in seen:
        if not expected.exists and not _is_created(case, index):
            raise TargetGone(expected.locator)
        if expected.exists and not entry.exists:
            raise TargetGone(expected.locator)
        yield _of_this_step(case, entry, expected)


def _expected(case: Case, index: int) -> Pinned:
    """Return the pinned state with what the applied steps of this plan left on the same target."""
    pinned = case.pinned[index]
    for step in case.plan.steps:
        if step.index in case.evidence.applied and step.target.locator == pinned.locator:
            made = case.evidence.made.get(step.index, {})
            parameters = _resolved(case, step).parameters
            state = after_step(step.spec, pinned.state, parameters, made)
            pinned = Pinned(pinned.locator, pinned.exists or step.spec.creates, state)
    return pinned.only(case.plan.steps[index].spec.pin_fields)


def _of_this_step(case: Case, entry: Pinned, expected: Pinned) -> Pinned:
    """Return the observed fields that this step pins, where other steps pin others of the target.

    With one step on the target, any other field is a drift.
    """
    locators = [target.locator for target in case.plan.targets]
    return entry.only(expected.state) if locators.count(entry.locator) > 1 else entry


def _resolved(case: Case, step: Step) -> Step:
    try:
        return resolved(step, case.evidence.made)
    except BadReference as error:
        raise Digest(error.detail) from None


def _is_created(case: Case, index: int) -> bool:
    """Return whether this step, or one before it that is still to come, makes the target."""
    locator = case.pinned[index].locator
    return any(
        step.spec.creates
        for step in case.plan.steps[: index + 1]
        if step.target.locator == locator and step.index not in case.evidence.applied
    )


def _changes(old: Pinned, new: Pinned) -> str:
    names = sorted(set(old.state) | set(new.state))
    return ", ".join(
        f"{name} was {old.state.get(name)}, is {new.state.get(name)}"
        for name in names
        if old.state.get(name) != new.state.get(name)
        or type(old.state.get(name)) is not type(new.state.get(name))
    )
