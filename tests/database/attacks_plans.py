"""A43: attacks of the web login and the worker on plans of people and on choices."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from remediation import models as m
from tests import factories
from tests.database.attack import Attack, attack, off
from tests.database.world import World
from tests.factories import WEB, WORKER, acting, entry

ATTACKS: list[Attack] = []

planning = off("proposal", "plan")
offering = off("proposal", "alternative")
choosing = off("transition", "choice")


def _plan(w: World, **said: Any) -> m.Proposal:
    """Return alice's plan for the incident of `rejected`, with these changes."""
    like = w.rejected
    planner = said.pop("planner", w.alice.id)
    usual: dict[str, Any] = {
        "diagnosis": like.incident.diagnoses.latest("version"),
        "agent": like.agent,
        "token": like.token,
        "editor": planner,
        "planner": planner,
    }
    return factories.insert_proposal(factories.plan("planned"), **{**usual, **said})


@attack(ATTACKS, WEB, "plan_person", planning)
def _an_agents_plan_is_called_a_persons(w: World) -> None:
    _plan(w, editor=None)


@attack(ATTACKS, WEB, "plan_person", planning)
def _a16_somebody_elses_role_carries_a_suspended_agents_plan(w: World) -> None:
    factories.agent_version(w.agent, w.dave, enabled=False)
    _plan(w, editor=w.carol.id)


@attack(ATTACKS, WEB, "plan_person", planning)
def _a_reversal_is_called_a_plan(w: World) -> None:
    old = w.succeeded.proposal
    factories.insert_proposal(
        factories.load(old),
        diagnosis=old.diagnosis,
        agent=old.agent,
        token=old.token,
        editor=w.alice.id,
        planner=w.alice.id,
        reverses=old,
    )


@attack(ATTACKS, WEB, "plan_entry", planning)
def _the_log_does_not_say_that_a_person_planned(w: World) -> None:
    like = w.rejected
    made = m.Proposal(
        incident=like.incident,
        diagnosis=like.diagnosis,
        plan=bytes(like.plan),
        plan_digest=like.plan_digest,
        agent=like.agent,
        token=like.token,
        editor=w.alice.id,
        planner=w.alice.id,
    )
    with acting(WEB):
        made.entry = entry("person:proposal:submitted", w.alice.actor, f"proposal:{made.pk}")
        made.save(force_insert=True)


@attack(ATTACKS, WEB, "plan_entitlement", planning)
def _an_auditor_plans(w: World) -> None:
    _plan(w, planner=w.carol.id)


@attack(ATTACKS, WEB, "plan_entitlement", planning)
def _who_is_gone_plans(w: World) -> None:
    _plan(w, planner=w.gone.id)


@attack(ATTACKS, WEB, "plan_diagnosis", planning)
def _a_plan_rests_on_an_older_diagnosis(w: World) -> None:
    old = w.rejected.diagnosis
    factories.diagnosis(w.rejected.incident, "newer")
    _plan(w, diagnosis=old)


@attack(ATTACKS, WEB, "plan_agent", planning)
def _a12_another_token_hides_who_may_not_decide(w: World) -> None:
    """People who made the token of the diagnosis could decide under a younger one."""
    _plan(w, token=factories.token(w.agent, by=w.sue))


@attack(ATTACKS, WEB, "plan_incident", planning)
def _a_plan_for_a_closed_incident(w: World) -> None:
    like = w.closed_approved
    _plan(w, diagnosis=like.incident.diagnoses.latest("version"))


@attack(ATTACKS, WEB, "plan_kept", planning)
def _an_agent_takes_the_place_of_a_persons_plan(w: World) -> None:
    old = _plan(w)
    factories.move(old, "superseded", login=WEB, actor=w.agent.actor)
    _plan(w, planner=None, supersedes=old)


@attack(ATTACKS, WEB, "plan_limit", planning)
def _a34_one_person_floods_the_others_with_plans(w: World) -> None:
    for _ in range(11):
        _plan(w)


def _choice(w: World, count: int = 2) -> list[m.Proposal]:
    return factories.alternatives(w.in_review, count)


@attack(ATTACKS, WEB, "entry_names", off("choice"))
def _a_choice_under_the_entry_of_another_incident(w: World) -> None:
    incident = w.rejected.incident
    with acting(WEB):
        m.Choice.objects.create(
            incident=w.in_review.incident,
            agent=w.agent,
            entry=entry("agent:report:submitted", w.agent.actor, f"incident:{incident.pk}"),
        )


def _offer(w: World, **said: Any) -> m.Proposal:
    like = w.in_review
    usual: dict[str, Any] = {"diagnosis": like.diagnosis, "agent": w.agent, "token": w.token}
    return factories.insert_proposal(factories.plan("offered"), **{**usual, **said})


@attack(ATTACKS, WEB, "choice_member", offering)
def _an_alternative_of_a_choice_of_another_incident(w: World) -> None:
    with transaction.atomic():
        _offer(w, choice=factories.choice(w.rejected.incident), alternative=1)


@attack(ATTACKS, WEB, "choice_member", offering)
def _an_alternative_joins_the_choice_of_an_earlier_report(w: World) -> None:
    _offer(w, diagnosis=w.offered.diagnosis, choice=w.offered.choice, alternative=3)


@attack(ATTACKS, WEB, "choice_member", offering)
def _a_number_twice(w: World) -> None:
    first = _choice(w)[0]
    _offer(w, choice=first.choice, alternative=first.alternative)


@attack(ATTACKS, WEB, "choice_member", offering)
def _a_persons_edit_is_called_an_alternative(w: World) -> None:
    first = _choice(w)[0]
    _offer(w, choice=first.choice, alternative=3, editor=w.alice.id)


@attack(ATTACKS, WEB, "choice_kept", offering)
def _a_new_version_leaves_the_choice_to_run_beside_the_other(w: World) -> None:
    first = _choice(w)[0]
    factories.move(first, "superseded", login=WEB, actor=w.agent.actor)
    _offer(w, supersedes=first)


@attack(
    ATTACKS,
    WEB,
    "proposal_alternative",
    "ALTER TABLE public.remediation_proposal DROP CONSTRAINT proposal_alternative",
    offering,
)
def _a_fourth_alternative(w: World) -> None:
    first = _choice(w, 3)[0]
    _offer(w, choice=first.choice, alternative=4)


@attack(ATTACKS, WEB, "choice_taken", choosing)
def _a_second_alternative_is_approved(w: World) -> None:
    factories.move(w.too_late, "approved", login=WEB, actor=w.alice.actor)


@attack(ATTACKS, WORKER, "choice_open", choosing)
def _the_worker_ends_an_open_alternative(w: World) -> None:
    factories.move(w.offered, "superseded", login=WORKER)


@attack(ATTACKS, WORKER, "choice_open", choosing)
def _the_worker_ends_a_proposal_of_no_choice(w: World) -> None:
    factories.move(w.in_review, "superseded", login=WORKER)
