"""The quorum counts distinct people, one slot each, in one round, over the same digests."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.digest import Digests
from remediation.domain.gate.quorum import CountedReview, Resolution, open_slots, resolve
from remediation.domain.statement import Decision
from tests.domain.story import ALICE, BOB, EVE
from tests.every import every

D = Digests("1", "2", "3", "4", "5", "6")
BOTH = ("security", "service_owner")


def review(person: str, slot: str, decision: str = "approve") -> CountedReview:
    return CountedReview(person, slot, decision, 1, D)


def outcome(slots: tuple[str, ...], *reviews: CountedReview) -> Resolution | None:
    return resolve(slots, reviews, number=1, digests=D)


def test_every_slot_needs_its_own_person() -> None:
    assert outcome(BOTH) is None
    assert outcome(BOTH, review(ALICE, "security")) is None
    both = (review(ALICE, "security"), review(BOB, "service_owner"))
    assert outcome(BOTH, *both) is Resolution.APPROVED
    assert outcome(("any",), review(BOB, "any")) is Resolution.APPROVED


def test_a10_one_person_in_two_required_roles_fills_one_slot() -> None:
    twice = (review(ALICE, "security"), review(ALICE, "service_owner"))
    assert outcome(BOTH, *twice) is None
    assert open_slots(BOTH, twice, number=1, digests=D) == ("service_owner",)
    assert outcome(("any", "any"), review(ALICE, "any"), review(ALICE, "any")) is None


def test_a_slot_is_filled_only_by_a_review_for_it() -> None:
    assert outcome(BOTH, review(ALICE, "security"), review(BOB, "security")) is None
    assert outcome(("security",), review(ALICE, "any")) is None


@every("slot", ["any", "security"])
def test_a_slot_that_is_needed_twice_is_filled_by_two_people(slot: str) -> None:
    two = (review(ALICE, slot), review(BOB, slot))
    assert open_slots((slot, slot), two[:1], number=1, digests=D) == (slot,)
    assert open_slots((slot, slot), two, number=1, digests=D) == ()
    assert open_slots((slot, slot, slot), two, number=1, digests=D) == (slot,)
    assert outcome((slot, slot), *two) is Resolution.APPROVED


def test_one_reject_rejects_and_otherwise_one_return_returns() -> None:
    approvals = (review(ALICE, "security"), review(BOB, "service_owner"))
    back = review(EVE, "any", "return")
    no = review(EVE, "any", "reject")
    assert outcome(BOTH, *approvals, back) is Resolution.RETURNED
    assert outcome(BOTH, back, *approvals, no) is Resolution.REJECTED
    assert outcome(BOTH, no) is Resolution.REJECTED


def test_a_ruling_without_slots_is_never_approved() -> None:
    assert outcome(()) is None
    assert outcome((), review(ALICE, "any")) is None


def test_a04_reviews_of_another_round_do_not_count() -> None:
    old = replace(review(ALICE, "any"), round=2)
    assert outcome(("any",), old) is None
    assert outcome(("any",), replace(old, decision="reject")) is None


@every("name", Digests.__dataclass_fields__)
def test_a04_reviews_over_any_other_digest_do_not_count(name: str) -> None:
    other = replace(review(ALICE, "any"), digests=replace(D, **{name: "x"}))
    assert outcome(("any",), other) is None


def test_open_slots_keep_the_rulings_order() -> None:
    slots = ("security", "service_owner", "any")
    assert open_slots(slots, (), number=1, digests=D) == slots
    one = (review(BOB, "service_owner"),)
    assert open_slots(slots, one, number=1, digests=D) == ("security", "any")


SLOT = st.sampled_from(["security", "service_owner", "any"])
REVIEWS = st.lists(
    st.builds(
        CountedReview,
        person=st.sampled_from([ALICE, BOB, EVE, "x", "y"]),
        slot=SLOT,
        decision=st.sampled_from(Decision).map(str),
        round=st.sampled_from([1, 2]),
        digests=st.sampled_from([D, replace(D, pin="x")]),
    ),
    max_size=8,
)


@given(st.lists(SLOT, max_size=3).map(tuple), REVIEWS)
def test_approved_means_as_many_distinct_people_as_slots_and_no_objection(
    slots: tuple[str, ...], reviews: list[CountedReview]
) -> None:
    counted = [r for r in reviews if r.round == 1 and r.digests == D]
    found = resolve(slots, reviews, number=1, digests=D)
    if any(r.decision == "reject" for r in counted):
        assert found is Resolution.REJECTED
    elif any(r.decision == "return" for r in counted):
        assert found is Resolution.RETURNED
    elif found is not None:
        assert found is Resolution.APPROVED
        assert slots
        assert len({r.person for r in counted}) >= len(slots)
        assert all(any(r.slot == slot for r in counted) for slot in slots)


@given(st.lists(SLOT, min_size=1, max_size=3).map(tuple), REVIEWS)
def test_uncounted_reviews_change_nothing(
    slots: tuple[str, ...], reviews: list[CountedReview]
) -> None:
    counted = [r for r in reviews if r.round == 1 and r.digests == D]
    assert resolve(slots, reviews, number=1, digests=D) == resolve(
        slots, counted, number=1, digests=D
    )
