"""Narrowings in the gate's evidence: what their authors signed, with the bodies of then.

A narrowing counts as its author's approval, and it is why its author is not excluded as an editor.
So the gate verifies each one of a person who counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from audit.tlog.canonical import Json
from remediation.domain import checks, instant
from remediation.domain.digest import Digests
from remediation.domain.errors import BadInput, Digest, Signature
from remediation.domain.fields import Fields
from remediation.domain.gate.signature import Assertion
from remediation.domain.narrowing import Judged, keep
from remediation.domain.narrowing_statement import NarrowingStatement
from remediation.domain.observation import parse_pin
from remediation.domain.plan import Plan, load
from remediation.domain.ruling import Ruling
from remediation.domain.scope import Scope

_BODIES = ("plan", "diagnosis", "scope", "checks", "ruling", "pin")
_MAX_BODY = 8 * 1024 * 1024
# The chain of proposals that one may supersede, as far as people narrowed in it.
MOST = 100


@dataclass(frozen=True)
class Bodies:
    """The recorded bodies of the round in which somebody narrowed, as text."""

    plan: str
    diagnosis: str
    scope: str
    checks: str
    ruling: str
    pin: str

    def to_json(self) -> dict[str, Json]:
        return {name: getattr(self, name) for name in _BODIES}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Bodies:
        source = Fields(value, at, required=_BODIES)
        return cls(**{name: source.text(name, _MAX_BODY) for name in _BODIES})

    def digests(self) -> Digests:
        return Digests.of(**{name: _bytes(getattr(self, name)) for name in _BODIES})


@dataclass(frozen=True)
class NarrowingEvidence:
    """One recorded narrowing: the proposal that it made, its plan, and what was signed."""

    proposal: str
    plan: str
    person: str
    slot: str
    statement: str
    assertion: Assertion
    recorded_at: datetime
    signed: Bodies

    def to_json(self) -> dict[str, Json]:
        return {
            "proposal": self.proposal,
            "plan": self.plan,
            "person": self.person,
            "slot": self.slot,
            "statement": self.statement,
            "assertion": self.assertion.to_json(),
            "recorded_at": instant.dump(self.recorded_at),
            "signed": self.signed.to_json(),
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> NarrowingEvidence:
        source = Fields(
            value,
            at,
            required=(
                "proposal", "plan", "person", "slot", "statement", "assertion", "recorded_at",
                "signed",
            ),
        )  # fmt: skip
        return cls(
            proposal=source.uuid("proposal"),
            plan=source.text("plan", _MAX_BODY),
            person=source.text("person", 100, least=1),
            slot=source.text("slot", 100, least=1),
            statement=source.text("statement", _MAX_BODY),
            assertion=Assertion.from_json(source.value("assertion"), source.at("assertion")),
            recorded_at=source.instant("recorded_at"),
            signed=Bodies.from_json(source.value("signed"), source.at("signed")),
        )


@dataclass(frozen=True)
class Narrowed:
    """A narrowing, parsed: the statement, what was judged, the plan that is left."""

    given: NarrowingEvidence
    statement: NarrowingStatement
    old: Judged
    new: Plan
    # The digest of the plan that the statement keeps of the old one; "" if that is no plan.
    kept: str

    @classmethod
    def of(
        cls, given: NarrowingEvidence, *, protected: frozenset[str], allow_test: bool
    ) -> Narrowed:
        """Parse it. Raises Signature or Digest."""
        try:
            statement = NarrowingStatement.parse(_bytes(given.statement))
        except BadInput as error:
            raise Signature(f"{given.person}: the statement cannot be read: {error}") from None
        try:
            then = given.signed
            old = _plan(then.plan, protected, allow_test)
            judged = Judged(
                plan=old,
                diagnosis=then.digests().diagnosis,
                scope=Scope.parse(_bytes(then.scope)),
                checks=checks.parse(_bytes(then.checks)),
                ruling=Ruling.parse(_bytes(then.ruling)),
                pinned=parse_pin(_bytes(then.pin)),
            )
            new = _plan(given.plan, protected, allow_test)
        except BadInput as error:
            raise Digest(f"what {given.person} narrowed cannot be read: {error}") from None
        try:
            kept = keep(old, statement.kept, protected=protected, allow_test=allow_test).digest
        except BadInput:
            kept = ""
        return cls(given, statement, judged, new, kept)


def _plan(body: str, protected: frozenset[str], allow_test: bool) -> Plan:
    return load(_bytes(body), protected=protected, allow_test=allow_test, earlier=True)


def _bytes(text: str) -> bytes:
    """Return the recorded bytes. A lone surrogate becomes bytes that no parser here accepts."""
    return text.encode(errors="surrogatepass")
