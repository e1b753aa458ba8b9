"""Enrol passkeys with a one-time code: once, in time, with user verification, on record."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import DatabaseError, connection
from fido2 import cbor
from fido2.webauthn import AttestationObject

from audit.models import Entry
from remediation import models as m
from remediation.domain import b64url
from remediation.domain.errors import (
    BadValue,
    InvitationInvalid,
    LastPasskey,
    NoSuchObject,
    NotEntitled,
    PasskeyRefused,
    Refused,
    WrongState,
)
from remediation.services.actors import PersonActor, ProcessActor
from remediation.services.people import enroll
from remediation.services.people.passkeys import keys_of
from tests import factories
from tests.factories import OPERATORS, WEB, WORKER
from tests.passkey import SoftPasskey

pytestmark = pytest.mark.django_db

OPERATOR = ProcessActor("operator:root@host")
PASSWORD = "correct horse battery staple"
UP, UV = 0x01, 0x04


def account(username: str = "alice", **said: Any) -> m.User:
    """Make an account without password and passkey."""
    with factories.as_owner():
        user = m.User(username=username, **said)
        user.set_unusable_password()
        user.save(force_insert=True)
    return user


def invite(username: str = "alice", actor: Any = OPERATOR) -> str:
    with factories.acting(factories.login_of(actor)):
        return enroll.invite(actor=actor, username=username)


def challenge() -> bytes:
    return os.urandom(32)


def registration(passkey: SoftPasskey, nonce: bytes, **said: str) -> dict[str, Any]:
    return passkey.registration(
        nonce, said.get("rp_id", settings.RP_ID), said.get("origin", settings.ORIGIN)
    )


def redeem(code: str, passkey: SoftPasskey | None = None, **said: Any) -> Authenticator:
    nonce = challenge()
    call = {
        "username": "alice",
        "code": code,
        "password": PASSWORD,
        "name": "laptop",
        "credential": registration(passkey or SoftPasskey.create(), nonce),
        "challenge": nonce,
    }
    with factories.acting(WEB):
        return enroll.redeem(**{**call, **said})


def add(user: m.User, passkey: SoftPasskey | None = None, **said: Any) -> Authenticator:
    nonce = challenge()
    call = {
        "actor": user,
        "name": "phone",
        "credential": registration(passkey or SoftPasskey.create(), nonce),
        "challenge": nonce,
    }
    with factories.acting(WEB):
        return enroll.add_passkey(**{**call, **said})


def entries(action: str) -> list[Any]:
    return [e.data for e in Entry.objects.order_by("id") if e.data["action"] == action]


def nothing_happened(user: m.User) -> bool:
    user.refresh_from_db()
    return (
        not user.has_usable_password()
        and not Authenticator.objects.filter(user=user).exists()
        and not m.PasskeyEnrolment.objects.filter(person=user.person).exists()
        and not m.InvitationUse.objects.exists()
    )


# ---- the code ------------------------------------------------------------------------------------


def test_a_code_opens_the_account_once_and_the_passkey_is_on_record() -> None:
    user, passkey = account(), SoftPasskey.create()
    code = invite()
    row = redeem(code, passkey)

    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert row.wrap().name == "laptop"
    assert keys_of(user) == {passkey.credential_id: passkey.cose_key}
    enrolment = m.PasskeyEnrolment.objects.get(person=user.person)
    assert bytes(enrolment.cose_key) == passkey.cose_key
    assert enrolment.fingerprint == passkey.fingerprint
    (entry,) = entries("person:passkey:enrolled")
    assert entry["actor"] == entry["object"] == f"person:{user.person}"
    assert entry["data"] == {
        "by": "invitation",
        "cose_key": b64url.encode(passkey.cose_key),
        "credential_id": b64url.encode(passkey.credential_id),
        "fingerprint": passkey.fingerprint,
    }
    with pytest.raises(InvitationInvalid):
        redeem(code)
    assert Authenticator.objects.count() == 1


def test_making_a_code_is_recorded_without_the_code() -> None:
    user = account()
    code = invite()
    (entry,) = entries("operator:invitation:made")
    assert (entry["actor"], entry["object"]) == (OPERATOR.ref, f"person:{user.person}")
    kept = m.Invitation.objects.get()
    for text in (json.dumps(entry), kept.code_hash):
        assert code not in text
        assert code.replace("-", "") not in text


def test_a_code_has_a_hundred_bits_and_no_ambiguous_letters() -> None:
    account()
    code = invite()
    assert len(code.replace("-", "")) == 20
    assert not set(code) & set("ILOUilou")


@pytest.mark.parametrize("typed", [str.lower, lambda c: c.replace("-", ""), lambda c: f" {c} "])
def test_a_code_is_read_as_people_type_it(typed: Any) -> None:
    user = account()
    assert enroll.open_invitation(username="alice", code=typed(invite())) == user


def test_a_code_is_valid_for_fifteen_minutes_of_the_database_clock() -> None:
    user = account()
    code = invite()
    made = m.Invitation.objects.get()
    assert (made.expires_at - made.recorded_at).total_seconds() == pytest.approx(900, abs=1)
    factories.backdate(made, "expires_at", minutes=14, seconds=50)
    assert enroll.open_invitation(username="alice", code=code) == user
    factories.backdate(made, "expires_at", seconds=11)
    with pytest.raises(InvitationInvalid):
        enroll.open_invitation(username="alice", code=code)
    with pytest.raises(InvitationInvalid):
        redeem(code)
    assert nothing_happened(user)


def test_a_new_code_makes_the_earlier_one_void() -> None:
    account()
    first, second = invite(), invite()
    with pytest.raises(InvitationInvalid):
        redeem(first)
    redeem(second)


def test_a_code_opens_no_other_account() -> None:
    account()
    account("bob")
    code = invite("alice")
    invite("bob")
    with pytest.raises(InvitationInvalid):
        enroll.open_invitation(username="bob", code=code)


@pytest.mark.parametrize("username", ["alice", "nobody", ""])
def test_the_refusal_does_not_reveal_the_cause(username: str) -> None:
    account()
    invite()
    with pytest.raises(InvitationInvalid) as refused:
        enroll.open_invitation(username=username, code="00000-00000-00000-00000")
    assert str(refused.value) == f"invitation_invalid: {InvitationInvalid().message}"


def test_opening_a_code_writes_nothing() -> None:
    account()
    code = invite()
    before = Entry.objects.count()
    with factories.acting(WEB):
        enroll.open_invitation(username="alice", code=code)
        enroll.open_invitation(username="alice", code=code)
    assert (Entry.objects.count(), m.InvitationUse.objects.count()) == (before, 0)


def test_an_account_that_is_inactive_or_has_a_passkey_is_not_invited() -> None:
    account("gone", is_active=False)
    with pytest.raises(WrongState):
        invite("gone")
    factories.person("bob")
    with pytest.raises(WrongState):
        invite("bob")
    with pytest.raises(NoSuchObject):
        invite("nobody")


def test_a_code_made_before_the_account_was_deactivated_is_void() -> None:
    user = account()
    code = invite()
    m.User.objects.filter(pk=user.pk).update(is_active=False)
    with pytest.raises(InvitationInvalid):
        redeem(code)


@pytest.mark.parametrize("role", ["security", "lead", "agent_admin", "inventory_editor", "auditor"])
def test_only_operators_and_user_administrators_invite(role: str) -> None:
    account()
    made = factories.person(roles=[role])
    with pytest.raises(NotEntitled):
        invite(actor=PersonActor(made.id, made.user.pk))


def test_a_user_administrator_invites_in_his_own_name() -> None:
    account()
    made = factories.person(roles=["user_admin"])
    assert invite(actor=PersonActor(made.id, made.user.pk))
    assert m.Invitation.objects.get().created_by == f"person:{made.id}"


@pytest.mark.parametrize("password", ["short", "password1234"])
def test_a_weak_password_leaves_the_code_unused(password: str) -> None:
    user = account()
    code = invite()
    with pytest.raises(BadValue):
        redeem(code, password=password)
    assert nothing_happened(user)
    redeem(code)


def test_a51_without_its_entry_nothing_is_enrolled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = account()
    code = invite()

    def broken(**_: Any) -> None:
        raise Refused("the log is gone")

    monkeypatch.setattr("remediation.services.people.enroll.log.append", broken)
    with pytest.raises(Refused):
        redeem(code)
    assert nothing_happened(user)


# ---- the passkey ---------------------------------------------------------------------------------


def with_flags(credential: dict[str, Any], flags: int) -> dict[str, Any]:
    """Return the registration with other flags, as from an authenticator without a PIN."""
    attestation = AttestationObject(b64url.decode(credential["response"]["attestationObject"]))
    data = bytearray(attestation.auth_data)
    data[32] = flags
    changed = {"fmt": "none", "attStmt": {}, "authData": bytes(data)}
    response = {
        **credential["response"],
        "attestationObject": b64url.encode(cbor.encode(changed)),
    }
    return {**credential, "response": response}


def with_client_data(credential: dict[str, Any], **changes: Any) -> dict[str, Any]:
    data = json.loads(b64url.decode(credential["response"]["clientDataJSON"]))
    encoded = b64url.encode(json.dumps({**data, **changes}).encode())
    return {**credential, "response": {**credential["response"], "clientDataJSON": encoded}}


NONCE = b"\x07" * 32
GOOD = registration(SoftPasskey.from_seed("enroll"), NONCE)
BAD: dict[str, dict[str, Any]] = {
    "user not verified": with_flags(GOOD, UP | 0x40),
    "user not present": with_flags(GOOD, UV | 0x40),
    "another challenge": with_client_data(GOOD, challenge=b64url.encode(b"\x08" * 32)),
    "another origin": with_client_data(GOOD, origin="http://localhost:8001"),
    "a subdomain": with_client_data(GOOD, origin="http://x.localhost:8000"),
    "inside a frame": with_client_data(GOOD, crossOrigin=True),
    "an assertion": with_client_data(GOOD, type="webauthn.get"),
    "another relying party": registration(
        SoftPasskey.from_seed("enroll"), NONCE, rp_id="example.org"
    ),
    "another id": {**GOOD, "id": "AAAA", "rawId": "AAAA"},
    "id and rawId differ": {**GOOD, "id": "AAAA"},
    "nothing": {},
    "no response": {**GOOD, "response": None},
    "no bytes": {**GOOD, "response": {"clientDataJSON": "!", "attestationObject": "!"}},
    "too long": {**GOOD, "padding": "x" * 70_000},
}


@pytest.mark.parametrize("what", BAD)
def test_a20_an_invalid_registration_is_refused(what: str) -> None:
    user = account()
    code = invite()
    with pytest.raises(PasskeyRefused):
        redeem(code, credential=BAD[what], challenge=NONCE)
    assert nothing_happened(user)


def test_the_control_with_the_unaltered_registration_is_accepted() -> None:
    account()
    redeem(invite(), credential=GOOD, challenge=NONCE)


def test_an_empty_challenge_proves_nothing() -> None:
    account()
    credential = with_client_data(GOOD, challenge="")
    with pytest.raises(PasskeyRefused):
        redeem(invite(), credential=credential, challenge=b"")


def test_an_algorithm_that_the_gate_does_not_take_is_refused() -> None:
    account()
    attestation = AttestationObject(b64url.decode(GOOD["response"]["attestationObject"]))
    data = bytes(attestation.auth_data)
    # alg: ES256 (-7, one CBOR byte 0x26) becomes ES256K (-47, two bytes 0x38 0x2e).
    changed = data.replace(b"\x03\x26", b"\x03\x38\x2e", 1)
    assert changed != data
    encoded = cbor.encode({"fmt": "none", "attStmt": {}, "authData": changed})
    credential = {
        **GOOD,
        "response": {**GOOD["response"], "attestationObject": b64url.encode(encoded)},
    }
    with pytest.raises(PasskeyRefused, match="algorithm"):
        redeem(invite(), credential=credential, challenge=NONCE)


def test_only_known_fields_of_a_credential_are_stored() -> None:
    account()
    row = redeem(
        invite(),
        credential={**GOOD, "clientExtensionResults": {"a": "\0"}, "more": "\0"},
        challenge=NONCE,
    )
    assert row.data["credential"] == {
        "id": GOOD["id"],
        "rawId": GOOD["id"],
        "type": "public-key",
        "response": {key: GOOD["response"][key] for key in ("attestationObject", "clientDataJSON")},
        "clientExtensionResults": {"credProps": {"rk": False}},
    }


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "lap\u202etop", "lap\ntop"])
def test_a_passkey_name_is_one_visible_line(name: str) -> None:
    user = account()
    code = invite()
    with pytest.raises(BadValue):
        redeem(code, name=name)
    assert nothing_happened(user)


def test_a_passkey_belongs_to_one_account_for_ever() -> None:
    account()
    account("bob")
    passkey = SoftPasskey.create()
    redeem(invite(), passkey)
    with pytest.raises(PasskeyRefused, match="already enrolled"):
        redeem(invite("bob"), passkey, username="bob")


# ---- further passkeys ----------------------------------------------------------------------------


def enrolled() -> m.User:
    user = account()
    redeem(invite())
    return user


def test_a_further_passkey_is_enrolled_and_on_record() -> None:
    user, passkey = enrolled(), SoftPasskey.create()
    row = add(user, passkey)
    assert row.wrap().name == "phone"
    assert passkey.credential_id in keys_of(user)
    assert [e["data"]["by"] for e in entries("person:passkey:enrolled")] == [
        "invitation",
        "passkey",
    ]


def test_a21_without_a_passkey_none_is_added() -> None:
    """A session opened by a password alone, or a forged one, cannot enrol."""
    user = account()
    with pytest.raises(NotEntitled):
        add(user)
    assert nothing_happened(user)


def test_a16_an_inactive_account_enrols_nothing() -> None:
    user = enrolled()
    m.User.objects.filter(pk=user.pk).update(is_active=False)
    with pytest.raises(NotEntitled):
        add(user)


def test_an_account_holds_ten_passkeys_at_most() -> None:
    user = enrolled()
    for _ in range(enroll.MAX_PASSKEYS - 1):
        add(user)
    with pytest.raises(WrongState):
        add(user)


def test_a_passkey_is_removed_but_never_the_last() -> None:
    user = enrolled()
    second = add(user)
    fingerprint = m.PasskeyEnrolment.objects.order_by("-id")[0].fingerprint
    with factories.acting(WEB):
        enroll.remove_passkey(actor=user, authenticator_id=second.pk)
    (entry,) = entries("person:passkey:removed")
    assert entry["data"] == {"fingerprint": fingerprint}
    (last,) = Authenticator.objects.filter(user=user)
    with pytest.raises(LastPasskey), factories.acting(WEB):
        enroll.remove_passkey(actor=user, authenticator_id=last.pk)
    assert Authenticator.objects.filter(user=user).count() == 1


def test_nobody_removes_the_passkey_of_another_person() -> None:
    user, other = enrolled(), factories.person()
    theirs = Authenticator.objects.get(user=other.user)
    add(user)
    with pytest.raises(NoSuchObject), factories.acting(WEB):
        enroll.remove_passkey(actor=user, authenticator_id=theirs.pk)


# ---- a lost passkey ------------------------------------------------------------------------------


def test_an_operator_resets_an_account_and_its_person_is_invited_again() -> None:
    user = enrolled()
    add(user)
    old = set(keys_of(user))
    with factories.acting(OPERATORS):
        gone = enroll.reset(actor=OPERATOR, username="alice")
    user.refresh_from_db()
    assert not user.has_usable_password()
    assert not Authenticator.objects.filter(user=user).exists()
    (entry,) = entries("operator:passkeys:removed")
    assert sorted(entry["data"]["fingerprints"]) == sorted(gone)
    assert len(gone) == 2
    redeem(invite())
    assert not set(keys_of(user)) & old


def test_only_an_operator_resets() -> None:
    enrolled()
    made = factories.person(roles=["user_admin"])
    with pytest.raises(NotEntitled), factories.acting(WEB):
        enroll.reset(actor=PersonActor(made.id, made.user.pk), username="alice")


# ---- the rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE remediation_passkeyenrolment SET person = gen_random_uuid()",
        "DELETE FROM remediation_passkeyenrolment",
        "TRUNCATE remediation_passkeyenrolment",
    ],
)
def test_a_recorded_enrolment_stays(statement: str) -> None:
    enrolled()
    with (
        pytest.raises(DatabaseError, match="append-only"),
        factories.as_owner(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_a47_the_worker_reads_enrolments_and_no_sign_in_table() -> None:
    user = enrolled()
    with factories.acting(WORKER):
        assert m.PasskeyEnrolment.objects.get().person == user.person
    for model in (Authenticator, m.User, m.Invitation, m.InvitationUse):
        with pytest.raises(DatabaseError, match="permission denied"), factories.acting(WORKER):
            list(model._default_manager.all())
    with pytest.raises(DatabaseError, match="permission denied"), factories.acting(WORKER):
        m.PasskeyEnrolment.objects.create(
            person=user.person, credential_id=b"x", cose_key=b"y", entry=1
        )
