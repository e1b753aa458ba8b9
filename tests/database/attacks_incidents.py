"""Attacks of both logins on the states of incidents, on looks, and for closed incidents."""

from __future__ import annotations

from uuid import uuid4

from remediation import models as m
from tests import factories
from tests.database.attack import WRITER_OFF, Attack, attack, granted, off
from tests.database.world import World
from tests.factories import WEB, WORKER, acting, entry, move, step
from tests.factories.people import Person

ATTACKS: list[Attack] = []

by_login, moved = off("incidenttransition", "b_login"), off("incidenttransition")


# ---- who moves it -------------------------------------------------------------------------------


@attack(ATTACKS, WEB, "incident_edge", by_login)
def _a68_web_contains_an_incident_by_itself(w: World) -> None:
    factories.incident_move(w.succeeded.proposal.incident, "contained", login=WEB)


@attack(ATTACKS, WEB, "incident_edge", by_login)
def _a68_web_opens_a_contained_incident(w: World) -> None:
    factories.incident_move(
        w.contained, "open", source="contained", login=WEB, reason="it has access"
    )


@attack(ATTACKS, WORKER, "incident_edge", by_login, moved)
def _the_worker_closes_an_incident(w: World) -> None:
    factories.incident_move(w.in_review.incident, "closed", outcome="accepted")


@attack(ATTACKS, WORKER, "incident_edge", by_login, moved)
def _the_worker_confirms_its_own_look(w: World) -> None:
    factories.incident_move(w.seen.incident, "contained", look=w.seen)


@attack(ATTACKS, WEB, "entry_names", moved)
def _a_move_with_the_entry_of_another_incident(w: World) -> None:
    actor = f"person:{w.alice.id}"
    with acting(WEB):
        m.IncidentTransition.objects.create(
            incident=w.in_review.incident,
            from_state="open",
            to_state="closed",
            outcome="accepted",
            reason="It is accepted now.",
            actor=actor,
            entry=entry("person:incident:closed", actor, f"incident:{w.contained.pk}"),
        )


# ---- compare and set ----------------------------------------------------------------------------


@attack(ATTACKS, WEB, "incident_from", moved)
def _an_open_incident_leaves_containment(w: World) -> None:
    _close(w.in_review.incident, source="contained", actor=w.alice.actor)


@attack(ATTACKS, WEB, "incident_from", moved)
def _a_contained_incident_is_closed_as_open(w: World) -> None:
    _close(w.contained, source="open")


@attack(ATTACKS, WORKER, "incident_from", moved)
def _an_incident_is_contained_twice(w: World) -> None:
    factories.incident_move(w.contained, "contained")


@attack(ATTACKS, WORKER, "incident_from", moved)
def _a_closed_incident_is_opened_again(w: World) -> None:
    factories.incident_move(
        w.closed_approved.incident, "open", source="contained", reason="it has access"
    )


@attack(ATTACKS, WEB, "incident_from", moved)
def _a_closed_incident_is_closed_again(w: World) -> None:
    _close(w.closed_approved.incident)


# ---- what a move asks for -----------------------------------------------------------------------


@attack(ATTACKS, WEB, "incident_reason", moved)
def _an_incident_is_closed_without_a_reason(w: World) -> None:
    _close(w.in_review.incident, reason="because")


@attack(ATTACKS, WEB, "incident_reason", moved)
def _an_agent_closes_its_incident(w: World) -> None:
    _close(w.in_review.incident, actor=w.agent.actor)


@attack(ATTACKS, WORKER, "incident_reason", moved)
def _an_incident_is_opened_without_a_reason(w: World) -> None:
    factories.incident_move(w.contained, "open", source="contained", reason=" ")


@attack(ATTACKS, WEB, "incident_outcome", moved)
def _an_open_incident_is_closed_as_contained(w: World) -> None:
    _close(w.in_review.incident, outcome="contained")


@attack(ATTACKS, WORKER, "incident_run", moved)
def _a68_contained_without_a_run(w: World) -> None:
    factories.incident_move(w.in_review.incident, "contained")


@attack(ATTACKS, WORKER, "incident_run", moved)
def _a68_contained_by_a_run_that_did_not_succeed(w: World) -> None:
    proposal = w.unknown.proposal
    factories.incident_move(proposal.incident, "contained", proposal=proposal)


@attack(ATTACKS, WORKER, "incident_run", moved)
def _a68_contained_by_the_run_of_another_incident(w: World) -> None:
    factories.incident_move(w.in_review.incident, "contained", proposal=w.succeeded.proposal)


# ---- confirmed looks ----------------------------------------------------------------------------


@attack(ATTACKS, WEB, "incident_look", moved)
def _a68_confirmed_by_the_look_at_another_incident(w: World) -> None:
    _confirm(w.in_review.incident, w.seen, w.sue)


@attack(ATTACKS, WEB, "incident_look", moved)
def _a68_confirmed_by_an_old_look(w: World) -> None:
    _confirm(w.seen_old.incident, w.seen_old, w.sue)


@attack(ATTACKS, WEB, "incident_look", moved)
def _a68_confirmed_by_a_look_that_found_access(w: World) -> None:
    _confirm(w.seen_access.incident, w.seen_access, w.sue)


@attack(ATTACKS, WEB, "incident_look", moved)
def _a68_confirmed_by_a_look_that_could_not_read(w: World) -> None:
    _confirm(w.seen_unread.incident, w.seen_unread, w.sue)


@attack(ATTACKS, WEB, "incident_entitlement", moved)
def _confirmed_by_nobody(w: World) -> None:
    _confirm(w.seen.incident, w.seen, f"person:{uuid4()}")


@attack(ATTACKS, WEB, "incident_entitlement", moved)
def _confirmed_by_an_auditor(w: World) -> None:
    _confirm(w.seen.incident, w.seen, w.carol)


@attack(ATTACKS, WEB, "incident_entitlement", moved)
def _confirmed_by_somebody_who_left(w: World) -> None:
    _confirm(w.seen.incident, w.seen, w.gone)


@attack(ATTACKS, WEB, "incident_entitlement", moved)
def _confirmed_by_the_agent(w: World) -> None:
    _confirm(w.seen.incident, w.seen, w.agent.actor)


@attack(ATTACKS, WEB, "incident_separation", moved)
def _confirmed_by_the_owner_of_the_agent(w: World) -> None:
    _confirm(w.seen.incident, w.seen, w.dave)


@attack(ATTACKS, WEB, "incident_separation", moved)
def _confirmed_by_who_made_the_token(w: World) -> None:
    _confirm(w.seen.incident, w.seen, w.eve)


# ---- looks and requests -------------------------------------------------------------------------


@attack(ATTACKS, WEB, "entry_author", WRITER_OFF, granted("INSERT", "incidentlook", WEB))
def _a68_web_writes_a_look(w: World) -> None:
    factories.look(w.in_review.incident, login=WEB)


@attack(ATTACKS, WEB, "entry_author", WRITER_OFF, granted("INSERT", "incidentnotice", WEB))
def _web_says_that_people_were_told(w: World) -> None:
    with acting(WEB):
        m.IncidentNotice.objects.create(
            incident=w.contained,
            kind="reopened",
            about=1,
            entry=entry("worker:notice:sent", "x", "x"),
        )


@attack(ATTACKS, WORKER, "entry_names", off("incidentlook"))
def _a_look_with_the_entry_of_another_incident(w: World) -> None:
    factories.look(w.contained, object=f"incident:{w.in_review.incident_id}")


@attack(ATTACKS, WORKER, "look_state", off("incidentlook"))
def _a_look_at_a_closed_incident(w: World) -> None:
    factories.look(w.closed_approved.incident)


@attack(ATTACKS, WORKER, "look_of", off("incidentlook"))
def _a_look_for_the_run_of_another_incident(w: World) -> None:
    factories.look(w.contained, proposal=w.succeeded.proposal, step=0)


@attack(ATTACKS, WORKER, "look_of", off("incidentlook"))
def _a_look_for_a_step_on_another_identity(w: World) -> None:
    proposal = w.executing.proposal
    factories.look(proposal.incident, proposal=proposal, step=1)


@attack(ATTACKS, WORKER, "look_found", "ALTER TABLE remediation_incidentlook"
        " DROP CONSTRAINT look_found")  # fmt: skip
def _a_look_that_found_something_else(w: World) -> None:
    factories.look(w.contained, "probably")


@attack(ATTACKS, WEB, "incident_entitlement", off("incidentlookrequest"))
def _an_auditor_asks_for_a_look(w: World) -> None:
    factories.look_request(w.contained, w.carol)


@attack(ATTACKS, WEB, "look_state", off("incidentlookrequest"))
def _a_look_at_a_closed_incident_is_asked_for(w: World) -> None:
    factories.look_request(w.closed_approved.incident, w.sue)


@attack(ATTACKS, WEB, "entry_names", off("incidentlookrequest"))
def _a_request_with_the_entry_of_another_incident(w: World) -> None:
    factories.look_request(w.contained, w.sue, object="incident:x")


# ---- nothing runs for a closed incident ---------------------------------------------------------


@attack(ATTACKS, WEB, "incident_closed", off("transition", "incident"))
def _a78_approved_for_a_closed_incident(w: World) -> None:
    move(w.closed_filled, "approved", login=WEB)


@attack(ATTACKS, WORKER, "incident_closed", off("transition", "incident"))
def _a78_executed_for_a_closed_incident(w: World) -> None:
    _execute(w.closed_approved)


@attack(ATTACKS, WORKER, "incident_closed", off("steprecord", "incident"))
def _a78_the_next_step_for_a_closed_incident(w: World) -> None:
    step(w.closed_run, "intended", 1)


@attack(ATTACKS, WORKER, "incident_closed", off("transition", "incident"))
def _a78_a_reversal_from_before_the_closure(w: World) -> None:
    _execute(w.closed_reversal)


def _execute(proposal: m.Proposal) -> None:
    locators = [target.locator for target in proposal.targets.all()]
    tokens = dict(m.Lease.objects.filter(pk__in=locators).values_list("target", "token"))
    factories.execution(proposal, tokens=tokens)
    move(proposal, "executing")


def _close(incident: m.Incident, *, source: str = "open", **said: str) -> None:
    usual = {
        "actor": f"person:{uuid4()}",
        "reason": "It is a false alarm.",
        "outcome": "false_positive",
        **said,
    }
    factories.incident_move(incident, "closed", source=source, login=WEB, **usual)


def _confirm(incident: m.Incident, look: m.IncidentLook, who: Person | str) -> None:
    actor = who if isinstance(who, str) else who.actor
    factories.incident_move(incident, "contained", login=WEB, actor=actor, look=look)
