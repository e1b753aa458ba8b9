"""The gate and narrowings: what counts, what it asks again, and whom a narrowing releases (A07)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from remediation.domain.errors import NotNarrower, Quorum, SeparationOfDuties
from remediation.domain.gate.case import Case
from remediation.domain.gate.evidence import Evidence
from tests.domain import narrowed as n
from tests.domain.gate.verifying import GOOD, roll_back, verify
from tests.domain.story import ALICE, BOB, approvers, sign


def test_a_narrowing_counts_as_its_authors_approval() -> None:
    given = n.evidence()
    assert [review.person for review in given.reviews] == [ALICE]
    assert verify(given).step == 0


def test_control_without_the_narrowing_the_quorum_is_not_met() -> None:
    with pytest.raises(Quorum):
        verify(replace(n.evidence(), narrowings=()))


def test_control_without_the_comparison_a_widening_would_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The forged widening is refused by the comparison, and by nothing that stands around it."""
    given = n.FLAWS_OF_NARROWINGS["not_narrower_reordered"][2]()
    with pytest.raises(NotNarrower):
        verify(given)
    for module in ("gate.steps.narrowings", "narrowing"):
        monkeypatch.setattr(f"remediation.domain.{module}.why_wider", lambda old, new: "")
    assert verify(given).step == 0


def test_its_author_reviews_when_it_does_not_count() -> None:
    """A second round: bob is no editor, so he signs what was assessed anew."""
    new = replace(n.left(), round=2)
    given = n.evidence(new=new, reviews=new.reviews())
    assert (
        Case(given, approvers(), given.database_now, None, None, frozenset(), False).counting == ()
    )
    assert verify(given).step == 0


def test_a_narrowing_of_somebody_who_does_not_count_is_not_asked_about() -> None:
    """bob narrowed once; by now his key is gone, and alice and another decide without him."""
    new = replace(n.left(), round=2)
    forged = n.one(person=n.EVE, slot="security")
    given = n.evidence(forged, new=new, reviews=new.reviews())
    assert verify(given).step == 0


def test_a_narrowing_of_a_narrowing() -> None:
    """alice narrows bob's plan once more: hers counts, and bob signs the rest, being no editor."""
    old, middle, last = n.before(), n.left(), n.story(n.ROLES[0])
    first = n.narrowed(n.statement(old, middle.plan, makes=n.OLD, proposal=n.EVE), old, middle.plan)
    second = n.narrowed(n.statement(middle, last.plan, ALICE, slot="security"), middle, last.plan)
    bobs = sign(last.statement(BOB, "service_owner"))
    given = n.evidence(first, second, new=last, reviews=(bobs,))
    assert verify(given).step == 0
    # bob's own narrowing was of another plan, and fills no slot of this one.
    with pytest.raises(Quorum):
        verify(replace(given, reviews=()))


def test_an_approver_without_a_narrowing_stays_excluded_as_editor() -> None:
    given = n.evidence(excluded=(n.Excluded(BOB, "edited the plan"),))
    with pytest.raises(SeparationOfDuties):
        verify(given)


def test_a_rollback_asks_the_narrowing_again() -> None:
    assert roll_back(replace(n.evidence(), applied=(0,))).rollback
    with pytest.raises(NotNarrower):
        roll_back(replace(n.FLAWS_OF_NARROWINGS["not_narrower"][2](), applied=(0,)))


def test_evidence_with_and_without_narrowings_reads_back() -> None:
    for given in (n.evidence(), GOOD):
        assert Evidence.parse(given.dump()) == given
    assert b"narrowings" not in GOOD.dump()
    assert b"hitlportal-evidence/v2" in GOOD.dump()
