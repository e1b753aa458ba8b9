"""Attacks of both logins on readings of identities, compared secrets, and how it turned out."""

from __future__ import annotations

from dataclasses import replace

from remediation import models as m
from tests.database.attack import Attack, attack, off
from tests.database.world import World
from tests.factories import WEB, WORKER, acting, entry
from tests.factories.logins import WORKER_ACTOR
from tests.factories.people import Person

ATTACKS: list[Attack] = []


def ask(incident: m.Incident, person: Person, locator: str = "", object: str = "") -> None:
    with acting(WEB):
        m.LiveRequest.objects.create(
            incident=incident,
            locator=locator or incident.locator,
            person=person.id,
            entry=entry("person:live:asked", person.actor, object or f"incident:{incident.pk}"),
        )


@attack(ATTACKS, WEB, "live_identity", off("liverequest"))
def _an_identity_of_no_plan_is_read(w: World) -> None:
    ask(w.live.incident, w.sue, locator="test.target:somebody-elses")


@attack(ATTACKS, WEB, "entry_names", off("liverequest"))
def _a_request_with_the_entry_of_something_else(w: World) -> None:
    ask(w.contained, w.sue, object="incident:x")


@attack(ATTACKS, WEB, "live_budget", off("liverequest"))
def _the_observers_logins_are_used_without_limit(w: World) -> None:
    for _ in range(201):
        ask(w.live.incident, w.sue)


@attack(ATTACKS, WEB, "live_person", off("liverequest"))
def _the_budget_of_people_who_do_not_exist_is_used(w: World) -> None:
    """Each made-up person had 200 readings of her own."""
    ask(w.live.incident, replace(w.sue, user=m.User(username="nobody")))


@attack(ATTACKS, WEB, "live_person", off("liverequest"))
def _somebody_who_does_not_see_the_incident_has_it_read(w: World) -> None:
    ask(w.contained, w.gone)


@attack(ATTACKS, WORKER, "entry_names", off("liveobservation"))
def _an_answer_with_the_entry_of_another_incident(w: World) -> None:
    actor = WORKER_ACTOR
    with acting(WORKER):
        m.LiveObservation.objects.create(
            request=w.live, found="without", body=b"{}", actor=actor,
            entry=entry("worker:live:observed", actor, f"incident:{w.contained.pk}"),
        )  # fmt: skip


@attack(ATTACKS, WORKER, "entry_names", off("secretcheck"))
def _a_comparison_with_the_entry_of_another_incident(w: World) -> None:
    actor = WORKER_ACTOR
    with acting(WORKER):
        m.SecretCheck.objects.create(
            request=w.live, in_force="no", body=b"{}", actor=actor,
            entry=entry("worker:secret:compared", actor, "incident:x"),
        )  # fmt: skip


@attack(ATTACKS, WORKER, "outcome_of", off("outcomequestion"))
def _a_question_about_a_run_of_another_incident(w: World) -> None:
    actor = WORKER_ACTOR
    with acting(WORKER):
        m.OutcomeQuestion.objects.create(
            incident=w.contained, proposal=w.in_review, person=w.sue.id, time=1, actor=actor,
            entry=entry("worker:outcome:asked", actor, f"incident:{w.contained.pk}"),
        )  # fmt: skip


def say(w: World, person: Person, **words: str) -> None:
    with acting(WEB):
        m.OutcomeAnswer.objects.create(
            incident=w.contained,
            person=person.id,
            entry=entry("person:outcome:answered", person.actor, f"incident:{w.contained.pk}"),
            **words,
        )


@attack(ATTACKS, WEB, "outcome_asked", off("outcomeanswer"))
def _somebody_who_was_not_asked_answers(w: World) -> None:
    say(w, w.bob, action="right")


@attack(ATTACKS, WEB, "outcome_words", off("outcomeanswer"))
def _another_word_than_the_answers(w: World) -> None:
    say(w, w.sue, action="splendid")
