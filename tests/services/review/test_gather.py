"""The gate's facts about people equal those of `services.authorize`, read in one statement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from guardian.models import UserObjectPermission
from pytest_django import Settings

from remediation.domain.gate.evidence import PersonEvidence
from remediation.models import Service
from remediation.services.access import authorize
from remediation.services.review.gather import gather
from tests import factories
from tests.factories import WORKER, Person
from tests.flows.world import World, acts


@pytest.fixture
def world(
    db: None, tmp_path: Path, settings: Settings, django_capture_on_commit_callbacks: object
) -> World:
    return World(tmp_path, settings)


def leave(someone: Person) -> None:
    type(someone.user).objects.filter(pk=someone.user.pk).update(is_active=False)


def lose_role(someone: Person) -> None:
    someone.user.groups.clear()


def lose_right(someone: Person) -> None:
    UserObjectPermission.objects.filter(user=someone.user).delete()


def take_other_roles(someone: Person) -> None:
    for role in ("auditor", "service_owner"):
        factories.join(someone.user, role)


def nothing(someone: Person) -> None:
    """As it was."""


BOTH = ("security", "service_owner")


@pytest.mark.parametrize(
    ("change", "active", "roles", "rights", "counting"),
    [
        (nothing, True, ("security",), True, ("security",)),
        (leave, False, (), True, ()),
        (lose_role, True, (), True, ()),
        (lose_right, True, ("security",), False, ()),
        (
            take_other_roles,
            True,
            ("security", "service_owner"),
            True,
            ("security", "service_owner"),
        ),
    ],
)
def test_facts_about_people_equal_those_of_authorize(
    world: World,
    change: Callable[[Person], None],
    active: bool,
    roles: tuple[str, ...],
    rights: bool,
    counting: tuple[str, ...],
) -> None:
    proposal_id = world.approved()
    alice, bob = world.people["alice"], world.people["bob"]
    change(alice)
    proposal = world.get(proposal_id)
    service = Service.objects.get().name
    with acts(WORKER):
        evidence = gather(proposal, world.plan(), observations={}, failures={})
        said = tuple(sorted(authorize.entitled_roles(alice.id, authorize.newest(proposal))))
    assert evidence.people == (
        PersonEvidence(str(alice.id), active, roles, (service,) if rights else ()),
        PersonEvidence(str(bob.id), True, ("service_owner",), (service,)),
    )
    assert said == counting


def test_reviews_come_in_order_and_the_approval_with_its_time(world: World) -> None:
    proposal_id = world.approved()
    proposal = world.get(proposal_id)
    with acts(WORKER):
        evidence = gather(proposal, world.plan(), observations={}, failures={})
    assert [review.slot for review in evidence.reviews] == ["security", "service_owner"]
    assert evidence.approved_at == proposal.transitions.get(to_state="approved").recorded_at
    assert evidence.reviews[1].recorded_at <= evidence.approved_at < evidence.database_now
    assert evidence.agent.enabled
    assert evidence.frozen == ""


def test_without_reviews_there_are_no_people(world: World) -> None:
    proposal_id = world.in_review()
    with acts(WORKER):
        evidence = gather(world.get(proposal_id), world.plan(), observations={}, failures={})
    assert (evidence.reviews, evidence.people) == ((), ())
    assert evidence.approved_at == evidence.database_now
