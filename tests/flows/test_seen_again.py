"""A look that finds all as it was keeps the round and its approvals (A76)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pytest import MonkeyPatch

from remediation import models as m
from remediation.domain.errors import AssessmentStale, StaleDigest, WrongState
from remediation.domain.statement import Decision
from remediation.services.access import looks
from remediation.services.assessment import assess, seen_again
from remediation.services.outbox import dispatch
from remediation.services.review import old_page, sign
from remediation.services.review.old_page import Page
from tests import factories, stepup
from tests.factories import WEB, WORKER
from tests.flows.world import YES, World, acts


def test_a76_an_equal_look_keeps_the_round_and_the_approvals(world: World) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    look_again(world, proposal_id)
    proposal = world.get(proposal_id)
    assert (proposal.state, proposal.round) == ("in_review", 1)
    assert m.Assessment.objects.filter(proposal=proposal).count() == 1
    assert m.SeenAgain.objects.get().round == 1 and not looks.is_asked(proposal)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.get(proposal_id).state == "succeeded"


def test_a76_control_without_it_each_look_voids_what_others_signed(
    world: World, monkeypatch: MonkeyPatch
) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    monkeypatch.setattr(seen_again, "_same", lambda then, now: False)
    look_again(world, proposal_id)
    assert world.get(proposal_id).round == 2
    assert not m.Review.objects.filter(proposal=proposal_id, round=2).exists()


def two_look_at_once(world: World, monkeypatch: MonkeyPatch) -> UUID:
    """Let a second worker look from beginning to end while the first observes another state."""
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    ask(world, proposal_id)
    real, state = assess.observe, world.directory / "state" / f"{world.targets[0]}.json"

    def slowly(*args: Any, **more: Any) -> Any:
        monkeypatch.setattr(assess, "observe", real)
        world.assess(proposal_id)
        state.parent.mkdir(exist_ok=True)
        state.write_text(json.dumps({"state": "off"}))
        return real(*args, **more)

    monkeypatch.setattr(assess, "observe", slowly)
    world.assess(proposal_id)
    return proposal_id


def test_a72_one_request_is_answered_by_one_of_two_workers(
    world: World, monkeypatch: MonkeyPatch
) -> None:
    with pytest.raises(WrongState, match="another worker"):
        two_look_at_once(world, monkeypatch)
    assert m.SeenAgain.objects.count() == 1 and m.Proposal.objects.get().round == 1


def test_a72_control_without_it_the_second_worker_voids_the_round(
    world: World, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setattr(assess, "asked_for", lambda proposal: True)
    assert world.get(two_look_at_once(world, monkeypatch)).round == 2


def test_what_differs_opens_a_new_round(world: World) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    state = world.directory / "state" / f"{world.targets[0]}.json"
    state.parent.mkdir(exist_ok=True)
    state.write_text(json.dumps({"state": "off"}))
    look_again(world, proposal_id)
    assert world.get(proposal_id).round == 2


def test_an_equal_look_makes_an_old_assessment_fresh_again(world: World) -> None:
    proposal_id = world.in_review()
    with factories.unguarded("public.remediation_assessment"):
        for row in m.Assessment.objects.all():
            old = row.recorded_at - timedelta(minutes=11)
            m.Assessment.objects.filter(pk=row.pk).update(recorded_at=old)
    with pytest.raises(AssessmentStale):
        world.decide("alice", proposal_id)
    look_again(world, proposal_id)
    assert world.get(proposal_id).round == 1
    world.decide("alice", proposal_id)


def test_each_request_is_answered_once_and_can_be_asked_again(world: World) -> None:
    proposal_id = world.in_review()
    for count in (1, 2):
        look_again(world, proposal_id)
        world.assess(proposal_id)  # a second message finds nothing to do
        assert m.SeenAgain.objects.count() == count
    with acts(WORKER):
        assert [one for one in dispatch.due() if one.kind == "assess"] == []


def test_a_page_from_before_an_equal_look_cannot_be_approved(world: World) -> None:
    proposal_id = world.in_review()
    old = world.page(proposal_id)[0].look
    look_again(world, proposal_id)
    assert world.page(proposal_id)[0].look != old
    with pytest.raises(StaleDigest, match="read again"):
        start(world, proposal_id, look=old)
    with pytest.raises(StaleDigest, match="read again"):
        start(world, proposal_id, look=str(world.page(proposal_id)[0].look))
    assert start(world, proposal_id, look=world.page(proposal_id)[0].look).session_id


def test_control_without_the_mark_the_old_page_is_signed(
    world: World, monkeypatch: MonkeyPatch
) -> None:
    proposal_id = world.in_review()
    look_again(world, proposal_id)
    monkeypatch.setattr(old_page, "refuse", lambda *_, **__: None)
    assert start(world, proposal_id, look=0).session_id


def test_an_old_page_can_still_reject(world: World) -> None:
    proposal_id = world.in_review()
    look_again(world, proposal_id)
    assert start(world, proposal_id, look=0, decision=Decision.REJECT).session_id


def started_before_a_look(world: World) -> sign.Signed:
    """Start a review, let the worker look again, and then touch the passkey."""
    proposal_id = world.in_review()
    started = start(world, proposal_id, look=0)
    look_again(world, proposal_id)
    answer = world.assertion("alice", started)
    with acts(WEB):
        return sign.sign(
            actor=world.people["alice"].user, session_id=started.session_id, assertion=answer
        )


def test_an_approval_started_before_an_equal_look_cannot_be_signed_after_it(world: World) -> None:
    with pytest.raises(StaleDigest, match="read again"):
        started_before_a_look(world)
    assert not m.Review.objects.exists()


def test_control_without_the_comparison_it_is_signed(
    world: World, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setattr(old_page, "refuse_since", lambda *_: None)
    assert started_before_a_look(world).proposal_id


def start(
    world: World, proposal_id: UUID, look: object, decision: str = Decision.APPROVE
) -> sign.Started:
    """Start alice's review on a page that showed this look."""
    looked = world.conditions(proposal_id)
    no = decision == Decision.REJECT
    with acts(WEB):
        return sign.start(
            actor=world.people["alice"].user,
            proposal_id=proposal_id,
            page=Page(world.get(proposal_id).round, look),
            decision=decision,
            verdicts={"diagnosis": "no", "scope": "yes", "action": "no"} if no else YES,
            reason={"code": "diagnosis_wrong" if no else "", "text": "It differs." if no else ""},
            slot="security",
            opened=looked.artefacts,
            typed=looked.names,
        )


def look_again(world: World, proposal_id: UUID) -> None:
    ask(world, proposal_id)
    world.assess(proposal_id)


def ask(world: World, proposal_id: UUID) -> None:
    alice = world.people["alice"]
    act = sign.observing(proposal_id, world.get(proposal_id).round)
    with acts(WEB):
        proof = stepup.proof(alice, act)
        sign.observe_again(actor=alice.user, proposal_id=proposal_id, proof=proof)
