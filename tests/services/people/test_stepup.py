"""An act needs a passkey's signature over exactly this act, once (A76)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors
from remediation.domain.act import ActStatement
from remediation.domain.gate.signature import Assertion, verify
from remediation.services.people import stepup as service
from remediation.services.review import report_agent, sign
from tests import factories, stepup
from tests.database.attack import APPEND_ONLY, DENIED, refused
from tests.factories import WEB, Person
from tests.flows.world import World, acts

pytestmark = pytest.mark.django_db

Proof = service.Proof


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings)


def again(someone: Person, proposal_id: UUID, proof: Proof | None) -> None:
    with acts(WEB):
        sign.observe_again(actor=someone.user, proposal_id=proposal_id, proof=proof)


def changed(someone: Person, statement: ActStatement, **fields: object) -> Proof:
    """A statement of the person's own making, rightly signed."""
    other = replace(statement, **fields)  # type: ignore[arg-type]
    return Proof(other, stepup.signed(someone, other))


FORGED: dict[str, tuple[type[errors.Refused], Callable[[World, UUID, Proof], Proof | None]]] = {
    "a cookie alone": (errors.PasskeyNeeded, lambda w, p, good: None),
    "another person's passkey": (
        errors.SignatureInvalid,
        lambda w, p, good: Proof(good.statement, stepup.signed(w.people["bob"], good.statement)),
    ),
    "another person's statement": (
        errors.StaleDigest,
        lambda w, p, good: stepup.proof(w.people["bob"], sign.observing(p, 1)),
    ),
    "another round": (
        errors.StaleDigest,
        lambda w, p, good: stepup.proof(w.people["alice"], sign.observing(p, 2)),
    ),
    "another proposal": (
        errors.StaleDigest,
        lambda w, p, good: stepup.proof(w.people["alice"], sign.observing(w.agent.agent_id, 1)),
    ),
    "another act": (
        errors.StaleDigest,
        lambda w, p, good: stepup.proof(
            w.people["alice"], report_agent.reporting(w.get(p), "It lies about the evidence.")
        ),
    ),
    "a signature over another nonce": (
        errors.SignatureInvalid,
        lambda w, p, good: Proof(replace(good.statement, nonce="n" * 43), good.assertion),
    ),
    "an old one": (
        errors.SessionExpired,
        lambda w, p, good: changed(
            w.people["alice"],
            good.statement,
            expires=good.statement.expires - timedelta(minutes=5, seconds=1),
        ),
    ),
    "one for later": (
        errors.SessionExpired,
        lambda w, p, good: changed(
            w.people["alice"], good.statement, expires=good.statement.expires + timedelta(days=1)
        ),
    ),
}


def test_a76_what_no_passkey_signed_for_this_act_is_refused(world: World) -> None:
    proposal_id, alice = world.in_review(), world.people["alice"]
    good = stepup.proof(alice, sign.observing(proposal_id, 1))
    for name, (refusal, forge) in FORGED.items():
        with pytest.raises(refusal):
            again(alice, proposal_id, forge(world, proposal_id, good))
        assert not m.ObservationRequest.objects.exists(), name
    # Control: the same call with what the passkey signed for it.
    again(alice, proposal_id, good)
    assert m.ObservationRequest.objects.get().person == alice.id


def test_a76_a_statement_is_used_once(world: World) -> None:
    proposal_id, alice = world.in_review(), world.people["alice"]
    good = stepup.proof(alice, sign.observing(proposal_id, 1))
    again(alice, proposal_id, good)
    with pytest.raises(errors.SessionUsed):
        again(alice, proposal_id, good)
    assert m.ObservationRequest.objects.count() == 1


def test_the_entry_is_enough_to_verify_it(world: World) -> None:
    proposal_id, alice = world.in_review(), world.people["alice"]
    again(alice, proposal_id, stepup.proof(alice, sign.observing(proposal_id, 1)))
    said = Entry.objects.order_by("-id")[0].data["data"]["step_up"]
    statement = ActStatement.parse(stepup.canonical(said["statement"]))
    assert statement.is_about(sign.observing(proposal_id, 1), str(alice.id))
    verify(
        Assertion.from_json(said["assertion"]),
        challenge=statement.challenge(),
        cose_key=alice.passkey.cose_key,
        rp_id=django_settings.RP_ID,
        origin=django_settings.ORIGIN,
    )


def test_a76_an_agent_is_not_reported_by_a_cookie_alone(world: World) -> None:
    proposal_id, alice = world.in_review(), world.people["alice"]
    why = "It lies about the evidence."
    other = stepup.proof(
        alice, report_agent.reporting(world.get(proposal_id), "It is slow, no more.")
    )
    for proof, refusal in ((None, errors.PasskeyNeeded), (other, errors.StaleDigest)):
        with pytest.raises(refusal), acts(WEB):
            report_agent.report(actor=alice.user, proposal_id=proposal_id, reason=why, proof=proof)
    assert report_agent.is_enabled(world.agent.agent_id)


def test_a76_the_web_login_neither_forgets_a_use_nor_makes_one_up(world: World) -> None:
    proposal_id, alice = world.in_review(), world.people["alice"]
    act = sign.observing(proposal_id, 1)
    again(alice, proposal_id, stepup.proof(alice, act))
    for statement, refusal in (
        ("DELETE FROM remediation.step_up", DENIED),
        ("UPDATE remediation.step_up SET nonce = 'x'", DENIED),
    ):
        with (
            refused(refusal),
            transaction.atomic(),
            factories.acting(WEB),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    with (
        refused(APPEND_ONLY),
        transaction.atomic(),
        factories.as_owner(),
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM remediation.step_up")


def test_a76_a_use_needs_its_signed_statement_in_the_entry(world: World) -> None:
    proposal_id, alice = world.in_review(), world.people["alice"]
    signed = stepup.checked(alice, sign.observing(proposal_id, 1))
    unsigned = {**signed.data, "assertion": {}}
    for data in ({}, {"step_up": unsigned}):
        with refused("step_up_entry"), transaction.atomic(), factories.acting(WEB):
            signed.use(
                factories.entry(
                    "person:observation:asked", alice.actor, f"proposal:{proposal_id}", **data
                )
            )
