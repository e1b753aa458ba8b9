"""Who may fill a slot: the guard's function and `domain/slots.py` say the same, over a table."""

from __future__ import annotations

from itertools import product

import pytest
from django.db import connection

from remediation import models as m
from remediation.domain.slots import OWNERS, SLOTS
from remediation.services.access import authorize, deciders
from remediation.services.access.asked import asked_by
from tests import factories
from tests.factories import WEB, Person
from tests.flows.world import acts

pytestmark = pytest.mark.django_db

ROLES = ((), ("security",), ("service_owner",), ("lead",), ("security", "service_owner"),
         ("auditor", "user_admin"))  # fmt: skip
PAYMENTS = {"owner_team": "payments", "payment_path": True, "environment": "production"}


class Round:
    """A proposal on a credential of two payment teams and of a third service without risk."""

    def __init__(self, *, known: bool = True) -> None:
        self.orders = factories.service(**{**PAYMENTS, "owner_team": "orders"})
        self.ledger = factories.service(**PAYMENTS)
        self.plain = factories.service()
        self.other = factories.service()
        locator = factories.identity("test.target:shared")
        if known:
            for service in (self.orders, self.ledger, self.plain):
                factories.dependency(service, locator)
        self.proposal = factories.proposal("shared", in_inventory=False)
        factories.assess(self.proposal)
        self.proposal.refresh_from_db()

    def sql(self, person: Person, slot: str) -> bool:
        with acts("hitl_owner"), connection.cursor() as cursor:
            cursor.execute(
                "SELECT remediation.may_fill_v1(%s, %s, %s, %s)",
                [person.id, self.proposal.pk, self.proposal.round, slot],
            )
            return bool(cursor.fetchone()[0])

    def python(self, person: Person, slot: str) -> bool:
        assessment = authorize.newest(self.proposal)
        assert assessment is not None
        roles = authorize.deciding_roles(person.id)
        rights = authorize.service_ids(person.id, "review_service")
        return asked_by(assessment).may_fill(slot, roles, rights)


def rights(found: Round) -> tuple[tuple[m.Service, ...], ...]:
    return ((), (found.other,), (found.plain,), (found.orders,), (found.ledger, found.other))


@pytest.mark.parametrize("known", [True, False])
def test_sql_and_python_agree_over_role_right_and_slot(known: bool) -> None:
    found = Round(known=known)
    answers = set()
    for roles, held in product(ROLES, rights(found)):
        someone = factories.person(roles=roles)
        for service in held:
            factories.grant(someone.user, "review_service", service)
        for slot in (*SLOTS, "service_owner:9", "security:1", "root", ""):
            expected = found.python(someone, slot)
            assert found.sql(someone, slot) == expected, (roles, held, slot)
            answers.add((slot, expected))
    asked = found.proposal.assessments.get().slots
    numbered = OWNERS[:2] if known else ()
    assert not known or asked == ["security", *numbered]
    for slot in ("security", "service_owner", "any", "lead", *numbered):
        assert {(slot, True), (slot, False)} <= answers


def test_an_inactive_person_fills_nothing_and_the_right_to_see_is_not_the_right_to_decide() -> None:
    found = Round()
    gone = factories.person(roles=["security", "lead"], active=False)
    viewer = factories.person(roles=["security"])
    for someone, right in ((gone, "review_service"), (viewer, "view_service")):
        factories.grant(someone.user, right, found.orders)
    assert not any(found.sql(gone, slot) for slot in SLOTS)
    assert not found.sql(viewer, "security")


def test_each_owner_is_listed_for_the_slot_of_that_team() -> None:
    found = Round()
    owner = factories.person(roles=["service_owner"])
    factories.grant(owner.user, "review_service", found.ledger)
    with acts(WEB):
        listed = {one.person: one for one in deciders.deciders(found.proposal)}
        assert deciders.missing(found.proposal) == ("security", "service_owner:1")
    assert listed[owner.id].slots == ("service_owner:2",)
