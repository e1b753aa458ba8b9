"""People who administered people in the last 7 days neither decide nor uncover (A77)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from django.db import connection, transaction

from remediation import models as m
from remediation.domain.errors import Separation
from remediation.services.access import authorize, visibility
from remediation.services.access.administered import WHY, administered
from remediation.services.actors import PersonActor
from remediation.services.people import accounts
from remediation.services.review import sign
from remediation.views.cards.administered import describe_administered
from tests import factories, stepup
from tests.database.attack import APPEND_ONLY, DENIED, refused
from tests.factories import WEB, Person
from tests.factories.logins import unguarded

pytestmark = pytest.mark.django_db

HISTORY = "remediation.administered"


@pytest.fixture
def proposal() -> m.Proposal:
    return factories.proposal_at("in_review")


@pytest.fixture
def ada(proposal: m.Proposal) -> Iterator[Person]:
    """An administrator until a minute ago: now she has the role and each right to decide."""
    someone = factories.person("ada", roles=["user_admin"])
    become(someone, "security")
    factories.entitle(proposal, someone)
    return someone


def become(someone: Person, *groups: str) -> None:
    other = factories.person(roles=["user_admin"])
    with factories.acting(WEB):
        facts = accounts.PersonFacts(someone.user.email, groups=frozenset(groups))
        accounts.change(
            actor=PersonActor(other.id, other.user.pk),
            user_id=someone.user.pk,
            facts=facts,
            proof=stepup.proof(other, accounts.changing(someone.user, facts)),
        )


def age(**delta: float) -> None:
    """Move the history back, as only the owner of the database can."""
    execute(f"ALTER TABLE {HISTORY} DISABLE TRIGGER append_only")
    execute(f"UPDATE {HISTORY} SET recorded_at = recorded_at - %s", timedelta(**delta))
    execute(f"ALTER TABLE {HISTORY} ENABLE ALWAYS TRIGGER append_only")


def execute(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement, values or None)


def decides(proposal: m.Proposal, someone: Person) -> None:
    """Sign an approval past the services, with the statements of the web login alone."""
    with transaction.atomic():
        factories.review(proposal, someone)


def may_reveal(proposal: m.Proposal, someone: Person) -> bool:
    return visibility.may_reveal(m.User.objects.get(pk=someone.user.pk), proposal)


def test_a77_who_administered_people_neither_decides_nor_uncovers(
    proposal: m.Proposal, ada: Person
) -> None:
    assert authorize.approver_roles(ada.id) == {"security"}
    assert authorize.excluded(proposal.pk)[str(ada.id)] == (WHY,)
    with pytest.raises(Separation, match=WHY), factories.acting(WEB):
        sign.observe_again(actor=ada.user, proposal_id=proposal.pk, proof=None)
    with refused("review_separation"):
        decides(proposal, ada)
    assert not visibility.may_halt(ada.user, proposal)
    assert not may_reveal(proposal, ada)


def test_after_seven_days_it_does_not_count(proposal: m.Proposal, ada: Person) -> None:
    age(days=6, hours=23)
    assert not may_reveal(proposal, ada)
    age(hours=1, minutes=1)
    assert authorize.excluded(proposal.pk).get(str(ada.id)) is None
    assert administered(ada.id) is None
    assert may_reveal(proposal, ada)
    decides(proposal, ada)


def test_a77_control_without_the_history_she_decides_and_uncovers(proposal: m.Proposal) -> None:
    with unguarded("remediation_user_groups", "administered"):
        someone = factories.person("eve", roles=["user_admin"])
    with factories.as_owner():
        execute("ALTER TABLE remediation_user_groups DISABLE TRIGGER administered")
    become(someone, "security")
    factories.entitle(proposal, someone)
    assert may_reveal(proposal, someone)
    decides(proposal, someone)


@pytest.mark.parametrize(
    ("refusal", "statements"),
    [
        (DENIED, [f"DELETE FROM {HISTORY}"]),
        (DENIED, [f"INSERT INTO {HISTORY} (person, held) VALUES (gen_random_uuid(), true)"]),
        (DENIED, [f"UPDATE {HISTORY} SET recorded_at = '2020-01-01'"]),
        # A group with another name for a moment would hide who leaves it.
        ("group_name", ["UPDATE auth_group SET name = 'staff' WHERE name = 'user_admin'"]),
        ("group_name", ["UPDATE auth_group SET id = id + 1000 WHERE name = 'user_admin'"]),
        # No passkey signed it: it gets no further.
        (
            "power_unsigned",
            [
                "INSERT INTO auth_group (name) VALUES ('staff')",
                "UPDATE auth_group SET name = name || '2' WHERE name IN ('staff', 'user_admin')",
            ],
        ),
    ],
)  # fmt: skip
def test_a77_the_web_login_cannot_forget_it(
    ada: Person, refusal: str, statements: Sequence[str]
) -> None:
    with refused(refusal), transaction.atomic(), factories.acting(WEB):
        for statement in statements:
            execute(statement)
    assert administered(ada.id) is not None


def test_a77_not_even_the_owner_changes_a_row_of_it(ada: Person) -> None:
    with refused(APPEND_ONLY), transaction.atomic(), factories.as_owner():
        execute(f"DELETE FROM {HISTORY}")


def test_a77_leaving_by_a_statement_of_sql_counts_too(proposal: m.Proposal) -> None:
    someone = factories.person("eve", roles=["user_admin"])
    with factories.as_owner():
        execute("DELETE FROM remediation_user_groups WHERE user_id = %s", someone.user.pk)
    found = administered(someone.id)
    assert found is not None and found.since is not None and found.until is not None
    assert found.since < found.until
    assert found.free_at == found.until + timedelta(days=7)


def test_while_it_goes_on_it_has_no_end(proposal: m.Proposal) -> None:
    """Even after days: the group itself excludes, whatever it is held together with."""
    someone = factories.person("eve", roles=["user_admin", "security"])
    age(days=30)
    factories.entitle(proposal, someone)
    found = administered(someone.id)
    assert found is not None and found.until is None and found.free_at is None
    assert not may_reveal(proposal, someone)
    with refused("review_separation"):
        decides(proposal, someone)


def test_a77_it_is_said_since_when_and_until_when(ada: Person) -> None:
    held = administered(ada.id)
    assert held is not None and held.since is not None and held.free_at is not None
    said = describe_administered(held)
    assert f"from {held.since:%Y-%m-%d %H:%M} UTC until" in said
    assert f"again from {held.free_at:%Y-%m-%d %H:%M} UTC on" in said
