"""Runs that wait between two steps: for a condition at the target, and for a person."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from pytest_django import Settings

from remediation import models as m
from remediation.api import answers
from remediation.domain import errors
from remediation.domain.gate.steps import people
from remediation.domain.plan import Plan
from remediation.domain.policy import DECIDE_WITHIN_S
from remediation.domain.ruling import Risk
from remediation.services.execution import waits
from tests import factories
from tests.flows.waiting import OLD, WHY, Waiting
from tests.flows.world import World


@pytest.fixture
def world(
    db: None, tmp_path: Path, settings: Settings, django_capture_on_commit_callbacks: object
) -> Waiting:
    return Waiting(tmp_path, settings, ("t1",), "production")


def test_a_run_waits_until_each_consumer_was_seen_on_the_new_one(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "waiting"
    assert world.phases(proposal_id) == [(0, "intended"), (0, "applied"), (0, "verified")]
    assert len(world.thing()["tokens"]) == 2

    world.moved(world.consumers[0])
    world.tick(3)
    assert world.state_of(proposal_id) == "waiting"
    look = m.WaitLook.objects.last()
    assert look is not None and not look.met
    assert [one["name"] for one in look.unmet] == ["not_moved"]
    assert world.consumers[1].name in look.unmet[0]["detail"]

    world.moved()
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"
    assert world.moves(proposal_id) == ["executing", "waiting", "executing", "succeeded"]
    assert world.thing()["off"] == ["tk-000000000000"]
    assert world.applied() == ["t1", "t1"]


# -- refusals: what does not let a run go on -------------------------------------------------------


def test_a_wait_for_a_person_goes_on_only_by_a_signature(world: Waiting) -> None:
    world.steps = [world.make(wait=world.wait(person=True)), world.retire()]
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.moved()
    world.tick(3)
    assert world.state_of(proposal_id) == "waiting"
    assert m.WaitLook.objects.count() == 0  # there is nothing to look for

    world.answer("alice", proposal_id)
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"
    assert m.Resumption.objects.count() == 1


def test_conditions_and_a_person_are_both_needed(world: Waiting) -> None:
    world.steps = [world.make(wait=world.wait("consumers_moved", person=True)), world.retire()]
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.moved()
    world.tick(2)
    assert world.state_of(proposal_id) == "waiting"
    assert m.Telling.objects.filter(kind="run_asks").exists()
    world.answer("bob", proposal_id)
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"


def test_a_signature_names_what_is_not_met_and_counts_for_that_only(world: Waiting) -> None:
    wait = world.wait("consumers_moved", "old_quiet")
    world.steps = [world.make(wait=wait), world.retire()]
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.moved(world.consumers[0])  # nobody uses the old one, but one consumer was not seen
    world.tick()
    world.answer("alice", proposal_id)
    statement = world.statement(m.Halt.objects.get())
    assert statement["unmet"] == ["consumers_moved"]
    # By the next look the old one is in use again: nobody signed for that.
    world.moved(world.consumers[0], old_used_at="2099-01-01T00:00:00Z")
    world.tick()
    assert world.state_of(proposal_id) == "waiting"
    world.answer("alice", proposal_id)
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"


def test_nobody_signs_a_page_that_shows_something_else_by_now(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.tick()
    with pytest.raises(errors.StaleDigest):
        world.answer("alice", proposal_id, seen="0" * 64)


def test_a_lead_cannot_let_it_go_on_and_the_agents_owner_cannot_either(world: Waiting) -> None:
    world.people["lena"] = factories.person("lena", roles=["lead"])
    world.approve_keys_of("alice", "bob", "dave", "eve", leads=["lena"])
    proposal_id = world.approved()
    world.execute(proposal_id)
    for name, refusal in (("lena", errors.NotEntitled), ("dave", errors.Separation)):
        with pytest.raises(refusal), transaction.atomic():
            world.answer(name, proposal_id)
    assert m.Halt.objects.count() == 0
    # A lead may let it wait longer.
    world.answer("lena", proposal_id, "longer", longer_s=600)
    world.tick()
    assert m.HaltVerdict.objects.get().refusal == ""


def test_a_key_that_is_not_in_the_file_changes_nothing(world: Waiting) -> None:
    world.steps = [world.make(wait=world.wait(person=True)), world.retire()]
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.answer("mallory", proposal_id)
    world.tick()
    assert world.state_of(proposal_id) == "waiting"
    assert m.HaltVerdict.objects.get().refusal == "unknown_approver_key"


def test_an_answer_of_one_wait_does_not_count_for_the_next(world: Waiting) -> None:
    world.steps = [
        world.make(wait=world.wait(person=True)),
        world.step("announce", "t1", {"token_id": {"made_by": 0, "name": "token_id"}},
                   wait=world.wait(person=True)),
        world.retire(),
    ]  # fmt: skip
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.answer("alice", proposal_id)
    world.tick(3)
    assert world.state_of(proposal_id) == "waiting"
    assert world.moves(proposal_id) == ["executing", "waiting", "executing", "waiting"]
    assert world.thing()["announced"] in world.thing()["tokens"]
    world.answer("alice", proposal_id)
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"


# -- what counts while it waits --------------------------------------------------------------------


def test_a_halt_keeps_what_was_applied(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.halt("alice", proposal_id, WHY, "keep")
    world.moved()
    world.tick()
    assert world.state_of(proposal_id) == "stopped"
    assert world.reason_of(proposal_id) == "halted"
    assert len(world.thing()["tokens"]) == 2 and world.thing()["off"] == []


def test_an_undo_takes_the_new_token_away_again(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.halt("alice", proposal_id, WHY, "undo")
    world.tick()
    assert world.state_of(proposal_id) == "rolled_back"
    assert world.thing()["tokens"] == [OLD]


def test_a_forged_undo_does_nothing_to_a_run_that_waits(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    factories.halt(
        world.get(proposal_id), world.people["bob"], decision="undo",
        columns={"signature": b"\0" * 70},
    )  # fmt: skip
    world.tick()
    assert world.state_of(proposal_id) == "waiting"
    world.moved()
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"


def test_a_frozen_run_stays_and_goes_on_when_the_freeze_is_lifted(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.moved()
    factories.freeze()
    world.tick(3)
    assert world.state_of(proposal_id) == "waiting"
    assert world.refusals(proposal_id) == ["frozen"]
    factories.freeze(False)
    world.moved()
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"


def test_a_reviewer_who_leaves_while_it_waits_stops_it(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    user = world.people["bob"].user
    user.is_active = False
    user.save()
    world.moved()
    world.tick()
    assert world.state_of(proposal_id) == "stopped"
    assert world.reason_of(proposal_id) == "reviewer_lost"
    assert world.thing()["off"] == []


def test_a_ruling_that_tightens_while_it_waits_stops_it(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.settings.APPROVAL_MODE = "every_step"
    world.moved()
    world.tick()
    assert world.state_of(proposal_id) == "stopped"
    assert world.reason_of(proposal_id) == "ruling_tightened"


def test_a_suspended_agent_stops_it(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    factories.agent_version(world.get(proposal_id).agent, world.people["dave"], enabled=False)
    world.moved()
    world.tick()
    assert world.state_of(proposal_id) == "stopped"
    assert world.reason_of(proposal_id) == "agent_disabled"


def test_a_target_that_somebody_changed_while_it_waits_stops_it(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    held = dict(world.thing())
    world.set_thing(tokens=[*held["tokens"], "tk-ffffffffffff"])
    world.moved()
    world.tick()
    assert world.state_of(proposal_id) == "stopped"
    assert world.reason_of(proposal_id) == "drift"


# -- targets and time ------------------------------------------------------------------------------


def test_its_targets_stay_claimed_for_it(world: Waiting) -> None:
    first = world.approved()
    world.steps[0]["wait"] = world.wait("consumers_moved", within_s=7200)
    second = world.approved()
    world.execute(first)
    assert world.state_of(first) == "waiting"
    world.end_leases()
    world.execute(second)
    assert world.state_of(second) == "approved"
    assert world.refusals(second) == ["target_busy"]
    world.halt("alice", first, WHY, "undo")
    world.tick()
    assert world.state_of(first) == "rolled_back"
    world.execute(second)
    assert world.state_of(second) == "waiting"


def test_waiting_is_no_time_to_run(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    approved, _, waiting = m.Transition.objects.filter(proposal_id=proposal_id).order_by("id")[1:4]
    assert (approved.to_state, waiting.to_state) == ("approved", "waiting")
    factories.backdate(approved, days=5)
    factories.backdate(waiting, days=5)
    assert world.working_time_left(proposal_id) > timedelta(0)
    # Of five days it has waited one.
    factories.backdate(waiting, days=-4)
    assert world.working_time_left(proposal_id) < timedelta(0)


def test_a_run_that_waits_longer_than_it_may_run_goes_on(
    world: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The reviews become older than their signed statements, which cannot be made older.
    monkeypatch.setattr(people, "LIFE", timedelta(days=1))
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert m.Assessment.objects.get().run_within_s == 900
    done = m.Transition.objects.filter(
        proposal_id=proposal_id, to_state__in=("approved", "executing", "waiting")
    )
    for row in (*m.Review.objects.all(), *done, *m.StepRecord.objects.all()):
        factories.backdate(row, minutes=20)
    for field in ("recorded_at", "deadline"):
        factories.backdate(m.Wait.objects.get(), field, minutes=20)
    assert world.working_time_left(proposal_id) > timedelta(0)
    world.moved()
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"
    assert world.refusals(proposal_id) == []


def test_a_deadline_asks_people_once_and_stops_when_nobody_answers(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.tick()
    world.pass_deadline()
    world.tick(3)
    assert world.state_of(proposal_id) == "waiting"
    overdue = m.WaitOverdue.objects.get()
    assert "consumers_moved" in overdue.detail
    told = m.Telling.objects.filter(kind="wait_overdue")
    assert {row.person for row in told} == {world.people[n].id for n in ("alice", "bob", "mallory")}
    world.age("waitoverdue", minutes=61)
    world.tick()
    assert world.state_of(proposal_id) == "stopped"
    assert world.reason_of(proposal_id) == "nobody_answered"
    assert world.thing()["off"] == []


def test_after_the_deadline_only_a_signature_lets_it_go_on(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.pass_deadline()
    world.tick()
    world.moved()
    world.tick(2)
    assert world.state_of(proposal_id) == "waiting"
    world.answer("alice", proposal_id)
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"


def test_longer_moves_the_deadline_from_its_recording(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.pass_deadline()
    world.tick()
    assert m.WaitOverdue.objects.count() == 1
    made = world.answer("alice", proposal_id, "longer", longer_s=86400)
    made.refresh_from_db()
    world.tick()
    wait = m.Wait.objects.get()
    assert waits.deadline_of(wait) == made.recorded_at + timedelta(days=1)
    world.age("waitoverdue", hours=2)
    world.tick()
    assert world.state_of(proposal_id) == "waiting"
    world.moved()
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"


def test_a_wait_behind_the_last_step_ends_the_run(world: Waiting) -> None:
    world.steps = [
        world.make(wait=world.wait("consumers_moved")),
        world.retire(wait=world.wait("old_quiet", step=1)),
    ]
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.moved()
    world.tick()
    assert world.state_of(proposal_id) == "waiting"
    world.moved(alive=False)
    world.tick(2)
    assert world.state_of(proposal_id) == "waiting"
    assert m.WaitLook.objects.last().unmet[0]["name"] == "source_silent"  # type: ignore[union-attr]
    world.moved()
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"
    assert world.moves(proposal_id)[-2:] == ["waiting", "succeeded"]


class Plain(Waiting):
    """A containment of plain steps: its plan is of version 1, and knows no waits."""

    kind = "test.target"

    def plan(self) -> Plan:
        return World.plan(self)


def test_every_step_asks_a_person_after_each_step_but_the_last(
    db: None, tmp_path: Path, settings: Settings, django_capture_on_commit_callbacks: object
) -> None:
    settings.APPROVAL_MODE = "every_step"
    (tmp_path / "plain").mkdir()
    plain = Plain(tmp_path / "plain", settings, ("p1", "p2", "p3"), "production")
    proposal_id = plain.in_review()
    # The agent reads it before anybody approves, each hold with its own time.
    holds = answers.proposal(plain.get(proposal_id))["run"]["holds"]  # type: ignore[index,call-overload]
    hold = {"person": True, "conditions": [], "within_s": DECIDE_WITHIN_S[Risk.HIGH]}
    assert holds == [{"after_step": step, **hold} for step in (0, 1)]
    plain.decide("alice", proposal_id)
    plain.decide("bob", proposal_id)
    plain.execute(proposal_id)
    assert plain.state_of(proposal_id) == "waiting" and plain.applied() == ["p1"]
    plain.tick(2)
    assert plain.applied() == ["p1"]
    plain.answer("bob", proposal_id)
    plain.tick(3)
    # That was for the first step. The second hold has a time of its own, from its own beginning.
    assert plain.state_of(proposal_id) == "waiting" and plain.applied() == ["p1", "p2"]
    second = m.Wait.objects.get(step=1)
    assert second.deadline - second.recorded_at == timedelta(seconds=DECIDE_WITHIN_S[Risk.HIGH])
    plain.answer("alice", proposal_id)
    plain.tick()
    assert plain.state_of(proposal_id) == "succeeded"
    assert m.Resumption.objects.count() == 2


def test_a_look_that_shows_nothing_new_is_recorded_every_ten_minutes(world: Waiting) -> None:
    world.steps[0]["wait"] = world.wait("consumers_moved", within_s=86400)
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.tick(4)
    assert m.WaitLook.objects.count() == 1
    world.age("waitlook", minutes=11)
    world.tick(2)
    assert m.WaitLook.objects.count() == 2


def test_people_are_notified_at_once_of_a_user_of_the_old_one_whom_nobody_names(
    world: Waiting,
) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.tick()
    told = m.Telling.objects.filter(kind="wait_unplanned")
    assert not told.exists()
    world.seen(others=["192.0.2.7 (psql)\u202e"])
    world.tick(2)
    text = told.get(person=world.people["alice"].id).text
    assert "192.0.2.7 (psql)" in text and "\u202e" not in text
    # Who changes the name with every connection fills no mailbox; the page shows each.
    world.seen(others=[f"192.0.2.{n}" for n in range(9)])
    world.tick()
    assert told.filter(person=world.people["alice"].id).count() == 1


def test_people_are_notified_when_two_looks_could_not_judge_the_wait(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    told = m.Telling.objects.filter(kind="wait_unplanned", person=world.people["bob"].id)
    world.seen(why="a key that the plan did not make is there: AKIA7")
    world.tick()
    assert not told.exists()
    for _ in range(3):
        world.age("waitlook", minutes=11)
        world.tick()
    assert "AKIA7" in told.get().text
