"""Attacks of both logins on transitions, assessments, leases, runs and steps."""

from __future__ import annotations

from datetime import timedelta

from remediation import models as m
from remediation.domain.policy import Ruling
from tests import factories
from tests.database.attack import Attack, attack, dropped, off, sql
from tests.database.world import World
from tests.factories import WEB, WORKER, acting, entry, freeze, move, step

ATTACKS: list[Attack] = []

moved, assessed, leased = off("transition", "c_guard"), off("assessment"), off("lease")
stepped = off("steprecord")


# ---- transitions --------------------------------------------------------------------------------


@attack(ATTACKS, WEB, "transition_edge", off("transition", "b_login"))
def _web_walks_an_edge_of_the_worker(w: World) -> None:
    move(w.approved, "refused", login=WEB)


@attack(ATTACKS, WORKER, "transition_edge", off("transition", "b_login"))
def _the_worker_approves(w: World) -> None:
    move(w.filled, "approved")


@attack(ATTACKS, WORKER, "transition_edge", off("transition", "b_login"), moved)
def _an_edge_that_nobody_walks(w: World) -> None:
    move(w.rejected, "approved")


@attack(ATTACKS, WEB, "transition_from", moved)
def _from_a_state_that_it_is_not_in(w: World) -> None:
    move(w.in_review, "withdrawn", login=WEB, source="submitted")


@attack(ATTACKS, WEB, "transition_from", moved)
def _two_moves_in_one_statement(w: World) -> None:
    says = {"from": "in_review", "to": "withdrawn"}
    with acting(WEB):
        number = entry("worker:notice:sent", w.agent.actor, f"proposal:{w.in_review.pk}", **says)
        m.Transition.objects.bulk_create(
            m.Transition(
                proposal=w.in_review,
                from_state="in_review",
                to_state="withdrawn",
                # The disabled guard would fill this in; the control is about this guard only.
                round=w.in_review.round,
                actor=w.agent.actor,
                entry=number,
            )
            for _ in range(2)
        )


@attack(ATTACKS, WEB, "entry_in_transaction", off("transition", "a_fact"))
def _with_an_entry_of_yesterday(w: World) -> None:
    with acting(WEB):
        m.Transition.objects.create(
            proposal=w.in_review,
            from_state="in_review",
            to_state="withdrawn",
            round=0,
            actor=w.agent.actor,
            entry=w.yesterday,
        )


@attack(ATTACKS, WEB, "entry_names", moved)
def _with_the_entry_of_another_proposal(w: World) -> None:
    _withdraw(w, object=f"proposal:{w.two.pk}")


@attack(ATTACKS, WEB, "entry_names", moved, off("transition", "a_fact"))
def _with_the_entry_of_another_actor(w: World) -> None:
    _withdraw(w, actor=w.sue.actor)


@attack(ATTACKS, WEB, "transition_entry", moved)
def _with_the_entry_of_a_move_from_elsewhere(w: World) -> None:
    _withdraw(w, **{"from": "submitted"})


@attack(ATTACKS, WEB, "transition_entry", moved)
def _with_the_entry_of_a_move_to_elsewhere(w: World) -> None:
    _withdraw(w, to="superseded")


def _withdraw(w: World, **says: str) -> None:
    move(w.in_review, "withdrawn", login=WEB, actor=w.agent.actor, entry_says=says)


@attack(ATTACKS, WORKER, "transition_assessment", moved)
def _a_round_without_an_assessment(w: World) -> None:
    move(w.submitted, "in_review")


@attack(ATTACKS, WORKER, "transition_review", moved)
def _rejected_by_nobody(w: World) -> None:
    move(w.in_review, "rejected")


@attack(ATTACKS, WORKER, "transition_review", moved)
def _returned_although_it_was_rejected(w: World) -> None:
    move(w.disputed, "returned")


@attack(ATTACKS, WORKER, "transition_early", moved)
def _a_submission_expires_early(w: World) -> None:
    move(w.submitted, "expired")


@attack(ATTACKS, WORKER, "transition_early", moved)
def _a_review_expires_early(w: World) -> None:
    move(w.in_review, "expired")


@attack(ATTACKS, WORKER, "transition_early", moved)
def _an_approval_expires_early(w: World) -> None:
    move(w.approved, "expired")


@attack(ATTACKS, WORKER, "frozen", moved)
def _a32_a_run_begins_while_frozen(w: World) -> None:
    freeze()
    _begin(w.approved)


@attack(ATTACKS, WORKER, "deadline", moved)
def _a30_a_run_begins_after_the_deadline(w: World) -> None:
    _begin(w.approved_late)


@attack(ATTACKS, WORKER, "stale_token", moved)
def _a_run_without_a_row(w: World) -> None:
    move(w.approved, "executing")


@attack(ATTACKS, WORKER, "stale_token", moved)
def _a_run_with_an_old_token(w: World) -> None:
    _begin(w.approved, by=-1)


@attack(ATTACKS, WORKER, "stale_token", moved)
def _a_run_with_the_lease_of_another(w: World) -> None:
    _begin(w.approved, holder="somebody else")


def _begin(proposal: m.Proposal, *, by: int = 0, holder: str = factories.WORKER_ACTOR) -> None:
    locator = proposal.targets.get().locator
    token = m.Lease.objects.get(pk=locator).token + by
    factories.execution(proposal, tokens={locator: token}, holder=holder)
    move(proposal, "executing")


@attack(ATTACKS, WORKER, "transition_unverified", moved)
def _a_success_that_nobody_verified(w: World) -> None:
    move(w.executing.proposal, "succeeded")


# ---- assessments --------------------------------------------------------------------------------


@attack(ATTACKS, WORKER, "assessment_round", assessed)
def _an_assessment_of_what_is_rejected(w: World) -> None:
    factories.insert_assessment(w.rejected)


@attack(ATTACKS, WORKER, "assessment_round", assessed)
def _an_assessment_of_a_later_round(w: World) -> None:
    factories.insert_assessment(w.in_review, round=7)


@attack(ATTACKS, WORKER, "assessment_slots", assessed)
def _a_ruling_without_slots(w: World) -> None:
    factories.insert_assessment(w.submitted, slots=())


@attack(ATTACKS, WORKER, "assessment_deadline", assessed)
def _a_later_deadline(w: World) -> None:
    first = w.in_review.assessments.get()
    was = Ruling.parse(bytes(first.ruling)).decide_by
    factories.insert_assessment(w.in_review, decide_by=was + timedelta(seconds=1))


@attack(ATTACKS, WORKER, "assessment_targets", assessed)
def _a_proposal_without_its_targets(w: World) -> None:
    whole = w.in_review.assessments.get()
    names = ("observation", "pin", "scope", "checks", "facts", "ruling")
    with acting(WORKER):
        m.Assessment.objects.create(
            proposal=w.targetless,
            round=1,
            entry=entry("worker:proposal:assessed", "x", "x"),
            **{name: bytes(getattr(whole, name)) for name in names},
        )


# ---- leases -------------------------------------------------------------------------------------


@attack(ATTACKS, WORKER, "lease_length", leased)
def _a_lease_for_an_hour(_: World) -> None:
    factories.lease("test.target:new", secs=3600)


@attack(ATTACKS, WORKER, "lease_live", leased)
def _a42_a_lease_that_another_holds(w: World) -> None:
    factories.lease(w.approved.targets.get().locator, holder="somebody else")


@attack(ATTACKS, WORKER, "lease_token", leased)
def _a_new_holder_with_the_old_token(w: World) -> None:
    _lease(w.slept, "holder = 'somebody else', until = clock_timestamp() + interval '1 minute'")


@attack(ATTACKS, WORKER, "lease_token", leased)
def _a_token_that_shrinks(w: World) -> None:
    _lease(w.slept, "token = token - 1")


@attack(ATTACKS, WORKER, "lease_over", leased)
def _a42_a_lease_that_ran_out_is_brought_back(w: World) -> None:
    _lease(w.slept, "until = clock_timestamp() + interval '1 minute'")


def _lease(run: m.Execution, change: str) -> None:
    with acting(WORKER):
        sql(
            f"UPDATE remediation_lease SET {change} WHERE target = %s",
            run.proposal.targets.get().locator,
        )


# ---- runs and steps -----------------------------------------------------------------------------


@attack(ATTACKS, WORKER, "execution_state", off("execution"))
def _a_run_of_what_is_not_approved(w: World) -> None:
    factories.execution(w.in_review, tokens={})


@attack(
    ATTACKS,
    WORKER,
    "remediation_execution_proposal_id_key",
    off("execution"),
    dropped("execution", "remediation_execution_proposal_id_key"),
)
def _a_second_run(w: World) -> None:
    # Even after another approval.
    with acting(WORKER):
        m.Execution.objects.bulk_create(
            m.Execution(
                proposal=w.approved,
                tokens={},
                holder="x",
                evidence=b"{}",
                entry=entry("worker:notice:sent", "x", "x"),
            )
            for _ in range(2)
        )


@attack(ATTACKS, WORKER, "step_state", stepped)
def _a_step_after_the_end(w: World) -> None:
    step(w.succeeded, "failed")


@attack(ATTACKS, WORKER, "step_state", stepped)
def _a_step_begun_while_the_outcome_is_unknown(w: World) -> None:
    step(w.unknown, "intended", 1)


@attack(ATTACKS, WORKER, "stale_token", stepped)
def _a_step_with_an_old_token(w: World) -> None:
    token = next(iter(w.executing.tokens.values()))
    step(w.executing, "applied", token=token - 1)


@attack(ATTACKS, WORKER, "stale_token", stepped)
def _a42_a_step_after_the_lease(w: World) -> None:
    step(w.slept, "applied")


@attack(ATTACKS, WORKER, "stale_token", stepped)
def _a_step_that_the_plan_does_not_have(w: World) -> None:
    step(w.executing, "intended", 7, token=1)


@attack(ATTACKS, WORKER, "step_phase_once", dropped("steprecord", "step_phase_once"))
def _a_step_is_begun_twice(w: World) -> None:
    step(w.executing, "intended")


@attack(ATTACKS, WORKER, "step_order", stepped)
def _verified_before_applied(w: World) -> None:
    step(w.executing, "verified")


@attack(ATTACKS, WORKER, "step_order", stepped)
def _applied_before_intended(w: World) -> None:
    step(w.executing, "applied", 1)


@attack(ATTACKS, WORKER, "undo_unsigned", stepped)
def _undone_without_a_signature(w: World) -> None:
    step(w.executing, "undone")


@attack(ATTACKS, WORKER, "step_order", stepped)
def _the_second_step_before_the_first_is_verified(w: World) -> None:
    step(w.executing, "intended", 1)


@attack(ATTACKS, WORKER, "step_order", stepped)
def _the_second_step_after_the_first_was_not_confirmed(w: World) -> None:
    step(w.ended, "intended", 1)


@attack(ATTACKS, WORKER, "step_order", stepped)
def _confirmed_after_it_was_given_up(w: World) -> None:
    step(w.ended, "verified")


@attack(ATTACKS, WORKER, "step_order", stepped)
def _failed_after_it_was_applied(w: World) -> None:
    step(w.ended, "failed")


@attack(ATTACKS, WORKER, "undo_unsigned", stepped)
def _a65_an_undoing_that_nobody_signed(w: World) -> None:
    step(w.ended, "undo_intended")


@attack(ATTACKS, WORKER, "undo_unsigned", moved)
def _a65_a_run_rolled_back_that_nobody_signed(w: World) -> None:
    factories.move(w.ended.proposal, "rolled_back")


@attack(ATTACKS, WORKER, "transition_applied", moved)
def _a_run_that_changed_something_called_failed(w: World) -> None:
    factories.move(w.ended.proposal, "failed")


@attack(ATTACKS, WORKER, "transition_applied", moved)
def _a_run_that_changed_nothing_called_stopped(w: World) -> None:
    factories.move(w.executing.proposal, "stopped")


@attack(ATTACKS, WORKER, "frozen", stepped)
def _a32_a_step_begun_while_frozen(w: World) -> None:
    step(w.executing, "applied")
    step(w.executing, "verified")
    freeze()
    step(w.executing, "intended", 1)


@attack(ATTACKS, WORKER, "deadline", stepped)
def _a30_a_step_begun_after_the_deadline(w: World) -> None:
    step(w.overdue, "intended", 1)
