"""Operator commands about people: first accounts, invitations, lost passkeys."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.services.access import authorize
from remediation.services.actors import operator
from remediation.services.people import enroll
from tests import factories
from tests.conftest import AsLogin
from tests.factories import OPERATORS

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _process(settings: Settings) -> None:
    settings.PROCESS = "operator"


def run(as_login: AsLogin, *arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    with as_login(OPERATORS):
        call_command(*arguments, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue()


def newest() -> Any:
    # Triggers append theirs after the command's own.
    newest = (entry.data for entry in Entry.objects.order_by("-id"))
    return next(said for said in newest if not said["action"].startswith("database:"))


def test_the_first_account_is_created_and_invited(as_login: AsLogin) -> None:
    person, _ = run(
        as_login, "person", "add", "alice", "--email", "alice@example.org",
        "--group", "security", "--group", "lead", "--first-name", "Alice",
    )  # fmt: skip
    user = m.User.objects.get(username="alice")
    assert (str(user.person), user.email, user.first_name) == (person, "alice@example.org", "Alice")
    assert authorize.roles(user) == {"security", "lead"}
    assert newest()["actor"].startswith("operator:")

    code, hint = run(as_login, "invite", "alice")
    assert "http://localhost:8000/invite/" in hint
    assert enroll.open_invitation(username="alice", code=code) == user


def test_a11_an_account_of_two_powers_is_refused_and_on_record(as_login: AsLogin) -> None:
    with pytest.raises(CommandError, match="role_conflict"):
        run(as_login, "person", "add", "eve", "--group", "security", "--group", "agent_admin")
    assert not m.User.objects.exists()
    assert newest()["action"] == "operator:request:refused"
    assert newest()["object"] == "command:person"
    assert newest()["data"]["refusal"] == "role_conflict"


def test_an_account_is_reset_after_a_lost_passkey(as_login: AsLogin) -> None:
    alice = factories.person("alice", roles=["security"])
    with pytest.raises(CommandError, match="reset the account first"):
        run(as_login, "invite", "alice")
    out, hint = run(as_login, "person", "reset", "alice")
    assert out == f"removed: {alice.passkey.fingerprint}"
    assert "manage.py approver remove alice" in hint
    assert run(as_login, "invite", "alice")[0]


def test_an_unknown_account_is_named(as_login: AsLogin) -> None:
    with pytest.raises(CommandError, match="no_such_object"):
        run(as_login, "invite", "nobody")


@pytest.mark.parametrize("command", [("createsuperuser",), ("changepassword", "alice")])
def test_a13_there_is_no_way_past_the_record(as_login: AsLogin, command: tuple[str, ...]) -> None:
    factories.person("alice")
    before = m.User.objects.get().password
    with pytest.raises(CommandError, match=r"use: manage\.py person"):
        run(as_login, *command)
    assert m.User.objects.get().password == before


@pytest.mark.parametrize("command", [("invite", "alice"), ("person", "reset", "alice")])
def test_a_command_says_which_login_it_needs(
    as_login: AsLogin, settings: Settings, command: tuple[str, ...]
) -> None:
    settings.PROCESS = "worker"
    with pytest.raises(CommandError, match="HITL_PROCESS=operator"):
        run(as_login, *command)


def test_an_account_without_an_entry_is_named_by_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Containers run processes under a number that no passwd file knows."""
    monkeypatch.setattr("os.getuid", lambda: 4_000_123)
    assert operator().ref.startswith("operator:uid4000123@")
