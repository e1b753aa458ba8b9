"""Tellings are recorded with the fact they are about, once for each person."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import DatabaseError, transaction

from remediation.domain.telling import KINDS, Kind
from remediation.models import Telling
from remediation.services.outbox.tell import tell
from tests import factories
from tests.conftest import AsLogin

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("login", ["hitl_web", "hitl_worker"])
def test_the_same_key_tells_the_same_person_once(as_login: AsLogin, login: str) -> None:
    proposal, first, second = factories.proposal(), uuid4(), uuid4()
    with as_login(login):
        tell(Kind.QUESTION, people=[first], once="question:1", text="Why now?", proposal=proposal)
        tell(Kind.QUESTION, people=[first, second], once="question:1", incident=proposal.incident)
        tell(Kind.QUESTION, people=[], once="question:2")
    rows = {row.person: row for row in Telling.objects.all()}
    assert set(rows) == {first, second}
    assert (rows[first].text, rows[first].proposal) == ("Why now?", proposal)
    assert {row.writer for row in rows.values()} == {login}


def test_nothing_is_told_of_what_was_not_committed() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        tell(Kind.QUESTION, people=[uuid4()], once="question:1")
        raise ZeroDivisionError
    assert not Telling.objects.exists()


def test_web_cannot_use_up_the_key_of_the_worker(as_login: AsLogin) -> None:
    """A taken-over web process keeps nobody from being told (A81)."""
    person = uuid4()
    with as_login("hitl_web"):
        tell(Kind.RESULT, people=[person], once="result:1", text="All is well.")
        # Not even by naming itself the worker: the database stamps the login.
        Telling.objects.create(kind="result", once="result:2", person=person, writer="hitl_worker")
    with as_login("hitl_worker"):
        tell(Kind.RESULT, people=[person], once="result:1", text="It failed.")
        tell(Kind.RESULT, people=[person], once="result:2", text="It failed.")
    told = Telling.objects.filter(writer="hitl_worker").order_by("once")
    assert [row.text for row in told] == ["It failed.", "It failed."]


@pytest.mark.parametrize("login", ["hitl_web", "hitl_worker", "hitl_owner"])
def test_a_telling_stays_as_it_is(as_login: AsLogin, login: str) -> None:
    with as_login("hitl_worker"):
        tell(Kind.RESULT, people=[uuid4()], once="result:1")
    for change in (
        lambda: Telling.objects.update(text="another"),
        lambda: Telling.objects.all()._raw_delete("default"),
    ):
        with as_login(login), pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_a_long_text_is_cut_and_never_breaks_the_caller() -> None:
    tell(Kind.QUESTION, people=[uuid4()], once="question:1", text="x" * 5000)
    assert Telling.objects.get().text.endswith("x …")


def test_each_kind_has_its_words() -> None:
    assert set(KINDS) == set(Kind)
