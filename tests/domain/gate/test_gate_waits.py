"""Step 5 for runs that wait: a condition seen afresh, or a person's signed word to go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from remediation.domain.conditions import ConsumerSeen, Use
from remediation.domain.errors import Deadline, GateRefused, HoldMissing
from remediation.domain.gate.approvers import Approvers
from remediation.domain.gate.evidence import WAITING, Evidence, Excluded, PersonEvidence
from remediation.domain.gate.gate import Clearance
from remediation.domain.halt.statement import RunDecision, seen_digest
from remediation.domain.holds import Mode
from remediation.domain.scope import ScopeConsumer
from remediation.domain.waits import Condition
from tests.domain.gate import verifying
from tests.domain.story import ALICE, APPROVED, BOB, EVE, an_approver, approvers
from tests.domain.thing_plans import MOVED, QUIET
from tests.domain.waited import (
    APPLIED,
    LOCATOR,
    LOOKED,
    NIGHTLY,
    NOW,
    RECORD,
    SHOP,
    SINCE,
    WAITED_S,
    a_rotation,
    a_wait,
    answer,
    answer_statement,
    moved,
    rotation_story,
    rule,
    says,
    sighting,
    waited,
)
from tests.every import every

PLAN = a_rotation()
PERSON = a_rotation(person=True)
BOTH = a_rotation(MOVED, person=True)
S = timedelta(seconds=1)
US = timedelta(microseconds=1)


def verify(evidence: Evidence, **changes: Any) -> Clearance:
    return verifying.verify(evidence, allow_test=True, **changes)


def refused(evidence: Evidence, **changes: Any) -> GateRefused:
    with pytest.raises(GateRefused) as found:
        verify(evidence, **changes)
    return found.value


def held(evidence: Evidence, **changes: Any) -> str:
    refusal = refused(evidence, **changes)
    assert isinstance(refusal, HoldMissing), refusal
    return refusal.detail


def test_a_condition_that_is_met_lets_the_next_step_run() -> None:
    assert verify(waited()).step == 1


def test_before_its_wait_the_first_step_needs_no_answer() -> None:
    soon = APPROVED + S
    first = rule(rotation_story()).evidence(type=WAITING, database_now=soon, worker_now=soon)
    assert verify(first).step == 0


# --- conditions


@every(
    ("changes", "why"),
    [
        ({"consumers": ()}, "not_moved shop"),
        ({"consumers": (moved("other"),)}, "not_moved shop"),
        ({"consumers": (moved(use=Use.FETCHED),)}, "not_moved shop"),
        ({"consumers": (moved(use=Use.TOLD),)}, "not_moved shop"),
        ({"consumers": (moved(last_new=None),)}, "not_moved shop"),
        ({"consumers": (moved(last_new=APPLIED - US),)}, "not_moved shop"),
        ({"consumers": (moved(last_old=LOOKED),)}, "not_moved shop"),
        ({"at": NOW + US}, "look_too_old"),
        ({"at": NOW - timedelta(minutes=10) - US}, "look_too_old"),
        ({"at": APPLIED - US}, "look_too_old"),
        ({"why": "no access"}, "not_observable no access"),
        ({"condition": "old_quiet"}, "not_looked_at"),
        ({"step": 1}, "not_looked_at"),
    ],
)
def test_a_condition_that_is_not_met_holds(changes: dict[str, Any], why: str) -> None:
    wait = a_wait(PLAN, sightings=(sighting(**changes),))
    found = held(waited(wait=wait))
    assert "not met: consumers_moved" in found
    assert why in found


@every(
    "changes",
    [
        {"consumers": (moved(last_new=APPLIED),)},
        {"consumers": (moved(last_new=LOOKED, last_old=LOOKED),)},
        {"at": NOW},
        {"at": NOW - timedelta(minutes=10)},
        {"consumers": (moved(), moved("other", use=Use.NOT_SEEN))},
    ],
)
def test_twins_at_the_edge_are_met(changes: dict[str, Any]) -> None:
    assert verify(waited(wait=a_wait(PLAN, sightings=(sighting(**changes),)))).step == 1


def test_the_newest_look_counts() -> None:
    old = sighting(at=LOOKED - S, consumers=())
    assert verify(waited(wait=a_wait(PLAN, sightings=(old, sighting())))).step == 1
    newer = sighting(at=LOOKED + S, consumers=())
    assert "not_moved" in held(waited(wait=a_wait(PLAN, sightings=(newer, sighting()))))


def test_without_a_look_nothing_is_met() -> None:
    assert "not_looked_at" in held(waited(wait=a_wait(PLAN, sightings=())))
    assert "not_looked_at" in held(waited(applied_at={}))
    assert "not_looked_at" in held(waited(applied_at={1: APPLIED}))


def test_a_consumer_that_was_signed_counts_although_the_inventory_lost_it() -> None:
    """An edit of the inventory does not end a wait."""
    wait = a_wait(PLAN, consumers=(), sightings=(sighting(consumers=()),))
    assert "not_moved shop" in held(waited(wait=wait))
    assert verify(waited(wait=replace(wait, sightings=(sighting(),)))).step == 1


def test_a_consumer_that_the_inventory_names_since_counts_too() -> None:
    more = (ScopeConsumer(LOCATOR, SHOP), ScopeConsumer(LOCATOR, NIGHTLY))
    assert "not_moved nightly" in held(waited(wait=a_wait(PLAN, consumers=more)))
    both = (sighting(consumers=(moved(), moved("nightly"))),)
    assert verify(waited(wait=a_wait(PLAN, consumers=more, sightings=both))).step == 1
    elsewhere = (ScopeConsumer("test.thing:two", NIGHTLY),)
    assert verify(waited(wait=a_wait(PLAN, consumers=elsewhere))).step == 1


def test_without_any_consumer_nobody_can_be_seen_to_have_moved() -> None:
    story = rotation_story()
    story.scope = replace(story.scope, consumers=())
    assert "no_consumers" in held(waited(story=story, wait=a_wait(PLAN, consumers=())))


def test_quiet_is_judged_over_the_longest_period_of_any_consumer() -> None:
    plan = a_rotation(MOVED, QUIET)
    looks = (sighting(), sighting("old_quiet"))
    assert verify(waited(plan)).step == 1
    # 60 s and 60 s are the source's own; the longest period is a day.
    slow = (ScopeConsumer(LOCATOR, replace(SHOP, period_s=86_400)),)
    found = held(waited(plan, wait=a_wait(plan, sightings=looks, consumers=slow)))
    assert "old_quiet: window_open" in found and "consumers_moved:" not in found
    used = sighting("old_quiet", old_used_at=NOW - timedelta(seconds=119))
    assert "old_in_use" in held(waited(plan, wait=a_wait(plan, sightings=(looks[0], used))))
    long_ago = replace(used, old_used_at=NOW - timedelta(seconds=120))
    assert verify(waited(plan, wait=a_wait(plan, sightings=(looks[0], long_ago)))).step == 1
    silent = sighting("old_quiet", alive_at=None)
    assert "source_silent" in held(waited(plan, wait=a_wait(plan, sightings=(looks[0], silent))))


def test_a_source_that_was_alive_later_than_now_has_a_lying_clock() -> None:
    plan = a_rotation(MOVED, QUIET)
    now = (sighting(), sighting("old_quiet", alive_at=NOW))
    assert verify(waited(plan, wait=a_wait(plan, sightings=now))).step == 1
    ahead = (sighting(), sighting("old_quiet", alive_at=NOW + US))
    assert "source_silent" in held(waited(plan, wait=a_wait(plan, sightings=ahead)))


# --- which wait


@every(
    "changes",
    [
        {"person": True},
        {"conditions": ()},
        {"conditions": (Condition("old_quiet", 0),)},
        {"since": APPROVED - US},
        {"deadline": SINCE + timedelta(seconds=3_600) + US},
    ],
)
def test_another_wait_than_the_signed_one_holds(changes: dict[str, Any]) -> None:
    assert "after step 1" in held(waited(wait=a_wait(PLAN, **changes)))


def test_evidence_without_its_wait_holds() -> None:
    soon = SINCE + S
    assert "no wait after step 1" in held(waited(waits=(), waited_s=0, at=soon))
    other = replace(a_wait(PLAN), step=1)
    assert "no wait after step 1" in held(waited(waits=(other,), at=soon))
    later = a_wait(PLAN, since=soon + US, deadline=soon + S)
    assert "has not begun" in held(waited(wait=later, at=soon))
    assert "two waits" in held(waited(waits=(a_wait(PLAN), a_wait(PLAN))))


def test_a_wait_may_begin_with_the_approval_and_be_shorter() -> None:
    wait = a_wait(PLAN, since=APPROVED, deadline=APPROVED + timedelta(seconds=3_600))
    assert verify(waited(wait=wait)).step == 1
    assert verify(waited(wait=a_wait(PLAN, deadline=NOW + US))).step == 1


# --- deadlines


def test_what_is_met_after_the_deadline_needs_a_person() -> None:
    late = a_wait(PLAN, deadline=NOW)
    assert "after its deadline" in held(waited(wait=late))
    assert verify(waited(wait=late, answers=(says(PLAN),))).step == 1
    longer = says(PLAN, decision=RunDecision.LONGER)
    assert verify(waited(wait=late, answers=(longer,))).step == 1


def test_waiting_longer_counts_from_its_recording_and_moves_nothing_back() -> None:
    late = a_wait(PLAN, deadline=NOW - timedelta(minutes=5))
    longer = says(PLAN, decision=RunDecision.LONGER, longer_s=60)
    recorded = replace(longer, recorded_at=NOW - timedelta(seconds=60))
    assert "after its deadline" in held(waited(wait=late, answers=(recorded,)))
    assert verify(waited(wait=late, answers=(replace(recorded, recorded_at=LOOKED),))).step == 1
    in_time = a_wait(PLAN, deadline=NOW + S)
    assert verify(waited(wait=in_time, answers=(recorded,))).step == 1


def test_waiting_longer_is_no_word_to_go_on() -> None:
    found = held(waited(PERSON, answers=(says(PERSON, decision=RunDecision.LONGER),)))
    assert "no person has said to go on" in found


def test_working_time_counts_and_waiting_time_does_not() -> None:
    within = timedelta(seconds=900 + WAITED_S)
    last = APPROVED + within - US
    wait = a_wait(PLAN, sightings=(sighting(at=last),))
    assert verify(waited(at=last, wait=wait)).step == 1
    assert isinstance(refused(waited(at=last + US, wait=wait)), Deadline)
    assert isinstance(refused(waited(at=last, wait=wait, waited_s=WAITED_S - 1)), Deadline)


def test_a_run_has_waited_no_longer_than_since_its_first_wait() -> None:
    at = SINCE + timedelta(seconds=100)
    long = timedelta(seconds=10**6)
    wait = a_wait(PLAN, sightings=(sighting(at=at),))
    assert verify(waited(at=at, wait=wait, waited_s=10**6)).step == 1
    # Working time was over before the wait began.
    slow = a_wait(PLAN, since=APPROVED + timedelta(seconds=900), sightings=(sighting(at=at),))
    slow = replace(slow, deadline=slow.since + timedelta(seconds=3_600))
    at = slow.since + timedelta(seconds=100)
    slow = replace(slow, sightings=(sighting(at=at),))
    assert isinstance(refused(waited(at=at + long, wait=slow, waited_s=10**7)), Deadline)
    assert isinstance(refused(waited(at=at, wait=slow, waited_s=10**7)), Deadline)


# --- a person


def test_a_person_says_to_go_on() -> None:
    assert "no person has said to go on" in held(waited(PERSON))
    assert verify(waited(PERSON, answers=(says(PERSON),))).step == 1
    assert verify(waited(PERSON, answers=(says(PERSON, BOB),))).step == 1


def test_a_word_to_go_on_is_old_after_the_time_to_run() -> None:
    said = says(PERSON)
    early = replace(said, recorded_at=NOW - timedelta(seconds=900))
    statement = answer_statement(plan=PERSON.digest, expires=NOW)
    early = replace(answer(statement), recorded_at=early.recorded_at)
    assert "no person" in held(waited(PERSON, answers=(early,)))
    fresh = replace(early, recorded_at=early.recorded_at + US)
    assert verify(waited(PERSON, answers=(fresh,))).step == 1


def test_conditions_first_and_then_a_person() -> None:
    assert "no person" in held(waited(BOTH))
    assert verify(waited(BOTH, answers=(says(BOTH),))).step == 1
    unseen = a_wait(BOTH, sightings=(sighting(consumers=()),))
    assert "not met: consumers_moved" in held(waited(BOTH, wait=unseen, answers=(says(BOTH),)))


def test_a_person_may_go_on_without_what_is_not_met_and_signs_its_name() -> None:
    unseen = a_wait(PLAN, sightings=(sighting(consumers=()),))
    said = says(PLAN, unmet=("consumers_moved",))
    assert verify(waited(wait=unseen, answers=(said,))).step == 1
    assert "not met" in held(waited(wait=unseen, answers=(says(PLAN),)))
    # Met in the meantime: what was signed covers it.
    assert verify(waited(answers=(said,))).step == 1


def test_two_halves_are_no_whole() -> None:
    plan = a_rotation(MOVED, QUIET)
    unseen = a_wait(plan, sightings=())
    halves = tuple(says(plan, unmet=(name,)) for name in ("consumers_moved", "old_quiet"))
    assert "not met" in held(waited(plan, wait=unseen, answers=halves))
    whole = says(plan, unmet=("consumers_moved", "old_quiet"))
    assert verify(waited(plan, wait=unseen, answers=(whole,))).step == 1


@every(
    "said",
    [
        {"step": 1},
        {"round": 2},
        {"plan": "0" * 64},
        {"proposal": "0f0f0f0f-0000-4000-8000-000000000009"},
        {"seen": "0" * 64},
        {"unmet": ("consumers_moved",)},  # the wait has no such condition
        {"rp_id": "other.example"},
        {"origin": "https://other.example"},
        {"expires": LOOKED - US},
    ],
)
def test_an_answer_about_something_else_refuses(said: dict[str, Any]) -> None:
    """The evidence holds only what the worker has verified, so it was put there since."""
    composed = answer_statement(**{"plan": PERSON.digest, **said})
    found = refused(waited(PERSON, answers=(answer(composed, ALICE),)))
    assert found.name == "signature"
    assert "an answer is not as it was signed" in found.detail


def test_an_answer_by_a_key_that_is_not_the_persons_does_not_count() -> None:
    composed = answer_statement(plan=PERSON.digest, person=BOB)
    assert "does not count" in held(waited(PERSON, answers=(answer(composed, ALICE),)))


@every(
    "fields",
    [
        {"person": BOB},
        {"reason": "Another reason than this."},
        {"decision": RunDecision.LONGER},
        {"statement": b"{}"},
        {"statement": b"\xff"},
        {"record": {**RECORD, "x": 1}},
        {"sightings": ()},
        {"recorded_at": SINCE - US},
    ],
)
def test_an_answer_that_was_recorded_otherwise_refuses(fields: dict[str, Any]) -> None:
    said = replace(answer(answer_statement(plan=PERSON.digest, expires=NOW + S)), **fields)
    assert refused(waited(PERSON, answers=(said,))).name == "signature"
    # Beside a valid one, too.
    assert refused(waited(PERSON, answers=(said, says(PERSON, BOB)))).name == "signature"


def test_an_answer_of_later_than_now_holds() -> None:
    said = answer(answer_statement(plan=PERSON.digest, expires=NOW + S), recorded_at=NOW + US)
    assert "later than now" in held(waited(PERSON, answers=(said,)))


def test_whoever_may_not_answer_now_does_not_keep_a_valid_answer_from_counting() -> None:
    """Somebody's key can end while the run waits; that must not stop it."""
    assert verify(waited(PERSON, answers=(says(PERSON, EVE), says(PERSON, BOB)))).step == 1


@every(
    "eve",
    [
        PersonEvidence(EVE, False, ("security",), ("shop",)),
        PersonEvidence(EVE, True, (), ("shop",)),
        PersonEvidence(EVE, True, ("lead",), ("shop",)),
        PersonEvidence(EVE, True, ("security",), ()),
        PersonEvidence(EVE, True, ("security",), ("ledger",)),
        PersonEvidence(ALICE, True, ("security",), ("shop",)),
    ],
)
def test_whoever_could_fill_no_slot_says_nothing(eve: PersonEvidence) -> None:
    wait = a_wait(PERSON, answers=(says(PERSON, EVE),))
    known = Approvers((*approvers().entries, an_approver(EVE, "security")))
    evidence = waited(PERSON, wait=wait, people=(*waited(PERSON).people, eve))
    assert "an answer does not count" in held(evidence, approvers=known)


def test_eve_counts_when_she_could_fill_a_slot() -> None:
    wait = a_wait(PERSON, answers=(says(PERSON, EVE),))
    eve = PersonEvidence(EVE, True, ("security",), ("shop",))
    evidence = waited(PERSON, wait=wait, people=(*waited(PERSON).people, eve))
    entries = approvers().entries
    known = Approvers((*entries, an_approver(EVE, "security")))
    assert verify(evidence, approvers=known).step == 1
    for entry in (
        an_approver(EVE, "lead"),
        an_approver(EVE, "security", until=NOW),
        an_approver(EVE, "security", since=LOOKED + US),
    ):
        assert "does not count" in held(evidence, approvers=Approvers((*entries, entry)))
    assert "does not count" in held(evidence)
    excluded = replace(evidence, excluded=(Excluded(EVE, "owner of the agent"),))
    assert "owner of the agent" in held(excluded, approvers=known)


def test_a_key_for_another_place_says_nothing_where_the_caller_names_one() -> None:
    place = {"rp_id": "localhost", "origin": "http://localhost:8000"}
    entry = an_approver(EVE, "security", rp_id="other.example", origin="https://other.example")
    known = Approvers((*approvers().entries, entry))
    said = says(PERSON, EVE, rp_id=entry.rp_id, origin=entry.origin)
    eve = PersonEvidence(EVE, True, ("security",), ("shop",))
    people = (*waited(PERSON).people, eve)
    evidence = waited(PERSON, answers=(said,), people=people)
    assert verify(evidence, approvers=known).step == 1
    assert "the key is for" in held(evidence, approvers=known, **place)
    assert verify(waited(PERSON, answers=(says(PERSON),)), **place).step == 1


def test_a_freeze_and_a_lost_reviewer_count_before_the_hold() -> None:
    assert refused(waited(PERSON, frozen="stop")).name == "frozen"
    gone = tuple(replace(one, active=False) for one in waited().people)
    assert refused(waited(people=gone)).name == "reviewer_lost"


# --- every step


def test_where_people_are_asked_after_every_step_the_ruling_must_say_so() -> None:
    """The mode was switched on since the approval."""
    assert refused(waited(mode=Mode.EVERY_STEP)).name == "ruling_tightened"
    story = rule(rotation_story(), Mode.EVERY_STEP)
    digest = story.plan.digest
    given = waited(story=story, mode=Mode.EVERY_STEP)
    assert refused(given).name == "hold_missing"
    own = a_wait(story.plan, person=True, answers=(says(story.plan),))
    assert digest == story.plan.digest
    assert verify(waited(story=story, mode=Mode.EVERY_STEP, wait=own)).step == 1
    # Switched off since: what was signed still counts.
    assert verify(waited(story=story, wait=own)).step == 1
    assert refused(waited(story=story)).name == "hold_missing"


def test_a_word_to_go_on_covers_those_who_were_shown_not_to_have_moved() -> None:
    """One who moves back after the signature was not signed for (A40: a reviewer in a hurry)."""
    late = ConsumerSeen("shop", Use.NOT_SEEN)
    page = sighting(consumers=(late, moved("nightly")))
    said = answer_statement(
        plan=PLAN.digest, unmet=("consumers_moved",), seen=seen_digest((page,), RECORD)
    )
    signed = answer(said, sightings=(page,))
    both = replace(page, consumers=(late, ConsumerSeen("nightly", Use.NOT_SEEN)))
    known = (ScopeConsumer(LOCATOR, SHOP), ScopeConsumer(LOCATOR, NIGHTLY))
    as_shown = a_wait(PLAN, sightings=(page,), consumers=known)
    verify(waited(wait=as_shown, answers=(signed,)))
    since = a_wait(PLAN, sightings=(both,), consumers=known)
    error = refused(waited(wait=since, answers=(signed,)))
    assert isinstance(error, HoldMissing) and "nightly" in error.detail


def test_a_word_to_go_on_while_the_old_one_was_quiet_does_not_cover_a_use_since() -> None:
    """Its last use before stood on the page, too; an open window is no use."""
    plan, before = a_rotation(MOVED, QUIET), APPLIED - timedelta(days=1)
    page = (sighting(), sighting("old_quiet", resolution_s=3_600, old_used_at=before))
    said = answer_statement(plan=plan.digest, unmet=("old_quiet",), seen=seen_digest(page, RECORD))
    signed = answer(said, sightings=page)
    assert verify(waited(plan, wait=a_wait(plan, sightings=page), answers=(signed,))).step == 1
    used = (page[0], sighting("old_quiet", old_used_at=LOOKED - 10 * S))
    found = held(waited(plan, wait=a_wait(plan, sightings=used), answers=(signed,)))
    assert "old_quiet was shown otherwise: the old one was used" in found
    # A person who was shown that it is in use has signed for that.
    seen = answer_statement(plan=plan.digest, unmet=("old_quiet",), seen=seen_digest(used, RECORD))
    knows = answer(seen, sightings=used)
    assert verify(waited(plan, wait=a_wait(plan, sightings=used), answers=(knows,))).step == 1


def test_what_the_person_saw_is_at_most_twenty_minutes_older_than_the_answer() -> None:
    def saw(at: datetime) -> Evidence:
        page = sighting(at=at)
        said = answer_statement(plan=PERSON.digest, seen=seen_digest((page,), RECORD))
        return waited(PERSON, answers=(answer(said, sightings=(page,)),))

    assert verify(saw(LOOKED - timedelta(minutes=20))).step == 1
    found = refused(saw(LOOKED - timedelta(minutes=20) - US))
    assert found.name == "signature" and "was shown a look of" in found.detail


@every("decision", [RunDecision.LONGER, RunDecision.GO_ON])
def test_a_changed_answer_refuses_also_where_the_wait_needs_none(decision: RunDecision) -> None:
    """Offline replay: no byte of an answer in the evidence can be changed unseen."""
    said = says(PLAN, decision=decision)
    assert verify(waited(answers=(said,))).step == 1
    other = replace(said, sightings=(sighting(resolution_s=61),))
    assert refused(waited(answers=(other,))).name == "signature"
    # Nor when the person has left the approvers file since.
    gone = says(PLAN, EVE, decision=decision)
    assert verify(waited(answers=(gone,))).step == 1
    other = replace(gone, sightings=(sighting(resolution_s=61),))
    assert refused(waited(answers=(other,))).name == "signature"


def test_a_page_that_showed_all_met_is_no_word_to_go_on_without() -> None:
    """A forged statement can name conditions that the page showed as met."""
    late = a_wait(PLAN, sightings=(sighting(consumers=(ConsumerSeen("shop", Use.NOT_SEEN),)),))
    error = refused(waited(wait=late, answers=(says(PLAN, unmet=("consumers_moved",)),)))
    assert isinstance(error, HoldMissing)
