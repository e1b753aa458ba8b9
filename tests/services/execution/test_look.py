"""Contained is true: the worker looks again, on a real PostgreSQL cluster (A68)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends.base import BaseEmailBackend
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors
from remediation.services.execution import confirm, look, look_subject, reverse_run
from remediation.services.reporting import incidents
from tests import factories, stepup
from tests.factories import WEB, WORKER
from tests.flows import role_world
from tests.flows.role_world import RoleWorld
from tests.flows.world import WORKER_ACTOR, acts
from tests.servers import Addresses

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(
    transactional_db: None, tmp_path: Path, settings: Settings, addresses: Addresses
) -> RoleWorld:
    cache.clear()
    return role_world.make(tmp_path, settings, addresses)


@pytest.fixture
def contained(world: RoleWorld) -> m.Incident:
    """A run took the login from the role, and the incident counts as contained."""
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded" and not world.can_log_in()
    incident = world.incident(proposal_id)
    assert world.moves(incident) == ["contained"]
    world.deliver()
    mail.outbox.clear()
    return incident


def of_incident() -> list[Any]:
    return [one for one in mail.outbox if "open again" in one.subject]


# ---- contained by a run -------------------------------------------------------------------------


def test_a_run_contains_with_the_places_and_the_time_where_it_was_seen(
    world: RoleWorld, contained: m.Incident
) -> None:
    step = m.StepRecord.objects.get(phase="verified")
    assert step.data["at"].endswith("Z")
    assert [point["without_access"] for point in step.data["points"]] == [True]
    move = contained.transitions.get()
    assert move.proposal == contained.proposals.get()


def test_a_run_whose_places_are_not_all_without_access_contains_nothing(
    world: RoleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"points": [{"place": "a replica", "without_access": None, "open": []}], "at": "x"}
    monkeypatch.setattr(confirm, "confirming", lambda step, seen, now: {**seen.state, **said})
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert (world.state_of(proposal_id), world.can_log_in()) == ("succeeded", False)
    assert world.moves(world.incident(proposal_id)) == []


# ---- looks --------------------------------------------------------------------------------------


def test_a68_what_an_administrator_gave_back_is_seen_at_the_next_look(
    world: RoleWorld, contained: m.Incident
) -> None:
    world.alter("LOGIN")
    assert world.can_log_in()
    assert world.look() == 0, "a look is not due yet"
    assert world.moves(contained) == ["contained"]
    world.let_pass(contained, minutes=1)
    assert world.look() == 1
    assert world.found(contained) == ["access"]
    assert world.moves(contained) == ["contained", "open"]
    assert world.can_log_in(), "a look changes nothing"
    move = contained.transitions.get(to_state="open")
    assert move.look == contained.looks.get()
    assert move.reason.startswith("access was found at ")
    # Lead and reviewers are told, once.
    world.deliver()
    message = of_incident()[0]
    told = {world.people[name].user.email for name in ("lena", "alice", "bob", "mallory")}
    assert sorted(one.to[0] for one in of_incident()) == sorted(told)
    assert "is open again" in message.body and f"/incidents/{contained.pk}/" in message.body
    assert world.look() == 0, "an open incident is not looked at"
    assert world.deliver() == 0


def test_a68_control_without_the_looks_it_still_counts_as_contained(
    world: RoleWorld, contained: m.Incident, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.alter("LOGIN")
    world.let_pass(contained, days=2)
    monkeypatch.setattr(look, "_due", lambda: [])
    world.look()
    assert world.can_log_in() and world.moves(contained) == ["contained"]
    assert of_incident() == []


def test_looks_come_at_1_5_and_30_minutes_and_then_daily(
    world: RoleWorld, contained: m.Incident
) -> None:
    for minutes in (1, 4, 25, 24 * 60, 24 * 60):
        world.let_pass(contained, minutes=minutes - 0.5)
        assert world.look() == 0
        world.let_pass(contained, minutes=0.5)
        assert world.look() == 1
        assert world.look() == 0
    assert world.found(contained) == ["without"] * 5
    assert world.moves(contained) == ["contained"]
    data = contained.looks.latest("pk").data
    assert [one["without_access"] for one in data["points"]] == [True] and data["at"]
    entries = [
        e.data for e in Entry.objects.order_by("id") if e.data["action"] == "worker:incident:looked"
    ]
    assert {e["object"] for e in entries} == {f"incident:{contained.pk}"}
    assert entries[0]["data"]["found"] == "without"


def test_the_day_counts_from_the_newest_containment(
    world: RoleWorld, contained: m.Incident
) -> None:
    world.let_pass(contained, days=3)
    assert world.look() == 1
    assert world.look() == 0, "a worker that was away looks once"


def test_a_look_that_cannot_read_is_no_look_without_access_and_the_lead_is_told(
    world: RoleWorld, contained: m.Incident
) -> None:
    world.write_targets("")  # no credentials for the cluster any more
    for minutes in (1, 1, 2):
        world.let_pass(contained, minutes=minutes - 0.2)
        assert world.look() == 0
        assert world.deliver() == 0
        world.let_pass(contained, minutes=0.2)
        assert world.look() == 1
    assert world.found(contained) == ["unread"] * 3
    assert world.moves(contained) == ["contained"]
    assert [one.data["in_a_row"] for one in contained.looks.order_by("pk")] == [1, 2, 3]
    world.deliver()
    (message,) = mail.outbox
    assert message.to == [world.people["lena"].user.email]
    assert "three looks in a row could not read" in message.body
    # Later ones are tried again and say no more.
    for _ in range(3):
        world.let_pass(contained, minutes=61)
        assert world.look() == 1
    assert world.deliver() == 0
    world.write_targets(world.pg.toml())
    world.let_pass(contained, minutes=61)
    assert world.look() == 1
    assert world.found(contained)[-1] == "without"
    # A new series is told anew.
    world.write_targets("")
    for _ in range(3):
        world.let_pass(contained, days=1)
        world.look()
    assert world.deliver() == 1


class Hung(BaseEmailBackend):
    """Make the mail server unreachable."""

    def send_messages(self, email_messages: Any) -> int:
        raise TimeoutError("timed out")


def test_a68_people_are_told_once_also_after_a_crash_or_without_a_mail_server(
    world: RoleWorld, contained: m.Incident, settings: Settings
) -> None:
    world.alter("LOGIN")
    world.let_pass(contained, minutes=1)
    settings.EMAIL_BACKEND = f"{__name__}.Hung"
    assert world.look() == 1
    assert world.moves(contained) == ["contained", "open"]
    assert world.deliver() == 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    for delivery in m.Delivery.objects.filter(outcome="failed"):
        factories.backdate(delivery, seconds=60)
    assert (world.deliver(), world.deliver()) == (4, 0)
    assert len(of_incident()) == 4
    notice = m.IncidentNotice.objects.get()
    assert (notice.kind, notice.incident) == ("reopened", contained)


def test_an_incident_that_cannot_be_looked_at_does_not_keep_others_from_it(
    world: RoleWorld, contained: m.Incident, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = factories.proposal_at("succeeded").incident
    factories.incident_move(other, "contained")
    see = look.look_at

    def breaks(incident_id: Any, **given: Any) -> bool:
        if incident_id == other.pk:
            raise errors.WrongState("somebody moved it")
        return see(incident_id, **given)

    monkeypatch.setattr(look, "look_at", breaks)
    for incident in (other, contained):
        world.let_pass(incident, minutes=1)
    assert world.look() == 1
    assert world.found(contained) == ["without"]


def test_one_turn_of_the_task_is_bounded(
    world: RoleWorld, contained: m.Incident, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.let_pass(contained, minutes=1)
    monkeypatch.setattr(look, "SECONDS", 0.0)
    assert world.look() == 0
    monkeypatch.setattr(look, "SECONDS", 10.0)
    assert world.look() == 1


# ---- runs on the identity meanwhile -------------------------------------------------------------


def reversal(world: RoleWorld, incident: m.Incident) -> Any:
    first = incident.proposals.get()
    with acts(WEB):
        new = reverse_run.propose(
            actor=world.people["alice"].user,
            proposal_id=first.pk,
            reason="The role belongs to the nightly report.",
        )
    world.assess(new)
    world.decide("mallory", new)
    world.decide("bob", new)
    return new


def test_a_reversal_that_succeeded_opens_the_incident_again(
    world: RoleWorld, contained: m.Incident
) -> None:
    new = reversal(world, contained)
    world.execute(new)
    assert (world.state_of(new), world.can_log_in()) == ("succeeded", True)
    assert world.moves(contained) == ["contained", "open"]
    move = contained.transitions.get(to_state="open")
    assert move.proposal_id == new and move.reason == f"proposal {new} gave access back"
    world.deliver()
    assert len(of_incident()) == 3, "lead and reviewers, without whoever proposed it"
    # It can be contained again.
    assert incidents.state(contained) == "open"


def test_a_run_for_another_incident_opens_every_incident_of_the_identity(
    world: RoleWorld, contained: m.Incident
) -> None:
    proposal_id = reversal(world, contained)
    with factories.unguarded("public.remediation_proposal"):
        other = factories.incident(m.Agent.objects.get(), "test.target:other")
        m.Proposal.objects.filter(pk=proposal_id).update(incident=other)
    world.execute(proposal_id)
    assert world.can_log_in()
    assert world.moves(contained) == ["contained", "open"]


def test_no_look_while_a_run_on_the_identity_is_executing(
    world: RoleWorld, contained: m.Incident
) -> None:
    """A look in the middle of a reversal would say that access came from outside."""
    new = world.get(reversal(world, contained))
    factories.execute(new)
    world.alter("LOGIN")
    world.let_pass(contained, minutes=10)
    assert world.look() == 0
    assert (world.found(contained), world.moves(contained)) == ([], ["contained"])


def test_a_look_during_which_a_run_began_is_not_recorded(
    world: RoleWorld, contained: m.Incident, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = reversal(world, contained)
    world.integrate()
    see, whole = look._see, world.execute

    def meanwhile(step: Any) -> look.Seen:
        seen = see(step)
        monkeypatch.setattr(look, "_see", see)
        whole(new)  # from begin to end
        return seen

    monkeypatch.setattr(look, "_see", meanwhile)
    world.let_pass(contained, minutes=1)
    assert world.look() == 0
    assert world.found(contained) == [], "it saw the role without access, which is over"
    assert world.moves(contained) == ["contained", "open"]


def test_a_look_during_which_the_incident_was_closed_changes_nothing(
    world: RoleWorld, contained: m.Incident, monkeypatch: pytest.MonkeyPatch
) -> None:
    see = look._see

    def meanwhile(step: Any) -> look.Seen:
        with acts(WEB):
            stepup.close(world.people["alice"], contained, "contained", "It is done with for good.")
        return see(step)

    monkeypatch.setattr(look, "_see", meanwhile)
    world.alter("LOGIN")
    world.let_pass(contained, minutes=1)
    assert world.look() == 0
    assert world.moves(contained) == ["contained", "closed"]


# ---- a person confirms a look -------------------------------------------------------------------


def test_a_person_confirms_a_look_and_nothing_else(world: RoleWorld) -> None:
    incident = world.incident(world.in_review())
    sue = factories.person(roles=["lead"]).user
    with acts(WEB):
        incidents.ask_look(actor=sue, incident_id=incident.pk)
    assert world.look() == 1 and world.look() == 0
    assert world.found(incident) == ["access"]
    refuse(sue, incident, incident.looks.get().pk, errors.WrongState)
    world.alter("NOLOGIN")  # by somebody outside
    with acts(WEB):
        incidents.ask_look(actor=sue, incident_id=incident.pk)
    assert world.look() == 1
    assert world.found(incident) == ["access", "without"]
    newest = incident.looks.latest("pk")
    assert world.moves(incident) == [], "a look alone contains nothing"
    refuse(sue, incident, incident.looks.earliest("pk").pk, errors.WrongState)
    refuse(world.people["dave"].user, incident, newest.pk, errors.Separation)
    refuse(world.people["eve"].user, incident, newest.pk, errors.Separation)
    auditor = factories.person(roles=["auditor"]).user
    refuse(auditor, incident, newest.pk, errors.NotEntitled)
    refuse(factories.person().user, incident, newest.pk, errors.NoSuchObject)
    with acts(WEB):
        incidents.confirm_look(actor=sue, incident_id=incident.pk, look_id=newest.pk)
    assert world.moves(incident) == ["contained"]
    move = incident.transitions.get()
    assert (move.look, move.actor) == (newest, sue.actor)
    # It is looked at like any other, and opened again.
    world.alter("LOGIN")
    world.let_pass(incident, minutes=1)
    assert world.look() == 1
    assert world.moves(incident) == ["contained", "open"]


def test_an_old_look_is_not_confirmed(world: RoleWorld, contained: m.Incident) -> None:
    world.alter("LOGIN")
    world.let_pass(contained, minutes=1)
    world.look()
    world.alter("NOLOGIN")
    sue = factories.person(roles=["lead"]).user
    with acts(WEB):
        incidents.ask_look(actor=sue, incident_id=contained.pk)
    world.look()
    newest = contained.looks.latest("pk")
    factories.backdate(newest, minutes=11)
    refuse(sue, contained, newest.pk, errors.WrongState)
    assert world.moves(contained) == ["contained", "open"]


def refuse(user: Any, incident: m.Incident, look_id: int, refusal: type[errors.Refused]) -> None:
    before = incident.transitions.count()
    with acts(WEB), pytest.raises(refusal):
        incidents.confirm_look(actor=user, incident_id=incident.pk, look_id=look_id)
    assert incident.transitions.count() == before


def test_of_two_workers_that_look_at_once_one_records_its_look(
    world: RoleWorld, contained: m.Incident, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one saw what the first recorded meanwhile; people are told once."""
    see = look._see

    def meanwhile(step: Any) -> look.Seen:
        monkeypatch.setattr(look, "_see", see)
        assert look.look_at(contained.pk, actor=WORKER_ACTOR)
        return see(step)

    monkeypatch.setattr(look, "_see", meanwhile)
    world.alter("LOGIN")
    world.let_pass(contained, minutes=1)
    assert world.look() == 0
    assert world.found(contained) == ["access"]
    assert world.moves(contained) == ["contained", "open"]
    world.deliver()
    assert len(of_incident()) == 4, "lead and reviewers, once each"


def test_an_identity_that_no_action_can_work_on_is_never_without_access(
    world: RoleWorld,
) -> None:
    incident = world.incident(world.in_review())
    other = factories.incident(m.Agent.objects.get(), "kubernetes.service_account:a/b/c")
    assert look_subject.can_look(incident) and not look_subject.can_look(other)
    with acts(WORKER):
        assert look.look_at(other.pk, actor=WORKER_ACTOR)
    made = other.looks.get()
    assert (made.found, made.proposal, made.step) == ("unread", None, None)


def test_a_report_about_an_incident_that_is_open_again_belongs_to_it(
    world: RoleWorld, contained: m.Incident
) -> None:
    world.alter("LOGIN")
    world.let_pass(contained, minutes=1)
    world.look()
    assert world.incident(world.submit()) == contained


def approved_reversal(world: RoleWorld, incident: m.Incident) -> Any:
    first = incident.proposals.get(reverses__isnull=True)
    with acts(WEB):
        new = reverse_run.propose(
            actor=world.people["alice"].user,
            proposal_id=first.pk,
            reason="The role belongs to the nightly report.",
        )
    world.assess(new)
    world.decide("mallory", new)
    world.decide("bob", new)
    return new


def test_a68_a_reversal_that_stopped_after_it_gave_access_back_opens_the_incident(
    world: RoleWorld, contained: m.Incident, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Access is back, the observer's read fails for 30 s: the run stops, the incident stays
    "contained" until the next daily look."""
    new = approved_reversal(world, contained)
    monkeypatch.setattr(confirm, "UNREAD", -confirm.UNREAD)

    def unread(*given: Any) -> Any:
        raise confirm.TargetUnobservable("the observer's login is away")

    monkeypatch.setattr(confirm, "run_verify", unread)
    real = confirm.observe

    def nothing(steps: Any, **given: Any) -> Any:
        seen = real(steps, **given)
        return type(seen)({k: None for k in seen.observations}, {k: "x" for k in seen.observations})

    monkeypatch.setattr(confirm, "observe", nothing)
    world.execute(new)
    assert (world.state_of(new), world.can_log_in()) == ("stopped", True)
    assert world.moves(contained) == ["contained", "open"]


def test_a_look_from_before_a_reversal_is_not_confirmed(
    world: RoleWorld, contained: m.Incident
) -> None:
    """The look of the open incident was taken before the run gave access back."""
    new = approved_reversal(world, contained)
    # Another incident about the same identity: open, a person asks for a look.
    with factories.acting(WEB):
        other = factories.incident(m.Agent.objects.get(), contained.locator)
    factories.diagnosis(other, "x")
    lena = world.people["lena"]
    with acts(WORKER):
        made = factories.look(other, "without")
    world.execute(new)
    assert (world.state_of(new), world.can_log_in()) == ("succeeded", True)
    with acts(WEB), pytest.raises(errors.WrongState):
        incidents.confirm_look(actor=lena.user, incident_id=other.pk, look_id=made.pk)
    assert world.moves(other) == []


def test_a_flood_of_requests_does_not_keep_a_contained_incident_from_its_look(
    world: RoleWorld, contained: m.Incident
) -> None:
    """hitl_web asks anew for looks at other incidents each time; regular ones never come."""
    world.alter("LOGIN")
    world.let_pass(contained, minutes=10)
    lena = world.people["lena"]
    others = []
    for n in range(look.MOST):
        with factories.acting(WEB):
            others.append(factories.incident(m.Agent.objects.get(), f"test.target:other{n}"))
    for _ in range(3):
        for one in others:
            factories.look_request(one, lena)
        with acts(WORKER):
            look.look(actor=WORKER_ACTOR)
    assert world.found(contained) == ["access"]
