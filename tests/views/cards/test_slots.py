"""Slots in words: nobody reads `service_owner:1`."""

from __future__ import annotations

from remediation.domain.slots import SLOTS, Owner
from remediation.views.cards.slots import seat_of, title_of

OWNERS = (Owner("service_owner:1", "payments", ("ledger",)),)


def test_an_owners_slot_names_its_team() -> None:
    assert title_of("service_owner:1", OWNERS) == "service owner of payments"
    assert seat_of("service_owner:1", OWNERS) == "service owner of payments"


def test_any_is_any_approver_and_a_person_decides_as_approver() -> None:
    assert (title_of("any"), seat_of("any")) == ("any approver", "approver")


def test_no_slot_is_shown_as_its_code() -> None:
    for slot in SLOTS:
        assert not set("_:·") & set(title_of(slot)), slot
