"""The labelled set is large, mixed, reproducible, and labelled correctly."""

from __future__ import annotations

from remediation.domain.checks import (
    Outcome,
    citation_value_not_found,
    claim_without_citation,
    evidence_names_other_identity,
)
from tests.checks.labelled import FLAWED, LABELS, RIGHT, labels
from tests.checks.sample import Sample
from tests.every import every


def test_the_set_is_large_and_half_of_it_is_right() -> None:
    assert len(RIGHT) + len(FLAWED) >= 60
    assert len(RIGHT) >= 40
    assert len(FLAWED) >= 40
    assert sum(sample.hard for sample in RIGHT) >= 10
    assert not any(sample.flaw for sample in RIGHT)
    assert all(sample.flaw for sample in FLAWED)


def test_names_are_unique() -> None:
    names = [sample.name for sample in RIGHT + FLAWED]
    assert len(set(names)) == len(names)


def test_the_same_set_comes_out_every_time() -> None:
    """The stored labels change only on purpose: `python -m tests.checks.labelled`."""
    assert labels() == LABELS.read_bytes()


@every("sample", RIGHT, ids=lambda sample: sample.name)
def test_citations_and_target_of_right_proposals_hold(sample: Sample) -> None:
    """Objective facts only: citations resolve, and the evidence names the target."""
    given = sample.make().given()
    for check in (evidence_names_other_identity, citation_value_not_found, claim_without_citation):
        outcome, reason = check(given)
        assert outcome is Outcome.PASS, reason
