"""The gate: verify evidence and return a clearance, or raise a refusal. Nothing runs without it.

Code, pages and an auditor's replay use the same seven numbered steps: 1 digests, 2 ruling,
3 signatures, 4 quorum and separation of duties, 5 freshness, 6 drift, 7 audit inclusion. All seven
run again before every step of a plan. Malformed evidence raises a refusal and no other error.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, NoReturn, final

from remediation.domain.errors import Digest, Frozen, GateRefused
from remediation.domain.gate import steps
from remediation.domain.gate.approvers import Approvers
from remediation.domain.gate.case import Case
from remediation.domain.gate.evidence import Evidence
from remediation.domain.gate.finding import Failure, Finding, Success
from remediation.domain.gate.inclusion import LogTrust

# How long a clearance lasts: enough to commit and connect, and too short for much to change.
CLEARANCE_S = 30.0


def _digests(case: Case) -> None:
    steps.digests(case)
    steps.narrower(case)


def _signatures(case: Case) -> None:
    steps.signatures(case)
    steps.narrowing_signatures(case, (case.now,))


STEPS: tuple[tuple[int, str, Callable[[Case], None]], ...] = (
    (1, "digests", _digests),
    (2, "ruling", steps.ruling),
    (3, "signatures", _signatures),
    (4, "quorum and separation of duties", steps.quorum_and_separation),
    (5, "freshness", steps.freshness),
    (6, "drift", steps.drift),
    (7, "audit inclusion", steps.inclusion),
)

# For a run that has waited behind its last step: nothing is left to do, so nothing can drift.
END_STEPS = tuple(
    (number, name, steps.end if check is steps.drift else check) for number, name, check in STEPS
)

_SEAL: Final = object()


@final
class Clearance:
    """Permission to run one step once, for thirty seconds. Only this module creates one."""

    __slots__ = ("_fields",)

    def __init__(
        self,
        seal: object = None,
        /,
        *,
        proposal_id: str = "",
        plan_digest: str = "",
        step: int = -1,
        token: int = -1,
        pin_digest: str = "",
        ends: float = 0.0,
        rollback: bool = False,
        settles: bool = False,
    ) -> None:
        if seal is not _SEAL:
            raise TypeError("only the gate makes a clearance")
        object.__setattr__(
            self,
            "_fields",
            (proposal_id, plan_digest, step, token, pin_digest, ends, rollback, settles),
        )

    _fields: tuple[str, str, int, int, str, float, bool, bool]

    @property
    def proposal_id(self) -> str:
        return self._fields[0]

    @property
    def plan_digest(self) -> str:
        return self._fields[1]

    @property
    def step(self) -> int:
        return self._fields[2]

    @property
    def token(self) -> int:
        return self._fields[3]

    @property
    def pin_digest(self) -> str:
        return self._fields[4]

    @property
    def ends(self) -> float:
        """Return when it ends, on the caller's monotonic clock."""
        return self._fields[5]

    @property
    def rollback(self) -> bool:
        """Return whether it permits to roll the step back instead of applying it."""
        return self._fields[6]

    @property
    def settles(self) -> bool:
        """Return whether it permits only to settle what a call of the step left staged."""
        return self._fields[7]

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a clearance cannot be changed")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a clearance cannot be stored or sent")

    def __repr__(self) -> str:
        verb = "undo" if self.rollback else "settle" if self.settles else "apply"
        return f"<Clearance to {verb} step {self.step} of {self.proposal_id}>"


def examine(
    evidence: Evidence,
    *,
    approvers: Approvers,
    now: datetime,
    log: LogTrust | None = None,
    rp_id: str | None = None,
    origin: str | None = None,
    protected: frozenset[str] = frozenset(),
    allow_test: bool = False,
) -> tuple[Finding, ...]:
    """Run all seven steps and return each finding; raises nothing for any evidence.

    `now` is the database's time. `log` says whom to trust about the audit log; without it step 7
    fails. `rp_id` and `origin` restrict where passkeys were used, in addition to the approvers
    file. `protected` and `allow_test` are as in `plan`.
    """
    case = Case(evidence, approvers, now, rp_id, origin, protected, allow_test, log)
    numbered = END_STEPS if _ends(case) else STEPS
    return tuple(Finding(number, name, _result(check, case)) for number, name, check in numbered)


def verify(
    evidence: Evidence,
    *,
    approvers: Approvers,
    now: datetime,
    monotonic: float,
    log: LogTrust,
    rp_id: str | None = None,
    origin: str | None = None,
    protected: frozenset[str] = frozenset(),
    allow_test: bool = False,
) -> Clearance:
    """Return a clearance to apply `evidence.step`, or raise the refusal of the first failed step.

    `monotonic` is the current time of the caller's monotonic clock; the rest is as in `examine`.
    """
    case = Case(evidence, approvers, now, rp_id, origin, protected, allow_test, log)
    for _, _, check in STEPS:
        check(case)
    return _clearance(case, monotonic)


def verify_tightening(
    evidence: Evidence,
    *,
    approvers: Approvers,
    now: datetime,
    monotonic: float,
    log: LogTrust,
    rp_id: str | None = None,
    origin: str | None = None,
    protected: frozenset[str] = frozenset(),
    allow_test: bool = False,
) -> Clearance:
    """Return a clearance to try again what the applied step `evidence.step` left open.

    It runs all steps but drift: the target differs from its pin because of this run, and the
    executor itself looks before it acts. Raises the refusal of the first failed step.
    """
    case = Case(evidence, approvers, now, rp_id, origin, protected, allow_test, log)
    if evidence.step not in evidence.applied:
        raise Digest("the step was not applied, so it left nothing open")
    for _, _, check in STEPS:
        if check is not steps.drift:
            check(case)
    return _clearance(case, monotonic)


def verify_end(
    evidence: Evidence,
    *,
    approvers: Approvers,
    now: datetime,
    log: LogTrust,
    rp_id: str | None = None,
    origin: str | None = None,
    protected: frozenset[str] = frozenset(),
    allow_test: bool = False,
) -> None:
    """Refuse that a run ends as succeeded before the wait behind its last step has ended.

    `evidence.step` is the last step, and it is applied. It runs all steps; `steps.end` takes the
    place of drift. Raises the refusal of the first failed step.
    """
    case = Case(evidence, approvers, now, rp_id, origin, protected, allow_test, log)
    for _, _, check in END_STEPS:
        check(case)


def verify_rollback(
    evidence: Evidence,
    *,
    approvers: Approvers,
    now: datetime,
    monotonic: float,
    rp_id: str | None = None,
    origin: str | None = None,
    protected: frozenset[str] = frozenset(),
    allow_test: bool = False,
) -> Clearance:
    """Return a clearance to roll back `evidence.step`, which must be an applied step.

    It verifies again that this plan was approved: digests, signatures and quorum. It ignores the
    deadline, a freeze, the reviewers' current state and the audit log: a person has signed that
    this run is undone, and services verified that signature. The clocks must agree, because that
    signature counts for a limited time. Raises ClockSkew, Digest, Signature, UnknownApproverKey,
    SeparationOfDuties or Quorum.
    """
    case = Case(evidence, approvers, now, rp_id, origin, protected, allow_test)
    _was_approved(case)
    if evidence.step not in evidence.applied:
        raise Digest("the step was not applied, so there is nothing to undo")
    if case.step.rollback is None:
        raise Digest("the approved plan has no rollback for this step")
    return _clearance(case, monotonic, rollback=True)


def verify_settling(
    evidence: Evidence,
    *,
    approvers: Approvers,
    now: datetime,
    monotonic: float,
    rp_id: str | None = None,
    origin: str | None = None,
    protected: frozenset[str] = frozenset(),
    allow_test: bool = False,
) -> Clearance:
    """Return a clearance to settle what a call of `evidence.step` without a result left staged.

    It applies nothing: what the target has in force is promoted, anything else that this run staged
    is discarded. So the plan must have been approved, as for a rollback, and nothing be frozen; the
    deadline and the reviewers' current state do not matter. Raises Frozen, and what
    `verify_rollback` raises.
    """
    case = Case(evidence, approvers, now, rp_id, origin, protected, allow_test)
    _was_approved(case)
    if not case.step.spec.delivers or evidence.applied != tuple(range(evidence.step)):
        raise Digest("the step has no open call that can have staged something")
    if evidence.frozen:
        raise Frozen(evidence.frozen)
    return _clearance(case, monotonic, settles=True)


def _was_approved(case: Case) -> None:
    """Refuse a plan that was not approved, whatever has changed since."""
    steps.clocks(case)
    steps.what_was_signed(case)
    steps.narrower(case)
    steps.ruling_has_slots(case)
    for review, statement in zip(case.evidence.reviews, case.statements, strict=True):
        steps.signature(case, review, statement, (review.recorded_at,))
    steps.narrowing_signatures(case)
    steps.counted(case)


def _ends(case: Case) -> bool:
    try:
        return case.ends
    except GateRefused:
        return False  # the plan cannot be read


def _result(check: Callable[[Case], None], case: Case) -> Success | Failure:
    try:
        check(case)
    except GateRefused as refusal:
        return Failure(refusal.name, refusal.detail or refusal.message)
    return Success()


def _clearance(
    case: Case, monotonic: float, *, rollback: bool = False, settles: bool = False
) -> Clearance:
    return Clearance(
        _SEAL,
        proposal_id=case.evidence.proposal_id,
        plan_digest=case.plan.digest,
        step=case.evidence.step,
        token=case.evidence.token,
        pin_digest=case.digests.pin,
        ends=monotonic + CLEARANCE_S,
        rollback=rollback,
        settles=settles,
    )
