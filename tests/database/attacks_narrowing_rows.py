"""A43: attacks of the web login on narrowings: who signs one, what it makes, how often it counts.

A07, A76.
"""

from __future__ import annotations

from typing import Any

from remediation import models as m
from tests import factories
from tests.database.attack import Attack, attack, dropped, off
from tests.database.world import World
from tests.factories import WEB, Person

ATTACKS: list[Attack] = []

signed, made, twice = off("narrowing"), off("proposal", "narrowed"), off("review", "guard_narrowed")


def _narrow(proposal: m.Proposal, someone: Person, **said: Any) -> m.Proposal:
    return factories.narrow(proposal, someone, **said)


@attack(ATTACKS, WEB, "narrowing_reversal", signed)
def _a_reversal_undoes_less_than_the_run_did(w: World) -> None:
    _narrow(w.orphaned, w.sue)


@attack(ATTACKS, WEB, "narrowing_disputed", signed)
def _a_narrowing_goes_around_a_rejection(w: World) -> None:
    _narrow(w.disputed, w.sue)


@attack(ATTACKS, WEB, "agent_disabled", signed)
def _a16_a_narrowing_of_what_a_suspended_agent_proposed(w: World) -> None:
    factories.agent_version(w.agent, w.dave, enabled=False)
    _narrow(w.in_review, w.sue)


@attack(ATTACKS, WEB, "review_separation", signed)
def _a11_the_owner_of_the_agent_narrows(w: World) -> None:
    _narrow(w.in_review, w.dave)


@attack(ATTACKS, WEB, "review_entitlement", signed)
def _an_auditor_narrows(w: World) -> None:
    _narrow(w.in_review, w.carol)


@attack(ATTACKS, WEB, "review_slot", signed)
def _a_narrowing_from_a_seat_that_the_ruling_does_not_have(w: World) -> None:
    _narrow(w.in_review, w.sue, slot="security")


@attack(ATTACKS, WEB, "review_digest", signed)
def _a_narrowing_in_another_slot_than_the_signed_one(w: World) -> None:
    _narrow(w.two, w.bob, slot="service_owner", columns={"slot": "security"})


@attack(ATTACKS, WEB, "review_session", signed, made)
def _a20_a_narrowing_under_the_statement_of_somebody_else(w: World) -> None:
    _narrow(w.in_review, w.alice, columns={"person": w.sue.id})


@attack(ATTACKS, WEB, "entry_names", signed, off("narrowing", "a_fact"))
def _a_narrowing_on_the_account_of_another(w: World) -> None:
    _narrow(w.in_review, w.sue, columns={"actor": w.bob.actor})


@attack(ATTACKS, WEB, "narrowing_size", dropped("narrowing", "narrowing_size"))
def _a63_a_narrowing_with_an_endless_signature(w: World) -> None:
    _narrow(w.in_review, w.sue, columns={"signature": b"x" * 8_193})


@attack(ATTACKS, WEB, "narrowed_signed", made)
def _a07_another_plan_than_the_signed_one_is_narrowed(w: World) -> None:
    _narrow(w.in_review, w.sue, inserted=factories.plan("innocent"))


@attack(ATTACKS, WEB, "narrowed_plan", made)
def _a07_a_narrowing_adds_a_step(w: World) -> None:
    """The signature is real, over a plan with a step that the old one does not have."""
    (own,) = (target.locator.partition(":")[2] for target in w.in_review.targets.all())
    _narrow(w.in_review, w.sue, left=factories.plan(own, "innocent"))


@attack(ATTACKS, WEB, "review_narrowed", twice)
def _a10_a_narrowing_and_a_review_of_one_person_fill_two_seats(w: World) -> None:
    factories.review(w.narrowed, w.alice)
