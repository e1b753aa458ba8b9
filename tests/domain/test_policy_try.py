"""Rules are tried on recorded facts, those of the first form too."""

from __future__ import annotations

from dataclasses import replace

from remediation.domain import policy
from remediation.domain.policy_try import VERSIONS, Recorded, compare
from remediation.domain.ruling import rule
from tests.domain.story import ASSESSED
from tests.domain.test_policy import CALM, teams

PAID = replace(CALM, payment_path=True, owners=teams(2))
EARLIER = Recorded("earlier", PAID, rule(VERSIONS[1](PAID), ASSESSED))
NOW = Recorded("now", PAID, rule(policy.evaluate(PAID), ASSESSED))


def test_the_rules_that_made_a_ruling_ask_the_same_again() -> None:
    assert compare([NOW], VERSIONS[policy.VERSION]) == []
    assert compare([EARLIER], VERSIONS[1]) == []


def test_it_says_what_a_later_version_asks_beyond() -> None:
    (found,) = compare([EARLIER], VERSIONS[2])
    assert found.more and found.lines() == [
        "earlier: stricter",
        "  slots: security, service_owner -> security, owner of team 0, owner of team 1",
    ]


def test_it_says_what_an_earlier_version_does_not_ask() -> None:
    (found,) = compare([NOW], VERSIONS[1])
    assert (found.more, found.less) == ("", True)
    assert found.lines()[0] == "now: looser"


def test_facts_of_the_first_form_can_be_tried() -> None:
    old = replace(CALM, payment_path=True, version=1)
    assert compare([Recorded("old", old, rule(VERSIONS[1](old), ASSESSED))], VERSIONS[2]) == []
