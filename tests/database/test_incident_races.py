"""Moves of an incident at the same time: one is let through, the others are refused by name."""

from __future__ import annotations

import contextlib

import pytest
from django.db import Error, transaction

from remediation import models as m
from tests import factories
from tests.database.attack import said
from tests.database.logins import ALIASES
from tests.database.race import behind, race
from tests.factories import WEB, WORKER, Person

pytestmark = pytest.mark.django_db(transaction=True, databases=ALIASES)
REASON = "It was handled outside the portal."


@pytest.fixture
def lena() -> Person:
    return factories.person(roles=["lead"])


@pytest.fixture
def proposal() -> m.Proposal:
    return factories.proposal_at("succeeded")


def close(incident: m.Incident, lena: Person, source: str = "open") -> None:
    factories.incident_move(
        incident, "closed", source=source, login=WEB, actor=lena.actor,
        outcome="handled_outside", reason=REASON,
    )  # fmt: skip


def refusals(results: list[object]) -> list[str]:
    return [said(result)[0] for result in results if isinstance(result, Error)]


def moves(incident: m.Incident) -> list[tuple[str, str]]:
    rows = incident.transitions.order_by("pk")
    return list(rows.values_list("from_state", "to_state"))


@pytest.mark.parametrize("attempt", range(5))
def test_of_containing_and_closing_one_is_let_through(
    proposal: m.Proposal, lena: Person, attempt: int
) -> None:
    incident = proposal.incident
    results = race(
        (WORKER, lambda: factories.incident_move(incident, "contained")),
        (WEB, lambda: close(incident, lena)),
    )
    assert refusals(results) == ["incident_from"]
    assert len(moves(incident)) == 1


@pytest.mark.parametrize("attempt", range(3))
def test_an_incident_is_opened_again_once(proposal: m.Proposal, attempt: int) -> None:
    incident = proposal.incident
    factories.incident_move(incident, "contained")

    def reopen() -> None:
        factories.incident_move(incident, "open", source="contained", reason="access was found")

    results = race((WORKER, reopen), (WORKER, reopen), (WORKER, reopen))
    assert refusals(results) == ["incident_from"] * 2
    assert moves(incident) == [("open", "contained"), ("contained", "open")]


def test_there_and_back_as_often_as_it_happens(proposal: m.Proposal, lena: Person) -> None:
    incident = proposal.incident
    for _ in range(3):
        factories.incident_move(incident, "contained")
        factories.incident_move(incident, "open", source="contained", reason="access was found")
    close(incident, lena)
    assert [to for _, to in moves(incident)] == ["contained", "open"] * 3 + ["closed"]


def test_a78_a_step_that_waits_behind_a_closure_does_not_begin(lena: Person) -> None:
    names = (f"t{factories.number()}", f"t{factories.number()}")
    run = factories.execute(factories.proposal_at("approved", *names))
    factories.step(run, "applied")
    factories.step(run, "verified")
    with contextlib.ExitStack() as afterwards, transaction.atomic():
        close(run.proposal.incident, lena)
        found = afterwards.enter_context(behind(WORKER, lambda: factories.step(run, "intended", 1)))
        assert found == []
    (refusal,) = found
    assert isinstance(refusal, Error) and said(refusal)[0] == "incident_closed"
    assert not run.steps.filter(step=1).exists()


def test_a78_a_run_that_waits_behind_a_closure_does_not_begin(lena: Person) -> None:
    proposal = factories.proposal_at("approved")
    with contextlib.ExitStack() as afterwards, transaction.atomic():
        close(proposal.incident, lena)
        found = afterwards.enter_context(behind(WORKER, lambda: factories.execute(proposal)))
        assert found == []
    (refusal,) = found
    assert isinstance(refusal, Error) and said(refusal)[0] == "incident_closed"
    assert not m.Execution.objects.filter(proposal=proposal).exists()


def test_a_closure_waits_behind_a_step_and_comes_after_it(lena: Person) -> None:
    names = (f"t{factories.number()}", f"t{factories.number()}")
    run = factories.execute(factories.proposal_at("approved", *names))
    factories.step(run, "applied")
    factories.step(run, "verified")
    with contextlib.ExitStack() as afterwards, transaction.atomic():
        factories.step(run, "intended", 1)
        incident = run.proposal.incident
        found = afterwards.enter_context(behind(WEB, lambda: close(incident, lena)))
        assert found == []
    assert found == [None]
    step = run.steps.get(step=1, phase="intended")
    assert step.recorded_at < run.proposal.incident.transitions.get().recorded_at


def test_of_two_runs_of_an_incident_none_waits_for_the_other() -> None:
    """The guard shares the incident's lock: a step of one run does not hold up the other."""
    one = factories.proposal_at("approved")
    other = factories.proposal_at(
        "approved", incident=one.incident, agent=one.agent, token=one.token
    )
    with transaction.atomic():
        factories.execute(one)
        assert refusals(race((WORKER, lambda: factories.execute(other)))) == []
    assert m.Execution.objects.count() == 2
