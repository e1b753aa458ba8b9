"""How it turned out: who is asked and when, what they answer, and the figures made of it."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors
from remediation.domain.retrospect import Answer
from remediation.services.learning import answer_outcome, ask_outcome, outcome_figures, similar
from tests import factories, stepup
from tests.factories import WEB, WORKER, Person
from tests.flows.world import WORKER_ACTOR, World, acts

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    made = World(tmp_path, settings)
    made.people["lena"] = factories.person(f"lena{factories.number()}", roles=["lead"])
    return made


def run(world: World) -> UUID:
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"
    return proposal_id


def a_day_later(proposal_id: UUID, **delta: float) -> None:
    for move in m.Transition.objects.filter(proposal=proposal_id).order_by("id"):
        factories.backdate(move, **(delta or {"days": 1}))


def ask() -> int:
    with acts(WORKER):
        return ask_outcome.ask_due(actor=WORKER_ACTOR)


def say(who: Person, proposal_id: UUID | None, incident: m.Incident, said: Answer,
        unseen: str = "") -> None:  # fmt: skip
    with acts(WEB):
        answer_outcome.answer(
            actor=who.user,
            incident_id=incident.pk,
            proposal_id=proposal_id,
            said=said,
            unseen=unseen,
        )


def names_asked(world: World, **of: object) -> set[str]:
    people = set(m.OutcomeQuestion.objects.filter(**of).values_list("person", flat=True))
    return {name for name, one in world.people.items() if one.id in people}


def test_a_day_after_an_effect_those_who_decided_owners_and_lead_are_asked(world: World) -> None:
    proposal_id = run(world)
    assert ask() == 0, "not before a day has passed"
    a_day_later(proposal_id)
    assert ask() > 0 and ask() == 0
    asked = names_asked(world, proposal=proposal_id)
    # alice and bob decided; eve may review the service as its owner; dave and mallory did not.
    assert asked == {"alice", "bob", "eve", "lena"}
    told = set(m.Telling.objects.filter(kind="how_it_went").values_list("person", flat=True))
    assert told == {world.people[name].id for name in asked}


def test_asked_again_once_and_never_a_third_time(world: World) -> None:
    proposal_id = run(world)
    a_day_later(proposal_id)
    ask()
    incident = world.get(proposal_id).incident
    say(world.people["alice"], proposal_id, incident, Answer(action="right"))
    for row in m.OutcomeQuestion.objects.all():
        factories.backdate(row, days=3)
    assert ask() == 3
    assert names_asked(world, time=2) == {"bob", "eve", "lena"}
    for row in m.OutcomeQuestion.objects.all():
        factories.backdate(row, days=5)
    assert ask() == 0


def test_closing_asks_those_who_did_not_say_it_about_the_run(world: World) -> None:
    proposal_id = run(world)
    a_day_later(proposal_id)
    ask()
    incident = world.get(proposal_id).incident
    say(world.people["bob"], proposal_id, incident, Answer(scope="too_broad"))
    with acts(WEB):
        stepup.close(
            world.people["alice"], incident, "handled_outside", "The night shift ended it."
        )
    assert ask() > 0
    assert names_asked(world, proposal=None) == {"alice", "eve", "lena"}


def test_an_answer_is_recorded_once_with_its_entry(world: World) -> None:
    proposal_id = run(world)
    a_day_later(proposal_id)
    ask()
    incident, alice = world.get(proposal_id).incident, world.people["alice"]
    secret = "AKIA" + "A" * 16 + " password=hunter2-and-more"
    say(alice, proposal_id, incident, Answer("right", "too_narrow", "caused_outage"), secret)
    row = m.OutcomeAnswer.objects.get()
    assert "hunter2" not in row.unseen and "[masked]" in row.unseen
    (entry,) = [
        e for e in Entry.objects.order_by("id") if e.data["action"] == "person:outcome:answered"
    ]
    assert entry.data["object"] == f"incident:{incident.pk}" and "hunter2" not in str(entry.data)
    with pytest.raises(errors.NotEntitled):
        say(alice, proposal_id, incident, Answer(action="right"))


def test_who_was_not_asked_answers_nothing(world: World) -> None:
    proposal_id = run(world)
    a_day_later(proposal_id)
    ask()
    incident = world.get(proposal_id).incident
    with pytest.raises(errors.NotEntitled):
        say(world.people["mallory"], proposal_id, incident, Answer(action="right"))
    with pytest.raises(errors.NotEntitled):
        say(world.people["alice"], None, incident, Answer(action="right"))
    stranger = factories.person(f"stranger{factories.number()}")
    with pytest.raises(errors.NoSuchObject):
        say(stranger, proposal_id, incident, Answer(action="right"))


@pytest.mark.parametrize("said", [Answer(), Answer(action="wonderful")])
def test_other_words_are_refused(world: World, said: Answer) -> None:
    proposal_id = run(world)
    a_day_later(proposal_id)
    ask()
    with pytest.raises(errors.BadValue):
        say(world.people["alice"], proposal_id, world.get(proposal_id).incident, said)


def test_the_guard_refuses_who_was_not_asked(world: World) -> None:
    """A control: without the service's rule the database still refuses."""
    proposal = world.get(run(world))
    mallory = world.people["mallory"]
    with pytest.raises(Exception, match="outcome_asked"), factories.acting(WEB):
        m.OutcomeAnswer.objects.create(
            incident=proposal.incident, proposal=proposal, person=mallory.id, action="right",
            entry=factories.entry(
                "person:outcome:answered", mallory.actor, f"incident:{proposal.incident_id}"
            ),
        )  # fmt: skip


def test_figures_of_the_action_and_of_the_agent(world: World) -> None:
    proposal_id = run(world)
    a_day_later(proposal_id)
    ask()
    incident = world.get(proposal_id).incident
    say(world.people["alice"], proposal_id, incident, Answer(diagnosis="right", action="right"))
    say(world.people["bob"], proposal_id, incident, Answer(action="too_broad"))
    found = outcome_figures.of_action("test.noop")
    assert (found.whole, found.answered) == (1, 1)
    assert (found.count("too_broad"), found.count("caused_outage")) == (1, 0)
    of_agent = outcome_figures.of_agent(world.agent.agent_id)
    assert of_agent.answered == of_agent.count("right") == 1


def test_breaches_of_the_same_pattern(world: World) -> None:
    incident = world.get(world.in_review()).incident
    assert similar.to(incident) == ()
    features = set(similar._features(incident))
    assert features <= {"leaked_in_code", "unknown_consumers", "missed_sibling"}
    assert len(similar.breaches()) == 35
