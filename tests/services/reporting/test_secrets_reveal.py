"""Revealing masked bytes: for few people, and on record before a byte is read (A61)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from audit import log
from audit.models import Entry
from remediation import models as m
from remediation.domain.errors import NoSuchObject, NotEntitled, ReasonRequired
from remediation.services.access import visibility
from remediation.services.actors import operator
from remediation.services.people import approvers
from remediation.services.reporting import secrets, submit, withdraw
from tests import factories, stepup
from tests.conftest import AsLogin
from tests.flows.world import World, acts
from tests.services.reporting.leaks import (
    AWS,
    LEAK,
    REASON,
    everything_but_blobs,
    handed_in,
    leaking,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None, tmp_path: Any, settings: Settings) -> World:
    return World(tmp_path, settings)


@pytest.fixture
def proposal(world: World) -> m.Proposal:
    proposal_id = handed_in(world)
    world.assess(proposal_id)
    return world.get(proposal_id)


def reveal(someone: factories.Person, proposal: m.Proposal, **changes: str) -> bytes:
    said = {"sha256": sha256(LEAK).hexdigest(), "reason": REASON, **changes}
    with acts("hitl_web"):
        act = secrets.revealing(proposal, **said)
        proof = stepup.proof(someone, act)
        return secrets.reveal(actor=someone.user, proposal=proposal, proof=proof, **said)


def revealed() -> list[Any]:
    found = [entry.data for entry in Entry.objects.order_by("id")]
    return [said for said in found if said["action"] == "person:evidence:revealed"]


@pytest.mark.parametrize("roles", [[], ["lead"], ["auditor"], ["service_owner"], ["user_admin"]])
def test_a61_a_person_without_the_security_role_is_refused(
    proposal: m.Proposal, roles: list[str]
) -> None:
    someone = factories.person(roles=roles)
    service = m.Service.objects.get()
    factories.grant(someone.user, "review_service", service)
    with pytest.raises(NotEntitled):
        reveal(someone, proposal)
    assert revealed() == []


def test_a13_a_superuser_is_refused(proposal: m.Proposal) -> None:
    someone = factories.person()
    m.User.objects.filter(pk=someone.user.pk).update(is_superuser=True, is_staff=True)
    someone.user.refresh_from_db()
    with pytest.raises(NotEntitled):
        reveal(someone, proposal)


def test_a61_security_without_the_right_on_the_service_is_refused(proposal: m.Proposal) -> None:
    with pytest.raises(NotEntitled):
        reveal(factories.person(roles=["security"]), proposal)
    assert revealed() == []


def newcomer(by: factories.Person | None) -> factories.Person:
    """A person with role and right, invited by an administrator or by an operator."""
    someone = factories.person(roles=["security"])
    factories.grant(someone.user, "review_service", m.Service.objects.get())
    factories.use(factories.invitation(someone, by=by))
    return someone


def test_a77_an_account_that_an_administrator_invited_reads_no_secret_at_first(
    proposal: m.Proposal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He could have made it for himself."""
    someone = newcomer(factories.person(roles=["user_admin"]))
    with pytest.raises(NotEntitled):
        reveal(someone, proposal)
    assert revealed() == []
    # Control: only this rule keeps the person out.
    monkeypatch.setattr(visibility, "NEW", timedelta(0))
    assert reveal(someone, proposal)


def test_a77_a_key_that_an_operator_compared_lifts_it(proposal: m.Proposal, tmp_path: Any) -> None:
    someone = newcomer(factories.person(roles=["user_admin"]))
    with acts("hitl_worker"):
        approvers.add(
            actor=operator(),
            path=tmp_path / "keys.json",
            username=someone.user.username,
            key=someone.passkey.fingerprint,
            roles=("security",),
        )
    assert reveal(someone, proposal)


def add_key(someone: factories.Person, path: Any) -> None:
    with acts("hitl_worker"):
        approvers.add(
            actor=operator(),
            path=path,
            username=someone.user.username,
            key=someone.passkey.fingerprint,
            roles=("security",),
        )


def test_a77_a_key_from_before_the_invitation_does_not_lift_it(
    proposal: m.Proposal, tmp_path: Any
) -> None:
    """After a reset an administrator invites an old approver's account, and takes the code."""
    someone = factories.person(roles=["security"])
    factories.grant(someone.user, "review_service", m.Service.objects.get())
    add_key(someone, tmp_path / "keys.json")
    assert reveal(someone, proposal)  # control: without the invitation
    factories.use(factories.invitation(someone, by=factories.person(roles=["user_admin"])))
    with pytest.raises(NotEntitled):
        reveal(someone, proposal)


def test_a77_a_key_that_was_removed_again_does_not_lift_it(
    proposal: m.Proposal, tmp_path: Any
) -> None:
    """Its first row has no end; only the newest row of a key is valid."""
    someone, path = newcomer(factories.person(roles=["user_admin"])), tmp_path / "keys.json"
    add_key(someone, path)
    assert reveal(someone, proposal)  # control
    with acts("hitl_worker"):
        approvers.remove(actor=operator(), path=path, username=someone.user.username)
    with pytest.raises(NotEntitled):
        reveal(someone, proposal)


def test_an_account_that_an_operator_invited_is_not_held_up(proposal: m.Proposal) -> None:
    assert reveal(newcomer(None), proposal)


def test_a16_a_deactivated_person_is_refused(world: World, proposal: m.Proposal) -> None:
    alice = world.people["alice"]
    m.User.objects.filter(pk=alice.user.pk).update(is_active=False)
    alice.user.refresh_from_db()
    with pytest.raises(NotEntitled):
        reveal(alice, proposal)


@pytest.mark.parametrize("reason", ["", "why", " " * 40, "x" * 501])
def test_a61_without_a_valid_reason_nothing_is_revealed(
    world: World, proposal: m.Proposal, reason: str
) -> None:
    with pytest.raises(ReasonRequired):
        reveal(world.people["alice"], proposal, reason=reason)
    assert revealed() == []


def test_a61_evidence_of_another_incident_is_not_revealed(
    world: World, proposal: m.Proposal
) -> None:
    other = factories.incident(m.Agent.objects.get(), "test.target:t9")
    foreign = factories.evidence(other, LEAK + b" ")
    with pytest.raises(NoSuchObject):
        reveal(world.people["alice"], proposal, sha256=foreign.sha256)
    assert revealed() == []


def test_a61_revealing_to_the_security_role_is_on_record(
    world: World, proposal: m.Proposal
) -> None:
    alice = world.people["alice"]
    assert reveal(alice, proposal, reason=f'{REASON} "secretAccessKey": "{AWS}"') == LEAK
    (said,) = revealed()
    assert said["actor"] == f"person:{alice.id}"
    assert said["object"] == f"incident:{proposal.incident_id}"
    assert said["data"]["reason"] == f'{REASON} "secretAccessKey": "[masked]"'
    assert said["data"]["secrets"].startswith("2 secrets: AWS secret access key")
    assert AWS.encode() not in everything_but_blobs()


def test_a51_without_its_entry_no_byte_is_read(
    world: World, proposal: m.Proposal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**said: Any) -> None:
        raise OSError("no space")

    read: list[str] = []
    blobs = m.EvidenceBlob.objects
    monkeypatch.setattr(log, "append", full)
    monkeypatch.setattr(blobs, "get", lambda **asked: read.append("read"))
    with pytest.raises(OSError, match="no space"):
        reveal(world.people["alice"], proposal)
    assert read == []


@pytest.mark.django_db(transaction=True)
def test_a61_the_entry_is_committed_before_the_bytes_are_read(
    world: World, as_login: AsLogin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies while it reads the bytes leaves the entry."""
    proposal_id = handed_in(world)
    world.assess(proposal_id)

    def dies(**asked: Any) -> None:
        assert not connection.in_atomic_block
        raise OSError("the machine is gone")

    monkeypatch.setattr(m.EvidenceBlob.objects, "get", dies)
    with pytest.raises(OSError, match="gone"):
        reveal(world.people["alice"], world.get(proposal_id))
    assert len(revealed()) == 1


def test_a61_before_an_assessment_nothing_is_revealed(world: World) -> None:
    """The services of the target are not known yet."""
    proposal_id = handed_in(world)
    stranger = factories.person(roles=["security"])
    with acts("hitl_web"), pytest.raises(NotEntitled):
        secrets.reveal(
            actor=stranger.user,
            proposal=world.get(proposal_id),
            sha256=sha256(LEAK).hexdigest(),
            reason=REASON,
            proof=None,
        )


def test_a61_another_proposal_of_the_incident_gives_no_right_to_reveal(world: World) -> None:
    """An agent reports the same again and withdraws at once: the incident stays as it was."""
    proposal_id = handed_in(world)
    world.assess(proposal_id)
    stranger = factories.person(roles=["security"])
    with acts("hitl_web"):
        withdraw.withdraw(actor=world.agent, proposal_id=proposal_id, reason="x")
        told = submit.report(leaking(world), actor=world.agent)
        assert told.proposal_id is not None
        assert told.incident_id == world.get(proposal_id).incident_id
        withdraw.withdraw(actor=world.agent, proposal_id=told.proposal_id, reason="x")
        with pytest.raises(NotEntitled):
            secrets.reveal(
                actor=stranger.user,
                proposal=world.get(told.proposal_id),
                sha256=sha256(LEAK).hexdigest(),
                reason=REASON,
                proof=None,
            )


# ---- revealing needs the right on every service of the incident ------------------------------


def test_a61_an_unassessed_proposal_of_the_incident_restricts_revealing(
    world: World,
) -> None:
    """The grave proposal is withdrawn before its assessment; the other one is on a target
    that no service uses. Both rest on the same evidence."""
    grave = handed_in(world)
    with acts("hitl_web"):
        withdraw.withdraw(actor=world.agent, proposal_id=grave, reason="x")
    stray = replace(leaking(world), plan=factories.plan("t9", environment="staging"))
    beside = handed_in(world, stray)
    world.assess(beside)
    assert not m.AssessmentService.objects.exists()
    stranger = factories.person(roles=["security"])
    assert visibility.may_view(stranger.user, world.get(beside))
    with pytest.raises(NotEntitled):
        reveal(stranger, world.get(beside))
    assert reveal(world.people["alice"], world.get(beside)) == LEAK


@pytest.mark.django_db(transaction=True)
def test_bytes_erased_during_the_request_are_refused_by_name(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal_id = handed_in(world)
    world.assess(proposal_id)

    def gone(**asked: Any) -> None:
        raise m.EvidenceBlob.DoesNotExist

    monkeypatch.setattr(m.EvidenceBlob.objects, "get", gone)
    with pytest.raises(NoSuchObject):
        reveal(world.people["alice"], world.get(proposal_id))
    assert len(revealed()) == 1


def test_what_the_passkey_signs_holds_no_secret_of_the_incident(proposal: m.Proposal) -> None:
    """An unsalted digest of a short reason could be guessed."""
    value = max(secrets.known_values(proposal.incident), key=len)
    act = secrets.revealing(proposal, sha256(LEAK).hexdigest(), f"Is {value} still active?")
    assert value not in str(act.input["reason"]) and "Is " in str(act.input["reason"])
