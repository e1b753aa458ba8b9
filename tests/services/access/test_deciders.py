"""Who has decided, who still can, and who cannot and why; and whether anybody can at all."""

from __future__ import annotations

import pytest

from remediation.services.access import deciders
from tests import factories
from tests.factories import WEB
from tests.flows.world import World, acts

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(tmp_path, settings):  # type: ignore[no-untyped-def]
    return World(tmp_path, settings)


def by_name(world: World, proposal_id) -> dict[str, deciders.Decider]:  # type: ignore[no-untyped-def]
    with acts(WEB):
        found = deciders.deciders(world.get(proposal_id))
    names = {str(someone.id): name for name, someone in world.people.items()}
    return {names.get(str(one.person), one.name): one for one in found}


def test_it_says_who_can_and_who_cannot_and_why(world: World) -> None:
    world.people["carol"] = factories.person(roles=["security"])
    found = by_name(world, world.in_review())
    assert found["alice"].can_decide and found["alice"].slots == ("security",)
    assert found["bob"].slots == ("service_owner",)
    assert found["dave"].why_not == ("owner of the agent",)
    assert found["eve"].why_not == ("made a token of the agent",)
    assert found["carol"].why_not == (deciders.NO_RIGHT,)
    assert found["alice"].name == world.people["alice"].user.username


def test_who_decided_stands_before_who_cannot(world: World) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    found = by_name(world, proposal_id)
    assert (found["alice"].decided, found["alice"].slots) == ("approve", ("security",))
    assert found["mallory"].why_not == (deciders.ALL_FILLED,)
    order = list(found)
    assert order.index("alice") < order.index("bob") < order.index("mallory")


def test_a81_it_says_which_slots_nobody_can_fill(world: World) -> None:
    proposal_id = world.in_review()
    with acts(WEB):
        assert deciders.missing(world.get(proposal_id)) == ()
    bob = world.people["bob"].user
    bob.is_active = False
    bob.save()
    with acts(WEB):
        assert deciders.missing(world.get(proposal_id)) == ("service_owner",)


def test_a81_a_correction_by_the_last_owner_would_leave_a_slot_that_nobody_fills(
    world: World,
) -> None:
    proposal = world.get(world.in_review())
    with acts(WEB):
        bob, alice = world.people["bob"].id, world.people["alice"].id
        assert deciders.would_remain(proposal, without=bob) == ("service_owner",)
        # mallory can take alice's place.
        assert deciders.would_remain(proposal, without=alice) == ()


def test_before_the_first_assessment_nobody_is_asked(world: World) -> None:
    proposal = world.get(world.submit())
    with acts(WEB):
        assert deciders.deciders(proposal) == ()
        assert deciders.missing(proposal) == ()
