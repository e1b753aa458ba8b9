"""Step 5 for runs that wait: each wait of an applied step has ended, and is the signed one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from remediation.domain import conditions
from remediation.domain.conditions import Sighting, Unmet
from remediation.domain.errors import (
    Digest,
    GateRefused,
    HoldMissing,
    Signature,
    UnknownApproverKey,
)
from remediation.domain.gate.case import Case
from remediation.domain.gate.signed_halt import (
    HaltedRun,
    SignedHalt,
    check_answer,
    read_about,
    verify_halt,
)
from remediation.domain.gate.waited import Answer, WaitEvidence, unmet, why_waiting
from remediation.domain.halt.statement import HaltStatement, RunDecision
from remediation.domain.waits import Condition, Wait


@dataclass(frozen=True)
class Answers:
    """The valid answers to a wait, each as recorded, and why others do not count."""

    valid: tuple[tuple[SignedHalt, Answer], ...]
    invalid: tuple[str, ...]


def holds(case: Case) -> None:
    """Refuse unless each wait is met by a fresh look, or a person has signed to go on.

    Raises HoldMissing, and Signature when an answer in the evidence is not as it was signed.
    """
    given = {wait.step: wait for wait in case.evidence.waits}
    if len(given) < len(case.evidence.waits):
        raise HoldMissing("the evidence holds two waits after one step")
    asked = [step for step in case.evidence.applied if step in case.waits and step < case.following]
    for step in asked:
        if step not in given:
            raise HoldMissing(f"the evidence holds no wait after step {step + 1}")
        _refuse_other(case, given[step], case.waits[step])
    answers = {step: _answers(case, wait) for step, wait in given.items()}
    for step in asked:
        _refuse_waiting(case, given[step], answers[step])


def _refuse_other(case: Case, given: WaitEvidence, signed: Wait) -> None:
    """Refuse a wait that is not the plan's and the ruling's, or that began at no possible time."""
    after = f"after step {given.step + 1}"
    if (given.conditions, given.person) != (signed.conditions, signed.person):
        raise HoldMissing(f"the wait {after} is not the one that was signed")
    if not case.evidence.approved_at <= given.since <= case.now:
        raise HoldMissing(f"the wait {after} began before the approval or has not begun")
    if given.deadline - given.since > timedelta(seconds=signed.within_s):
        raise HoldMissing(f"the wait {after} is longer than was signed")


def _refuse_waiting(case: Case, wait: WaitEvidence, answers: Answers) -> None:
    signed = case.scope.consumers
    missing = unmet(wait, case.plan.steps, signed, case.evidence.applied_at, case.now)
    last = wait.step == case.following - 1
    counting, invalid = [], list(answers.invalid)
    for one, answer in answers.valid:
        if last and answer.statement.decision is RunDecision.GO_ON:
            unseen = _why_unseen(one, wait, missing, _shown(case, wait, one))
            if unseen:
                invalid.append(f"an answer does not count: {unseen}")
                continue
        counting.append(answer)
    why = why_waiting(
        wait,
        missing,
        counting,
        now=case.now,
        last=last,
        fresh_s=case.ruling.run_within_s,
    )
    if why:
        details = [f"{name}: {one.name} {one.detail}".strip() for name, one in missing.items()]
        raise HoldMissing("; ".join((f"after step {wait.step + 1}: {why}", *details, *invalid)))


def _answers(case: Case, wait: WaitEvidence) -> Answers:
    """Return the valid answers, and why each other one does not count.

    An answer of somebody who may not answer now ends nothing: others may still give a valid one.
    But the evidence holds only what the worker has verified. So one that is not as it was signed
    was changed since. Raises Signature.
    """
    found: list[tuple[SignedHalt, Answer]] = []
    invalid: list[str] = []
    for one in wait.answers:
        if one.recorded_at > case.now:
            raise HoldMissing(f"{one.person}: an answer was recorded later than now")
        try:
            statement = _verified(case, wait, one)
        except (Digest, Signature) as refusal:
            raise Signature(f"an answer is not as it was signed: {refusal.detail}") from None
        except GateRefused as refusal:
            invalid.append(f"an answer does not count: {refusal.detail}")
        else:
            found.append((one, Answer(statement, one.recorded_at)))
    return Answers(tuple(found), tuple(invalid))


def _verified(case: Case, wait: WaitEvidence, one: SignedHalt) -> HaltStatement:
    given = case.evidence
    run = HaltedRun(
        proposal=given.proposal_id,
        round=given.round,
        plan=case.plan,
        slots=case.ruling.slots,
        excluded={entry.person: given.why_excluded(entry.person) for entry in given.excluded},
        waiting=wait.step,
        conditions=[condition.name for condition in wait.conditions],
    )
    if one.recorded_at < wait.since:
        raise Signature(f"{one.person}: recorded before the wait began")
    # What needs no key comes first: whoever left the approvers file must not make a change unseen.
    check_answer(read_about(one, run), one, run)
    statement = verify_halt(one, run, approvers=case.approvers, now=case.now)
    if case.rp_id not in (None, statement.rp_id) or case.origin not in (None, statement.origin):
        raise UnknownApproverKey(f"{one.person}: the key is for {statement.origin}")
    if statement.decision is RunDecision.GO_ON:
        _refuse_unentitled(case, one.person)
    return statement


def _shown(case: Case, wait: WaitEvidence, one: SignedHalt) -> dict[str, Unmet]:
    """Return why each condition was not met by the looks that a person was shown."""
    looks = replace(wait, sightings=one.sightings)
    then = max((each.at for each in one.sightings), default=one.recorded_at)
    return unmet(looks, case.plan.steps, case.scope.consumers, case.evidence.applied_at, then)


def _why_unseen(
    one: SignedHalt, wait: WaitEvidence, missing: Mapping[str, Unmet], then: Mapping[str, Unmet]
) -> str:
    """Return why a word to go on does not cover what is not met by now; "" if it does.

    A person signs the names of conditions; who had not moved, and whether the old one was in use,
    stands in what was shown.
    """
    for condition in wait.conditions:
        shown, now = _newest(one.sightings, condition), _newest(wait.sightings, condition)
        if condition.name not in missing or shown is None or now is None or shown.why or now.why:
            continue
        more = conditions.left(now) - conditions.left(shown)
        before = then.get(condition.name)
        quiet = before is None or before.name != conditions.OLD_IN_USE
        used = missing[condition.name].name == conditions.OLD_IN_USE and quiet
        if more or used or (now.old_used_at and not shown.old_used_at):
            who = ", ".join(sorted(more)) or "the old one was used"
            return f"{one.person}: {condition.name} was shown otherwise: {who}"
    return ""


def _newest(sightings: Iterable[Sighting], condition: Condition) -> Sighting | None:
    about = [
        one for one in sightings if (one.condition, one.step) == (condition.name, condition.step)
    ]
    return max(about, key=lambda one: one.at, default=None)


def _refuse_unentitled(case: Case, person: str) -> None:
    """Refuse a person who could not fill a slot of this ruling now."""
    held = next((one for one in case.evidence.people if one.person == person), None)
    if held is None or not held.active:
        raise UnknownApproverKey(f"{person} is not active")
    if not any(
        case.asked.may_fill(slot, held.roles, held.services or ()) for slot in case.asked.slots
    ):
        raise UnknownApproverKey(f"{person} may fill no slot of this ruling")
