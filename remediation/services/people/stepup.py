"""Have a person sign an act with the passkey, once, before it is done (docs/attacks.md A76).

`start` composes the statement. The service of the act calls `check` with the signed statement,
writes its audit entry with `Checked.data` in it, and calls `Checked.use` in the same transaction.
Nothing is stored between the two: the statement says itself how long it holds, and the database
takes each nonce once. A crash in between leaves nothing.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from django.db import connection

from audit.tlog.canonical import Json
from remediation.domain import b64url, errors
from remediation.domain.act import Act, ActStatement
from remediation.domain.gate.signature import Assertion
from remediation.models import User
from remediation.services.actors import Actor, PersonActor
from remediation.services.clock import database_now
from remediation.services.guards import translated
from remediation.services.people import passkeys


@dataclass(frozen=True)
class Started:
    """What the browser needs: the statement, and options for navigator.credentials.get()."""

    statement: ActStatement
    options: dict[str, Any]


@dataclass(frozen=True)
class Proof:
    """A statement and the passkey's assertion over it, as the browser sent them."""

    statement: ActStatement
    assertion: Assertion


@dataclass(frozen=True)
class Checked:
    """A proof whose signature and subject were checked, not used yet."""

    proof: Proof
    cose_key: bytes

    @property
    def data(self) -> dict[str, Json]:
        """Return what the entry of the act holds, so that outsiders can verify it."""
        return {
            "statement": self.proof.statement.to_json(),
            "assertion": self.proof.assertion.to_json(),
            "cose_key": b64url.encode(self.cose_key),
        }

    def use(self, entry: int) -> None:
        """Use the statement up for the act of this entry. Raises SessionUsed, SessionExpired."""
        stated = self.proof.statement
        with translated(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO remediation.step_up (nonce, entry, person, act, object, expires_at)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                [stated.nonce, entry, stated.person, stated.act, stated.object, stated.expires],
            )


@dataclass(frozen=True)
class Warrant:
    """What allows a change of somebody's power: a signed act, or the word of an operator."""

    act: Act
    signed: Checked | None

    @property
    def data(self) -> dict[str, Json]:
        """Return what the entry holds: the input itself, and a person's signature of it."""
        said: dict[str, Json] = {"input": self.act.body().decode()}
        return said if self.signed is None else {**said, "step_up": self.signed.data}

    def use(self, entry: int) -> None:
        """As `Checked.use` (not for an operator); name the entry to the guard (sql/powers.sql)."""
        if self.signed is not None:
            self.signed.use(entry)
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('remediation.power_entry', %s, true)", [str(entry)])


def start(*, actor: User, act: Act) -> Started:
    """Compose the statement about this act, for this person to sign within five minutes."""
    statement = ActStatement(
        act=act.name.value,
        object=act.object,
        input=act.digest,
        person=str(actor.person),
        nonce=secrets.token_urlsafe(32),
        expires=database_now() + passkeys.SESSION_LIFE,
    )
    return Started(statement, passkeys.options(actor, statement.challenge()))


def check(*, actor: User, act: Act, proof: Proof | None) -> Checked:
    """Refuse an act that a passkey of this person did not sign.

    Raises PasskeyNeeded without a proof, StaleDigest when it is about something else,
    SessionExpired, SignatureInvalid.
    """
    if proof is None:
        raise errors.PasskeyNeeded(act.name.value.replace("_", " "))
    if not proof.statement.is_about(act, str(actor.person)):
        raise errors.StaleDigest("the passkey signed something else")
    now = database_now()
    if not now < proof.statement.expires <= now + passkeys.SESSION_LIFE:
        raise errors.SessionExpired("start again")
    challenge = proof.statement.challenge()
    return Checked(proof, passkeys.signed_by(actor, proof.assertion, challenge))


def warrant(*, actor: Actor, act: Act, proof: Proof | None) -> Warrant:
    """Return what allows the act: a person signs it, an operator of the host has no passkey.

    The caller checked that the actor may do it at all. Raises what `check` raises.
    """
    if not isinstance(actor, PersonActor):
        return Warrant(act, None)
    person = User.objects.get(person=actor.person)
    return Warrant(act, check(actor=person, act=act, proof=proof))
