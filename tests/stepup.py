"""Sign acts with a software passkey, as stepup.js has a person do (A76)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from audit.tlog.canonical import Json, encode
from remediation.domain.act import Act, ActStatement
from remediation.domain.gate.signature import Assertion
from remediation.models import User
from remediation.services.actors import Actor, PersonActor
from remediation.services.people import stepup
from tests import factories
from tests.factories import Person


def proof(someone: Person, act: Act) -> stepup.Proof:
    """Return the person's signature under this act."""
    statement = stepup.start(actor=someone.user, act=act).statement
    return stepup.Proof(statement, signed(someone, statement))


def by(actor: Actor, act: Act) -> stepup.Proof | None:
    """Return the proof of a person known by her account alone, with a new passkey of hers.

    None for an operator, who has none.
    """
    if not isinstance(actor, PersonActor):
        return None
    user = User.objects.get(person=actor.person)
    return proof(Person(user, factories.passkey_of(user)), act)


def checked(someone: Person, act: Act) -> stepup.Checked:
    """Return the same, checked by the service: for tests that write the rows themselves."""
    return stepup.check(actor=someone.user, act=act, proof=proof(someone, act))


def signed(someone: Person, statement: ActStatement) -> Assertion:
    return someone.passkey.assertion(statement.challenge(), settings.RP_ID, settings.ORIGIN)


def fields(someone: Person, started: Mapping[str, Any]) -> dict[str, str]:
    """Return the hidden fields of the form after the person used the passkey."""
    statement = ActStatement.parse(started["statement"].encode())
    answer = someone.passkey.authentication(statement.challenge(), settings.RP_ID, settings.ORIGIN)
    return {
        "step_up_statement": started["statement"],
        "step_up_assertion": json.dumps(answer),
    }


def canonical(statement: Json) -> bytes:
    """Return the bytes that were signed, of a statement that an entry holds."""
    return encode(statement)
