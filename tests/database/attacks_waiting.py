"""Attacks of a worker on runs that wait, and of web on what people answer to them."""

from __future__ import annotations

from django.db import transaction

from remediation import models as m
from tests import factories
from tests.database.attack import DENIED, Attack, attack, granted, off, sql
from tests.database.world import World
from tests.factories import WEB, WORKER, acting, halt, move, step

ATTACKS: list[Attack] = []

waiting = off("wait")
looking = off("waitlook")
overdue = off("waitoverdue")
stepping = off("steprecord")
moving = off("transition", "c_guard")
leased = off("lease")
answering = (off("halt"), off("haltsession"))


# ---- a run that waits does not go on by itself --------------------------------------------------


@attack(ATTACKS, WORKER, "hold_missing", moving)
def _it_goes_on_without_a_signature(w: World) -> None:
    _goes_on(w.waiting)


@attack(ATTACKS, WORKER, "hold_missing", moving)
def _it_goes_on_although_nobody_was_seen_to_move(w: World) -> None:
    _goes_on(w.looking)


@attack(ATTACKS, WORKER, "hold_missing", moving)
def _it_goes_on_by_a_look_that_was_met_once(w: World) -> None:
    factories.wait_look(w.looking)
    factories.wait_look(w.looking, "consumers_moved")
    _goes_on(w.looking)


@attack(ATTACKS, WORKER, "hold_missing", moving)
def _it_goes_on_without_the_evidence_of_the_gate(w: World) -> None:
    factories.wait_look(w.looking)
    move(w.looking.execution.proposal, "executing")


@attack(ATTACKS, WORKER, "hold_missing", moving)
def _it_goes_on_by_a_signature_that_nobody_verified(w: World) -> None:
    _goes_on(w.answered)


@attack(ATTACKS, WORKER, "step_state", stepping)
def _the_next_step_begins_while_it_waits(w: World) -> None:
    step(w.waiting.execution, "intended", 1)


@attack(ATTACKS, WORKER, "wait_missing", moving)
def _it_waits_for_nothing_that_is_on_record(w: World) -> None:
    move(w.overdue.proposal, "waiting")


# ---- waits and looks ----------------------------------------------------------------------------


@attack(ATTACKS, WEB, DENIED, granted("INSERT", "wait", WEB))
def _web_lets_a_run_wait(w: World) -> None:
    with acting(WEB):
        m.Wait.objects.create(
            execution=w.overdue,
            step=0,
            conditions=[],
            person=True,
            within_s=60,
            deadline="2099-01-01T00:00:00Z",
            entry=factories.entry(
                "person:run:settled", "person:test", f"proposal:{w.overdue.proposal_id}",
                step=0, conditions=[], person=True, within_s=60,
            ),
        )  # fmt: skip


@attack(ATTACKS, WORKER, "wait_state", waiting)
def _a_wait_of_a_run_that_has_ended(w: World) -> None:
    factories.wait(w.succeeded)


@attack(ATTACKS, WORKER, "wait_order", waiting)
def _a_wait_after_a_step_that_was_not_confirmed(w: World) -> None:
    factories.wait(w.executing)


@attack(ATTACKS, WORKER, "wait_words", waiting)
def _a_wait_for_nobody_and_nothing(w: World) -> None:
    factories.wait(w.overdue, person=False)


@attack(ATTACKS, WORKER, "wait_words", waiting)
def _a_wait_for_a_year(w: World) -> None:
    factories.wait(w.overdue, within_s=365 * 86400)


@attack(ATTACKS, WORKER, "wait_words", looking)
def _a_look_that_is_met_and_is_not(w: World) -> None:
    factories.wait_look(w.looking, "consumers_moved", met=True)


@attack(ATTACKS, WORKER, "wait_state", off("resumption"))
def _the_evidence_of_the_gate_for_a_run_that_stopped(w: World) -> None:
    factories.resumption(w.gave_up)


@attack(ATTACKS, WORKER, "wait_early", overdue)
def _a_deadline_that_has_not_passed(w: World) -> None:
    factories.wait_overdue(w.waiting)


# ---- its targets stay its own -------------------------------------------------------------------


@attack(ATTACKS, WORKER, "lease_waiting", leased)
def _another_run_takes_the_target_of_one_that_waits(w: World) -> None:
    _claim(w.idle.execution.proposal.targets.get(step=0).locator, w.approved)


@attack(ATTACKS, WORKER, "lease_token", leased)
def _a_lease_is_given_to_another_run(w: World) -> None:
    target = w.waiting.execution.proposal.targets.get(step=0).locator
    with acting(WORKER):
        sql(
            "UPDATE remediation_lease SET proposal_id = %s WHERE target = %s",
            w.approved.pk,
            target,
        )


# ---- answers ------------------------------------------------------------------------------------


@attack(ATTACKS, WEB, "answer_wait", *answering)
def _an_answer_to_another_wait(w: World) -> None:
    _answer(w, "go_on", step=1)


@attack(ATTACKS, WEB, "answer_longer", *answering)
def _longer_than_any_run_waits(w: World) -> None:
    _answer(w, "longer", longer_s=45 * 86400 + 1)


@attack(ATTACKS, WEB, "answer_unmet", *answering)
def _it_goes_on_without_a_word_of_what_is_not_met(w: World) -> None:
    halt(w.looking.execution.proposal, w.alice, decision="go_on", step=0, seen="0" * 64)


@attack(ATTACKS, WEB, "halt_state", *answering)
def _an_answer_to_a_run_that_does_not_wait(w: World) -> None:
    halt(w.executing.proposal, w.alice, decision="go_on", step=0, seen="0" * 64)


@attack(ATTACKS, WEB, "halt_separation", *answering)
def _the_agents_owner_lets_it_go_on(w: World) -> None:
    halt(w.waiting.execution.proposal, w.dave, decision="go_on", step=0, seen="0" * 64)


def _answer(w: World, decision: str, **said: object) -> m.Halt:
    usual = {"step": 0, "seen": "0" * 64}
    return halt(w.waiting.execution.proposal, w.alice, decision=decision, **{**usual, **said})


def _goes_on(wait: m.Wait) -> None:
    with transaction.atomic():
        factories.resumption(wait)
        move(wait.execution.proposal, "executing")


def _claim(target: str, proposal: m.Proposal) -> None:
    with acting(WORKER):
        sql(
            "UPDATE remediation_lease SET token = token + 1, holder = 'x', proposal_id = %s,"
            " until = clock_timestamp() + interval '1 minute' WHERE target = %s",
            proposal.pk,
            target,
        )
