"""Attacks of a web process that was taken over: assignments and comments in others' names."""

from __future__ import annotations

from uuid import uuid4

from remediation import models as m
from tests import factories
from tests.database.attack import Attack, attack, off
from tests.database.world import World
from tests.factories import WEB
from tests.factories.people import Person

ATTACKS: list[Attack] = []

assigned, said = off("incidentassignment"), off("incidentcomment")
names = {table: off(table, "a_fact") for table in ("incidentassignment", "incidentcomment")}


def _bare(w: World) -> m.Incident:
    """An incident without a proposal: every approver sees it."""
    return factories.incident(w.agent, "test.target/bare")


def _outsider() -> Person:
    """An approver without a right on any service."""
    return factories.person(roles=["security"])


# ---- who has it ---------------------------------------------------------------------------------


@attack(ATTACKS, WEB, "entry_names", assigned)
def _an_assignment_with_the_entry_of_another_incident(w: World) -> None:
    factories.assignment(_bare(w), w.sue.id, w.sue, object=f"incident:{w.contained.pk}")


@attack(ATTACKS, WEB, "entry_names", assigned)
def _an_assignment_whose_entry_names_somebody_else(w: World) -> None:
    factories.assignment(_bare(w), w.sue.id, w.sue, said=w.alice.id)


@attack(ATTACKS, WEB, "assignment_state", assigned)
def _a_closed_incident_is_taken(w: World) -> None:
    factories.assignment(w.closed_approved.incident, w.sue.id, w.sue)


@attack(ATTACKS, WEB, "assignment_from", assigned)
def _taken_without_a_look_at_who_has_it(w: World) -> None:
    incident = _bare(w)
    factories.assignment(incident, w.sue.id, w.sue)
    factories.assignment(incident, w.alice.id, w.alice)


@attack(ATTACKS, WEB, "incident_entitlement", assigned)
def _an_auditor_gives_it_away(w: World) -> None:
    factories.assignment(_bare(w), w.sue.id, w.carol)


@attack(ATTACKS, WEB, "incident_entitlement", assigned)
def _taken_by_an_approver_who_may_not_see_it(w: World) -> None:
    factories.assignment(w.two.incident, None, _outsider())


@attack(ATTACKS, WEB, "incident_entitlement", assigned)
def _given_away_by_somebody_who_left(w: World) -> None:
    factories.assignment(_bare(w), w.sue.id, w.gone)


@attack(ATTACKS, WEB, "incident_entitlement", assigned)
def _given_away_by_the_agent(w: World) -> None:
    factories.assignment(_bare(w), w.sue.id, w.agent.actor)


@attack(ATTACKS, WEB, "assignment_person", assigned)
def _given_to_an_auditor(w: World) -> None:
    factories.assignment(_bare(w), w.carol.id, w.sue)


@attack(ATTACKS, WEB, "assignment_person", assigned)
def _given_to_nobody_who_exists(w: World) -> None:
    factories.assignment(_bare(w), uuid4(), w.sue)


@attack(ATTACKS, WEB, "assignment_person", assigned)
def _given_to_an_approver_who_may_not_see_it(w: World) -> None:
    lead = factories.person(roles=["lead"])
    factories.assignment(w.two.incident, _outsider().id, lead)


# ---- what people say ----------------------------------------------------------------------------


@attack(ATTACKS, WEB, "entry_names", names["incidentcomment"], said)
def _a_comment_in_the_name_of_another_person(w: World) -> None:
    factories.comment(_bare(w), w.alice, actor=w.sue.actor)


@attack(ATTACKS, WEB, "entry_names", said)
def _a_comment_with_the_entry_of_another_incident(w: World) -> None:
    factories.comment(_bare(w), w.sue, object=f"incident:{w.contained.pk}")


@attack(ATTACKS, WEB, "entry_names", said)
def _a_comment_whose_entry_says_something_else(w: World) -> None:
    factories.comment(_bare(w), w.sue, said="It is fine.")


@attack(ATTACKS, WEB, "comment_proposal", said)
def _a_comment_on_the_proposal_of_another_incident(w: World) -> None:
    factories.comment(_bare(w), w.sue, proposal=w.in_review)


@attack(ATTACKS, WEB, "comment_text", said)
def _a_comment_that_says_nothing(w: World) -> None:
    factories.comment(_bare(w), w.sue, "  ")


@attack(ATTACKS, WEB, "comment_text", said)
def _a_comment_without_end(w: World) -> None:
    factories.comment(_bare(w), w.sue, "x" * 16_001)


@attack(ATTACKS, WEB, "comment_person", said)
def _a_comment_of_somebody_who_may_not_see_it(w: World) -> None:
    factories.comment(w.two.incident, _outsider())


@attack(ATTACKS, WEB, "comment_person", said)
def _a_comment_on_a_proposal_by_somebody_who_may_not_see_it(w: World) -> None:
    factories.comment(w.two.incident, _outsider(), proposal=w.two)


@attack(ATTACKS, WEB, "comment_person", said)
def _a_comment_of_somebody_who_left(w: World) -> None:
    factories.comment(_bare(w), w.gone)


@attack(ATTACKS, WEB, "comment_asked", said)
def _a_question_to_somebody_who_may_not_see_it(w: World) -> None:
    factories.comment(w.two.incident, w.carol, asked=[w.sue.id])
