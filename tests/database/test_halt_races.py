"""A halt and the next step at the same time: the database allows one and refuses the other."""

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


@pytest.fixture
def run() -> m.Execution:
    """Two steps, the first verified."""
    names = (f"t{factories.number()}", f"t{factories.number()}")
    made = factories.execute(factories.proposal_at("approved", *names))
    factories.step(made, "applied")
    factories.step(made, "verified")
    return made


@pytest.fixture
def alice() -> Person:
    return factories.person(roles=["security"])


def began(run: m.Execution) -> bool:
    return run.steps.filter(step=1, phase="intended").exists()


@pytest.mark.parametrize("attempt", range(5))
def test_exactly_one_of_halt_and_next_step_is_let_through(
    run: m.Execution, alice: Person, attempt: int
) -> None:
    results = race(
        (WEB, lambda: factories.halt(run.proposal, alice)),
        (WORKER, lambda: factories.step(run, "intended", 1)),
    )
    refusals = [said(result)[0] for result in results if isinstance(result, Error)]
    assert refusals in (["halt_late"], ["halted"])
    assert began(run) is (refusals == ["halt_late"])
    assert m.Halt.objects.filter(proposal=run.proposal).exists() is (refusals == ["halted"])


def test_a_step_that_waits_behind_a_halt_does_not_begin(run: m.Execution, alice: Person) -> None:
    with contextlib.ExitStack() as afterwards, transaction.atomic():
        factories.halt(run.proposal, alice)
        found = afterwards.enter_context(behind(WORKER, lambda: factories.step(run, "intended", 1)))
        assert found == []
    (refusal,) = found
    assert isinstance(refusal, Error) and said(refusal)[0] == "halted"
    assert not began(run)


def test_a_halt_that_waits_behind_a_step_is_too_late(run: m.Execution, alice: Person) -> None:
    with contextlib.ExitStack() as afterwards, transaction.atomic():
        factories.step(run, "intended", 1)
        found = afterwards.enter_context(behind(WEB, lambda: factories.halt(run.proposal, alice)))
        assert found == []
    (refusal,) = found
    assert isinstance(refusal, Error) and said(refusal)[0] == "halt_late"
    assert not m.Halt.objects.filter(proposal=run.proposal).exists()
