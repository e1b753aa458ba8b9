"""A plan of three roles that bob narrowed to two: his narrowing, and alice's review of the rest.

`FLAWS_OF_NARROWINGS` are the ways in which it can be wrong, each with the refusal's name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain import checks, policy
from remediation.domain.gate.evidence import Evidence, Excluded, PersonEvidence
from remediation.domain.gate.narrowed import Bodies, NarrowingEvidence
from remediation.domain.narrowing import Kept
from remediation.domain.narrowing_statement import NarrowingStatement
from remediation.domain.plan import Plan
from remediation.domain.scope import Scope, ScopeTarget
from remediation.domain.statement import Verdicts
from tests.domain import record
from tests.domain.story import (
    ALICE,
    ASSESSED,
    BOB,
    EVE,
    KEYS,
    ORIGIN,
    PROPOSAL,
    RP_ID,
    TARGET,
    Story,
    a_plan,
    a_service,
    an_observation,
    sign,
)
from tests.passkey import SoftPasskey

OLD = "01dbeef0-0000-4000-8000-000000000008"
ROLES = ("app_orders", "app_billing", "app_mail")
NARROWED_AT = ASSESSED - timedelta(minutes=3)


def story(*roles: str, **changes: Any) -> Story:
    """Return the story of a plan that disables these roles."""
    steps: list[Json] = [
        {"action": "postgres.role.disable", "target": {**TARGET, "role": role}, "parameters": {}}
        for role in roles
    ]
    plan = a_plan(steps=steps)
    targets = tuple(ScopeTarget(t.locator, True, "postgres.role", "production", "x")
                    for t in plan.targets)  # fmt: skip
    services = tuple(a_service(id=len(role), name=f"s{len(role)}", via=t.locator)
                     for role, t in zip(roles, plan.targets, strict=True))  # fmt: skip
    return replace(Story(version=2, plan=plan, scope=Scope(targets, services, ())), **changes)


def before() -> Story:
    return story(*ROLES)


def left() -> Story:
    return story(*ROLES[:2])


def statement(old: Story, left: Plan, person: str = BOB, **changes: Any) -> NarrowingStatement:
    places = {target.locator: index for index, target in enumerate(old.plan.targets)}
    composed = NarrowingStatement(
        proposal=OLD,
        round=1,
        digests=old.digests(),
        makes=PROPOSAL,
        narrowed=left.digest,
        kept=tuple(Kept(places.get(s.target.locator, 0), s.parameters) for s in left.steps),
        verdicts=Verdicts(diagnosis=True, scope=True, action=True),
        reason="The mail role is not part of it.",
        slot="service_owner",
        person=person,
        nonce=sha256(f"narrowing {person}".encode()).hexdigest(),
        expires=NARROWED_AT + timedelta(minutes=5),
        rp_id=RP_ID,
        origin=ORIGIN,
    )
    return replace(composed, **changes)


def narrowed(
    said: NarrowingStatement,
    old: Story,
    plan: Plan,
    *,
    key: SoftPasskey | None = None,
    **changes: Any,
) -> NarrowingEvidence:
    """Sign it with the person's own key or another."""
    signer = key or KEYS[said.person]
    record.signed_by(signer)
    made = NarrowingEvidence(
        proposal=said.makes,
        plan=plan.body.decode(),
        person=said.person,
        slot=said.slot,
        statement=said.body().decode(),
        assertion=signer.assertion(said.challenge(), said.rp_id, said.origin),
        recorded_at=NARROWED_AT,
        signed=Bodies(
            plan=old.plan.body.decode(),
            diagnosis=old.diagnosis.body.decode(),
            scope=old.scope.body().decode(),
            checks=checks.body(old.checks).decode(),
            ruling=old.the_ruling().body().decode(),
            pin=old.pin().decode(),
        ),
    )
    return replace(made, **changes)


def evidence(*narrowings: NarrowingEvidence, new: Story | None = None, **changes: Any) -> Evidence:
    """Return the gate's evidence: bob's narrowing, and alice's review of the plan that is left."""
    old, new = before(), new or left()
    given = narrowings or (narrowed(statement(old, new.plan), old, new.plan),)
    reviews = changes.pop("reviews", (sign(new.statement(ALICE, "security")),))
    return new.evidence(*reviews, narrowings=given, **changes)


def one(**changes: Any) -> NarrowingEvidence:
    """Return bob's narrowing with another statement."""
    return narrowed(statement(before(), left().plan, **changes), before(), left().plan)


def _by(person: str, **changes: Any) -> Callable[[], Evidence]:
    """Somebody else narrowed."""
    return lambda: evidence(one(person=person, **changes))


def _widened() -> Evidence:
    """A plan with another role is marked as narrowed, and bob signed it (A07)."""
    new = story(ROLES[0], "app_audit")
    old = before()
    said = statement(old, new.plan)
    return evidence(narrowed(said, old, new.plan), new=new)


def _wider() -> Evidence:
    """The old plan in the evidence is not the one that was signed."""
    given = one()
    other = story(*ROLES, "app_audit").plan.body.decode()
    return evidence(replace(given, signed=replace(given.signed, plan=other)))


def _not_kept() -> Evidence:
    """The steps that the statement keeps are not those of the plan whose digest it names."""
    return evidence(one(kept=(Kept(0, {}), Kept(2, {}))))


def _reordered() -> Evidence:
    new = story(ROLES[1], ROLES[0])
    return evidence(narrowed(statement(before(), new.plan), before(), new.plan), new=new)


def _changed(**changes: Any) -> Callable[[], Evidence]:
    """Bob's narrowing as it is recorded says something else than what he signed."""
    return lambda: evidence(replace(one(), **changes))


def _forged() -> Evidence:
    """A compromised web process signs in bob's name with a key of its own."""
    key = SoftPasskey.from_seed("web")
    return evidence(narrowed(statement(before(), left().plan), before(), left().plan, key=key))


def _drifted() -> Evidence:
    """A target is no longer as bob saw it, so that his narrowing is no approval (A31)."""
    new = left()
    new.observation = an_observation(oid=99_999)
    return evidence(new=new)


def _second_round() -> Evidence:
    new = replace(left(), round=2)
    return evidence(new=new)


def _more_asked() -> Evidence:
    """The ruling asks for more than the one that bob signed."""
    new = left()
    new.ruling = policy.rule(replace(new.the_ruling().requirements, risk="critical"), ASSESSED)
    return evidence(new=new)


def _both() -> Evidence:
    """Bob narrows and approves, too: one person, one slot (A10)."""
    new = left()
    return evidence(new=new, reviews=(sign(new.statement(BOB, "service_owner")),))


def _twice() -> Evidence:
    """Two narrowings are said to have made this proposal, both of bob."""
    return evidence(one(), one(nonce="another nonce, of 16 or more"))


def _alone() -> Evidence:
    """Nobody but bob decided."""
    return replace(evidence(), reviews=())


def _released() -> Evidence:
    """In the second round bob signs; the narrowing that makes him no editor is forged."""
    new = replace(left(), round=2)
    forged = narrowed(statement(before(), new.plan), before(), new.plan,
                      key=SoftPasskey.from_seed("web"))  # fmt: skip
    return evidence(forged, new=new, reviews=new.reviews())


FLAWS_OF_NARROWINGS: dict[str, tuple[int, str, Callable[[], Evidence]]] = {
    "not_narrower": (1, "not_narrower", _widened),
    "not_narrower_reordered": (1, "not_narrower", _reordered),
    "digest_narrowing_old_plan": (1, "digest", _wider),
    "digest_narrowing_not_kept": (1, "digest", _not_kept),
    "digest_narrowing_other_plan": (1, "digest", _changed(plan=before().plan.body.decode())),
    "signature_narrowing_unreadable": (1, "signature", _changed(statement="{}")),
    "signature_narrowing_replayed": (3, "signature", lambda: evidence(
        replace(one(makes=OLD), proposal=PROPOSAL))),
    "signature_narrowing_other_slot": (3, "signature", _changed(slot="security")),
    "signature_narrowing_late": (
        3, "signature", _changed(recorded_at=NARROWED_AT + timedelta(minutes=6))),
    "signature_narrowing_verdicts": (
        3, "signature", lambda: evidence(one(verdicts=Verdicts(True, False, False)))),
    "signature_narrowing_no_reason": (3, "signature", lambda: evidence(one(reason="because"))),
    "unknown_approver_key_narrowing_forged": (3, "unknown_approver_key", _forged),
    "signature_narrowing_nonce": (3, "signature", lambda: evidence(one(), one())),
    "unknown_approver_key_narrowing": (3, "unknown_approver_key", _by(EVE)),
    "unknown_approver_key_narrowing_role": (3, "unknown_approver_key", _by(BOB, slot="security")),
    "unknown_approver_key_narrowing_released": (3, "unknown_approver_key", _released),
    "quorum_narrowing_drifted": (4, "quorum", _drifted),
    "quorum_narrowing_second_round": (4, "quorum", _second_round),
    "quorum_narrowing_alone": (4, "quorum", _alone),
    "separation_narrowing_excluded": (4, "separation", lambda: evidence(
        excluded=(Excluded(BOB, "owner of the agent"),))),
    "separation_narrowing_both": (4, "separation", _both),
    "separation_narrowing_twice": (4, "separation", _twice),
    "quorum_narrowing_more_asked": (4, "quorum", _more_asked),
    "reviewer_lost_narrowing": (5, "reviewer_lost", lambda: evidence(
        people=(PersonEvidence(ALICE, True, ("security",), ("s10",)),))),
}  # fmt: skip
