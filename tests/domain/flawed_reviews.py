"""Evidence with invalid reviews, people or approvers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from remediation.domain.gate.evidence import Evidence, PersonEvidence, ReversalEvidence
from remediation.domain.gate.incident import IncidentEvidence
from remediation.domain.statement import Decision, Reason, Verdicts
from tests.domain.story import ALICE, BOB, EVE, KEYS, NOW, Story, sign
from tests.passkey import SoftPasskey


def _with(**changes: Any) -> Callable[[], Evidence]:
    return lambda: Story().evidence(**changes)


def _alice(**changes: Any) -> Callable[[], Evidence]:
    """Alice signs a statement that says something else; bob signs the right one."""
    return lambda: _alice_says(Story(), **changes)


def _alice_says(story: Story, **changes: Any) -> Evidence:
    bobs = sign(story.statement(BOB, "service_owner"))
    return story.evidence(sign(story.statement(ALICE, "security", **changes)), bobs)


def _alices_review(**changes: Any) -> Callable[[], Evidence]:
    """Alice signs the right statement; the recorded one says something else."""

    def make() -> Evidence:
        alices, bobs = Story().reviews()
        return Story().evidence(replace(alices, **changes), bobs)

    return make


def _only_alice() -> Evidence:
    story = Story()
    return story.evidence(sign(story.statement(ALICE, "security")))


def _alice_twice() -> Evidence:
    """One person, who holds both roles, signs for both slots (A10)."""
    story = Story()
    reviews = (
        sign(story.statement(ALICE, "security")),
        sign(story.statement(ALICE, "any", nonce="another nonce of hers")),
    )
    return story.evidence(*reviews)


def _same_nonce() -> Evidence:
    story = Story()
    return story.evidence(
        sign(story.statement(ALICE, "security", nonce="one nonce for both")),
        sign(story.statement(BOB, "service_owner", nonce="one nonce for both")),
    )


def _objection(decision: Decision, code: str) -> Callable[[], Evidence]:
    reason = Reason(code, "That is our own office.")
    return _alice(decision=decision, reason=reason, verdicts=Verdicts(False, True, False))


def _eve() -> Evidence:
    """Web inserts a user, her roles and her passkey, and signs correctly with it (A43)."""
    story = Story()
    eves = sign(story.statement(EVE, "security"))
    people = (
        PersonEvidence(EVE, True, ("security",)),
        PersonEvidence(BOB, True, ("service_owner",)),
    )
    return story.evidence(eves, sign(story.statement(BOB, "service_owner")), people=people)


def _new_key_of_alice() -> Evidence:
    """A passkey enrolled in alice's name that no operator added to the file (A43)."""
    story = Story()
    key = SoftPasskey.from_seed("a stolen session enrolled this")
    return story.evidence(
        sign(story.statement(ALICE, "security"), key=key),
        sign(story.statement(BOB, "service_owner")),
    )


def _bob_fills_security() -> Evidence:
    """The database says that bob holds the security role; the file does not."""
    story = Story()
    return story.evidence(
        sign(story.statement(BOB, "security")),
        sign(story.statement(ALICE, "service_owner")),
    )


def _bobs_assertion() -> Evidence:
    """Bob's assertion is recorded as alice's (A20)."""
    alices, bobs = Story().reviews()
    forged = replace(
        alices.assertion,
        authenticator_data=bobs.assertion.authenticator_data,
        client_data_json=bobs.assertion.client_data_json,
        signature=bobs.assertion.signature,
    )
    return Story().evidence(replace(alices, assertion=forged), bobs)


def _place(rp_id: str, origin: str) -> Callable[[], Evidence]:
    return _alice(rp_id=rp_id, origin=origin)


def _not_verified() -> Evidence:
    story = Story()
    statement = story.statement(ALICE, "security")
    weak = KEYS[ALICE].assertion(statement.challenge(), statement.rp_id, statement.origin, uv=False)
    return story.evidence(
        replace(sign(statement), assertion=weak), sign(story.statement(BOB, "service_owner"))
    )


def _people(*people: PersonEvidence) -> Callable[[], Evidence]:
    return _with(people=people)


_ALICE_NOW = PersonEvidence(ALICE, True, ("security",))


_BOB_NOW = PersonEvidence(BOB, True, ("service_owner",))


_LENA = PersonEvidence("1e0a0000-0000-4000-8000-000000000006", True, ("lead",))


def _undoing(person: PersonEvidence, digest: str = "", **changes: Any) -> Callable[[], Evidence]:
    """The story's plan is a reversal that this person proposed; `incident` is the evidence's."""
    incident = changes.pop("incident", None)

    def make() -> Evidence:
        proposer = replace(person, **changes)
        of = "01d00000-0000-4000-8000-000000000007"
        said = ReversalEvidence(of, digest or Story().plan.digest, proposer)
        return Story().evidence(reversal=said, incident=incident)

    return make


def _closed(after: int) -> IncidentEvidence:
    """The incident was closed a minute ago; the proposal came so many seconds after that."""
    at = NOW - timedelta(minutes=1)
    return IncidentEvidence("closed", at, at + timedelta(seconds=after))
