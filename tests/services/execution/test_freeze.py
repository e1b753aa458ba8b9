"""The freeze: the newest row counts, and only the worker's login sets it."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain.errors import BadValue, WrongState
from remediation.services.actors import ProcessActor
from remediation.services.execution import freeze
from tests import factories
from tests.conftest import AsLogin
from tests.factories import WEB, WORKER

pytestmark = pytest.mark.django_db

OPERATOR = ProcessActor("operator:root@host")


def test_without_a_freeze_execution_runs() -> None:
    with factories.acting(WORKER):
        assert freeze.status() == freeze.Status(frozen=False)


def test_the_newest_row_counts_and_each_is_on_record() -> None:
    with factories.acting(WORKER):
        freeze.freeze(actor=OPERATOR, reason="drill")
        freeze.freeze(actor=OPERATOR, reason="a real one")
        now = freeze.status()
        assert (now.frozen, now.reason, now.actor) == (True, "a real one", OPERATOR.ref)
        freeze.lift(actor=OPERATOR, reason="over")
        assert not freeze.status().frozen
    entries = [e.data for e in Entry.objects.order_by("id")]
    assert [e["action"] for e in entries] == ["operator:freeze:set"] * 2 + [
        "operator:freeze:lifted"
    ]
    assert entries[1]["data"] == {"frozen": True, "reason": "a real one"}
    assert m.Freeze.objects.count() == 3


def test_lifting_without_a_freeze_is_refused() -> None:
    with pytest.raises(WrongState), factories.acting(WORKER):
        freeze.lift(actor=OPERATOR, reason="over")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201, "a\nb", "a\u202eb"])
def test_a_reason_is_one_visible_line(reason: str) -> None:
    with pytest.raises(BadValue), factories.acting(WORKER):
        freeze.freeze(actor=OPERATOR, reason=reason)


def test_a43_the_web_login_neither_freezes_nor_lifts() -> None:
    with pytest.raises(DatabaseError, match="may not write operator:"), factories.acting(WEB):
        freeze.freeze(actor=OPERATOR, reason="denial of service")
    with factories.acting(WORKER):
        freeze.freeze(actor=OPERATOR, reason="drill")
    with pytest.raises(DatabaseError, match="may not write operator:"), factories.acting(WEB):
        freeze.lift(actor=OPERATOR, reason="let me through")
    assert freeze.status().frozen


# ---- the command ---------------------------------------------------------------------------------


def run(as_login: AsLogin, *arguments: str) -> str:
    out = StringIO()
    with as_login(WORKER):
        call_command("freeze", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_the_command_freezes_and_lifts(as_login: AsLogin, settings: Settings) -> None:
    settings.PROCESS = "worker"
    assert run(as_login, "status") == "running\n"
    assert run(as_login, "on", "key leaked").startswith("frozen since 20")
    assert run(as_login, "status").endswith(": key leaked\n")
    assert run(as_login, "off", "key replaced").startswith("running since 20")
    actor = Entry.objects.order_by("id")[0].data["actor"]
    assert actor.startswith("operator:")
    assert "@" in actor


def test_a_refused_command_is_on_record(as_login: AsLogin, settings: Settings) -> None:
    settings.PROCESS = "worker"
    with pytest.raises(CommandError, match="wrong_state"):
        run(as_login, "off", "over")
    entry: Any = Entry.objects.get().data
    assert entry["action"] == "operator:request:refused"
    assert entry["object"] == "command:freeze"
    assert entry["data"]["refusal"] == "wrong_state"


def test_the_command_says_which_login_it_needs(as_login: AsLogin, settings: Settings) -> None:
    settings.PROCESS = "web"
    with pytest.raises(CommandError, match="HITL_PROCESS=worker"):
        run(as_login, "on", "drill")
    assert not m.Freeze.objects.exists()
