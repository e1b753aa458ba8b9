"""One run of the gate: its input, and the values parsed from it.

Parsing is part of the gate: malformed bytes cause the refusal `digest` or `signature`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from remediation.domain import checks, policy
from remediation.domain.digest import Digests
from remediation.domain.errors import BadInput, Digest, Signature
from remediation.domain.gate.approvers import Approvers
from remediation.domain.gate.evidence import Evidence
from remediation.domain.gate.inclusion import LogTrust
from remediation.domain.gate.narrowed import Narrowed
from remediation.domain.gate.quorum import CountedReview
from remediation.domain.gate.reviewed import ReviewEvidence
from remediation.domain.holds import waits_of
from remediation.domain.narrowing import ROUND, Judged, why_not_counted
from remediation.domain.observation import Pinned, parse_pin
from remediation.domain.plan import Plan, Step
from remediation.domain.plan import load as load_plan
from remediation.domain.report import Diagnosis, load_diagnosis
from remediation.domain.scope import Scope
from remediation.domain.slots import Asked
from remediation.domain.statement import Decision, Statement
from remediation.domain.waits import Wait

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """The gate's input; every other value is parsed from it, once."""

    evidence: Evidence
    approvers: Approvers
    now: datetime
    rp_id: str | None
    origin: str | None
    protected: frozenset[str]
    allow_test: bool
    log: LogTrust | None = None

    @cached_property
    def plan(self) -> Plan:
        body = _bytes(self.evidence.plan)
        return _read(
            "plan",
            lambda: load_plan(
                body, protected=self.protected, allow_test=self.allow_test, earlier=True
            ),
        )

    @cached_property
    def diagnosis(self) -> Diagnosis:
        body = _bytes(self.evidence.diagnosis)
        return _read("diagnosis", lambda: load_diagnosis(body, allow_test=self.allow_test))

    @cached_property
    def scope(self) -> Scope:
        return _read("scope", lambda: Scope.parse(_bytes(self.evidence.scope)))

    @cached_property
    def checks(self) -> tuple[checks.Check, ...]:
        return _read("checks", lambda: checks.parse(_bytes(self.evidence.checks)))

    @cached_property
    def ruling(self) -> policy.Ruling:
        return _read("ruling", lambda: policy.Ruling.parse(_bytes(self.evidence.ruling)))

    @cached_property
    def asked(self) -> Asked[str]:
        """Return what the signed ruling asks for, over the signed scope; services by name."""
        direct = (service.name for service in self.scope.services if service.depth == 1)
        owned = {owner.slot: frozenset(owner.services) for owner in self.ruling.owners}
        return Asked(self.ruling.slots, frozenset(direct), owned)

    @cached_property
    def pinned(self) -> tuple[Pinned, ...]:
        return _read("pin", lambda: parse_pin(_bytes(self.evidence.pin)))

    @cached_property
    def digests(self) -> Digests:
        given = self.evidence
        return Digests.of(
            plan=_bytes(given.plan),
            diagnosis=_bytes(given.diagnosis),
            scope=_bytes(given.scope),
            ruling=_bytes(given.ruling),
            pin=_bytes(given.pin),
            checks=_bytes(given.checks),
        )

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """Return the signed statements, in the order of the reviews."""
        return tuple(_statement(review) for review in self.evidence.reviews)

    @property
    def counted(self) -> tuple[CountedReview, ...]:
        """Return what counts, from the signed statements and not from the rows."""
        reviews = tuple(
            CountedReview(s.person, s.slot, s.decision, s.round, s.digests) for s in self.statements
        )
        return (*(self._approval(one) for one in self.counting), *reviews)

    def _approval(self, one: Narrowed) -> CountedReview:
        """Return a narrowing as its author's approval of this round."""
        signed = one.statement
        return CountedReview(
            signed.person, signed.slot, Decision.APPROVE, self.evidence.round, self.digests
        )

    @cached_property
    def narrowings(self) -> tuple[Narrowed, ...]:
        """Return the narrowings that matter: of people who count, or who might count by one.

        Somebody else's releases nobody, so it cannot end this proposal either.
        """
        people = {review.person for review in self.evidence.reviews}
        return tuple(
            Narrowed.of(given, protected=self.protected, allow_test=self.allow_test)
            for given in self.evidence.narrowings
            if given.person in people or self._first_round(given.proposal)
        )

    @cached_property
    def counting(self) -> tuple[Narrowed, ...]:
        """Return the narrowing that made this proposal if it counts in this round as an approval.

        A tuple, so that a second one in forged evidence counts as a second approval and not as
        none.
        """
        return tuple(
            one
            for one in self.narrowings
            if self._first_round(one.given.proposal)
            and not why_not_counted(one.old, self.judged, one.statement.slot)
        )

    @cached_property
    def waits(self) -> Mapping[int, Wait]:
        """Return every wait of the run, by the step that it comes after."""
        return waits_of(self.plan, self.ruling.holds)

    @property
    def ends(self) -> bool:
        """Return whether nothing is left to do: each step was applied, and the run has waited
        behind the last one."""
        last = len(self.plan.steps) - 1
        waited = any(wait.step == last for wait in self.evidence.waits)
        return waited and self.evidence.applied == tuple(range(last + 1))

    @property
    def following(self) -> int:
        """Return the index of the step that follows the waits to judge; one too many at the end."""
        return len(self.plan.steps) if self.ends else self.evidence.step

    def _first_round(self, proposal: str) -> bool:
        return proposal == self.evidence.proposal_id and self.evidence.round == ROUND

    @property
    def judged(self) -> Judged:
        return Judged(
            self.plan, self.digests.diagnosis, self.scope, self.checks, self.ruling, self.pinned
        )

    @property
    def step(self) -> Step:
        if not 0 <= self.evidence.step < len(self.plan.steps):
            raise Digest("the plan has no such step")
        return self.plan.steps[self.evidence.step]


def _read(what: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except BadInput as error:
        raise Digest(f"the {what} cannot be read: {error}") from None


def _statement(review: ReviewEvidence) -> Statement:
    try:
        return Statement.parse(_bytes(review.statement))
    except BadInput as error:
        raise Signature(f"{review.person}: the statement cannot be read: {error}") from None


def _bytes(text: str) -> bytes:
    """Return the recorded bytes. A lone surrogate becomes bytes that no parser here accepts."""
    return text.encode(errors="surrogatepass")
