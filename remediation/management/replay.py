"""Verify evidence and bundles with the caller's own trusted keys: signatures and the gate.

Runs without Django, settings and database; `remediation.management.offline` is the command line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from audit.tlog import bundle
from audit.tlog.errors import Mismatch
from audit.tlog.incident import Documents, Entry, find
from remediation.domain.errors import BadInput
from remediation.domain.events import PROPOSED, Event
from remediation.domain.gate import gate
from remediation.domain.gate.evidence import Evidence
from remediation.domain.gate.finding import Finding
from remediation.domain.gate.inclusion import LogTrust
from remediation.domain.halt.statement import RunDecision
from remediation.domain.plan import Plan
from remediation.domain.plan import load as load_plan
from remediation.domain.ruling import Ruling
from remediation.domain.statement import Decision
from remediation.management.signed_record import Signed, Trust, signed_halt, signed_review

_PLAN = "hitlportal/plan/v1"
# A rollback that a halt asked for rests on one of these; a halt of version 1 asked for it, too.
_UNDOES = tuple(decision for decision in RunDecision if decision.undoes)
_HALTS = tuple(decision for decision in RunDecision if decision.halts)
_ANSWERS = tuple(decision for decision in RunDecision if decision.waits)
# What people sign about a run.
_SIGNED = (Event.PERSON_EXECUTION_HALTED, Event.PERSON_RUN_SETTLED, Event.PERSON_WAIT_ANSWERED)
# The reasons of an end that people settled, not the worker.
BY_PEOPLE = ("people_said_applied", "people_said_not_applied")
# The worker ends a proposal this way only after a verified review with this decision.
_ENDED: Mapping[str, str] = {
    Event.WORKER_PROPOSAL_REJECTED: Decision.REJECT,
    Event.WORKER_PROPOSAL_RETURNED: Decision.RETURN,
}


@dataclass(frozen=True)
class Replay:
    """One run of the gate, with the result of each step."""

    given: Evidence
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        return all(finding.result for finding in self.findings)


@dataclass(frozen=True)
class Whole:
    """The result of checking a bundle: signed decisions, and each run of the gate."""

    bundle: bundle.Verified
    reviews: tuple[Signed, ...]
    halts: tuple[Signed, ...]
    replays: tuple[Replay, ...]
    # Decisions of the worker without a verified review or halt.
    unfounded: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether every run of the gate holds and no decision lacks a verified signature.

        A recorded review or halt may fail verification: it is listed, and must have had no effect.
        """
        return not self.unfounded and all(replay.holds for replay in self.replays)


def check_evidence(given: Evidence, trust: Trust) -> Replay:
    findings = gate.examine(
        given,
        approvers=trust.approvers,
        now=given.database_now,
        log=LogTrust(trust.policy),
        rp_id=trust.rp_id,
        origin=trust.origin,
        allow_test=trust.allow_test,
    )
    return Replay(given, findings)


def check_bundle(raw: bytes, trust: Trust) -> Whole:
    """Check the bundle, then passkeys and the gate (not standard library). Raises TlogError."""
    found = bundle.verify(raw, trust.policy, seen=trust.seen)
    reviews = tuple(
        signed_review(entry, trust)
        for entry in found.entries
        if entry.action == Event.PERSON_REVIEW_SIGNED
    )
    replays = tuple(
        check_evidence(_gate_evidence(entry, found.documents), trust)
        for entry in found.entries
        if entry.action == Event.WORKER_GATE_CLEARED
    )
    halts = tuple(
        signed_halt(
            entry,
            trust,
            plan=_plan(entry, found, trust),
            slots=_slots(entry, replays),
        )
        for entry in found.entries
        if entry.action in _SIGNED
    )
    unfounded = tuple(_unfounded(found.entries, reviews, halts))
    return Whole(found, reviews, halts, replays, unfounded)


def _gate_evidence(entry: Entry, documents: Documents) -> Evidence:
    body = documents["", str(find(entry.said, "data.evidence"))] or b""
    try:
        given = Evidence.parse(body)
    except BadInput as error:
        raise Mismatch(f"gate evidence at entry {entry.index}: {error}") from None
    if entry.object != f"proposal:{given.proposal_id}":
        raise Mismatch(f"gate evidence at entry {entry.index} is about another proposal")
    return given


def _plan(entry: Entry, found: bundle.Verified, trust: Trust) -> Plan | None:
    """Return the plan of a halted run: the document named by its proposal's entry."""
    for one in found.entries:
        if one.action in PROPOSED and one.object == entry.object:
            body = found.documents.get((_PLAN, str(find(one.said, "data.plan"))))
            try:
                return load_plan(
                    body or b"",
                    protected=frozenset(),
                    allow_test=trust.allow_test,
                    earlier=True,
                )
            except BadInput:
                return None
    return None


def _slots(entry: Entry, replays: Sequence[Replay]) -> tuple[str, ...]:
    """Return the slots in which the run was approved, from the gate's ruling."""
    for replay in replays:
        if entry.object == f"proposal:{replay.given.proposal_id}":
            try:
                return Ruling.parse(replay.given.ruling.encode(errors="surrogatepass")).slots
            except BadInput:
                return ()
    return ()


def _unfounded(
    entries: Sequence[Entry], reviews: Sequence[Signed], halts: Sequence[Signed]
) -> Iterator[str]:
    verified = {(one.proposal, one.decision) for one in reviews if not one.problem}
    halted = {one.proposal for one in halts if not one.problem and one.decision in _HALTS}
    undone = {one.proposal for one in halts if not one.problem and one.decision in _UNDOES}
    settled = Counter(
        proposal
        for proposal, _ in {
            (one.proposal, one.person)
            for one in halts
            if not one.problem and one.decision == RunDecision.SETTLE
        }
    )
    valid = [one for one in halts if not one.problem]
    answered = {(one.proposal, one.person) for one in valid if one.decision in _ANSWERS}
    by = {(one.proposal, one.person) for one in valid if one.decision not in _ANSWERS}
    for entry in entries:
        decision = _ENDED.get(entry.action)
        if decision is not None and (entry.object, decision) not in verified:
            yield f"entry {entry.index}, {entry.action}: no verified review says {decision}"
        if _says_halted(entry) and entry.object not in halted:
            yield f"entry {entry.index}, {entry.action}: no verified halt stopped it"
        elif _says_halted(entry) and _is_rollback(entry) and entry.object not in undone:
            yield f"entry {entry.index}, {entry.action}: no verified halt asked for undoing"
        if _says_settled(entry) and settled[entry.object] < 2:
            yield f"entry {entry.index}, {entry.action}: no two people's signatures settled it"
        if entry.action in (Event.WORKER_HALT_VERIFIED, Event.WORKER_SETTLEMENT_VERIFIED):
            person = str(find(entry.said, "data.person"))
            if (entry.object, person) not in by:
                yield f"entry {entry.index}, {entry.action}: no verified halt is by {person}"
        if entry.action == Event.WORKER_ANSWER_VERIFIED:
            person = str(find(entry.said, "data.person"))
            if (entry.object, person) not in answered:
                yield f"entry {entry.index}, {entry.action}: no verified answer is by {person}"


def _says_halted(entry: Entry) -> bool:
    ended = (Event.WORKER_PROPOSAL_STOPPED, Event.WORKER_PROPOSAL_FAILED)
    found = entry.action in ended or _is_rollback(entry)
    return found and find(entry.said, "data.reason") == "halted"


def _is_rollback(entry: Entry) -> bool:
    return entry.action == Event.WORKER_PROPOSAL_ROLLED_BACK


def _says_settled(entry: Entry) -> bool:
    return str(find(entry.said, "data.reason")) in BY_PEOPLE
