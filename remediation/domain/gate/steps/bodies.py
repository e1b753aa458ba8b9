"""Steps 1 and 2: the signed bodies are what would run, and the ruling meets today's policy."""

from __future__ import annotations

from remediation.domain import policy
from remediation.domain.errors import (
    Digest,
    RulingTightened,
)
from remediation.domain.gate.case import Case
from remediation.domain.observation import Pinned

# (1) Digests: the bodies that would run equal the signed ones byte by byte, in today's catalogue.


def digests(case: Case) -> None:
    what_was_signed(case)
    _reversal_is_inverse(case)


def what_was_signed(case: Case) -> None:
    _read_bodies(case)
    if case.evidence.applied != tuple(range(len(case.evidence.applied))):
        raise Digest("the applied steps are not the first ones of the plan")
    _ = case.step
    for statement in case.statements:
        if statement.digests != case.digests:
            raise Digest(f"{statement.person} signed other digests than those of this evidence")


def _reversal_is_inverse(case: Case) -> None:
    """A reversal must carry exactly the inverse of the run's plan."""
    reversal = case.evidence.reversal
    if reversal is not None and reversal.plan != case.plan.digest:
        raise Digest(f"the plan is not the inverse of what proposal {reversal.of} ran")


def _read_bodies(case: Case) -> None:
    _ = (case.diagnosis, case.scope, case.checks, case.ruling)
    locators = tuple(target.locator for target in case.plan.targets)
    if tuple(entry.locator for entry in case.pinned) != locators:
        raise Digest("the pin does not hold the plan's targets in their order")
    first: dict[str, Pinned] = {}
    for entry in case.pinned:
        before = first.setdefault(entry.locator, entry)
        if not before.only(entry.state).same_as(entry.only(before.state)):
            raise Digest(f"the pin holds two states of {entry.locator}")
    for step, entry in zip(case.plan.steps, case.pinned, strict=True):
        # Another version of an action pins other fields (A05).
        if entry.exists and set(entry.state) != set(step.spec.pin_fields):
            raise Digest(f"the pin of {entry.locator} has other fields than {step.action} pins")


# (2) Ruling: policy is applied again to the stricter of the facts then and now; it only tightens.


def ruling(case: Case) -> None:
    ruling_has_slots(case)
    # Evidence with facts of an earlier form is judged by what that form knew.
    now = case.evidence.facts
    then = policy.facts(case.plan, case.scope, case.checks, {}, now.version)
    asked = policy.evaluate(then.strictest(now), plan=case.plan, mode=case.evidence.mode)
    more = policy.tightened(case.ruling, asked)
    if more is not None:
        raise RulingTightened(more)


def ruling_has_slots(case: Case) -> None:
    if not case.ruling.slots:
        raise Digest("a ruling without slots approves nothing")
