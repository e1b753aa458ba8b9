"""hitl_web holds the locks of incidents; the others are looked at all the same."""

from __future__ import annotations

import pytest
from django.db import connection

from remediation import models as m
from remediation.services.actors import ProcessActor
from remediation.services.execution import look
from tests import factories
from tests.database.logins import ALIASES, connect, real_login

pytestmark = pytest.mark.django_db(transaction=True, databases=ALIASES)


def contained() -> m.Incident:
    proposal = factories.proposal_at("succeeded", f"t{factories.number()}")
    factories.incident_move(proposal.incident, "contained")
    for row in proposal.incident.transitions.all():
        factories.backdate(row, minutes=10)
    return proposal.incident


def test_two_locked_incidents_do_not_keep_the_others_from_being_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """hitl_web locks two incidents and asks for looks at them: each costs the worker its
    lock_timeout (5 s), they come first, and after 10 s the task stops. Each time."""
    lena = factories.person(roles=["lead"])
    locked, other = [contained(), contained()], contained()
    for one in locked:
        factories.look_request(one, lena)
    monkeypatch.setattr(look, "SECONDS", 0.6)  # 10 s with a lock_timeout of 5 s
    with connect("hitl_web") as web:
        for one in locked:
            web.execute("SELECT remediation.lock_incident_v1(%s)", [one.pk])
        with real_login("hitl_worker"):
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '300ms'")
            for _ in range(3):
                look.look(actor=ProcessActor("worker:test"))
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")
        web.rollback()
    assert other.looks.exists()
