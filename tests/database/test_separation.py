"""Who is excluded from deciding (promise 4), by `excluded_v1`: A07, A11, A45."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from remediation import models as m
from tests import factories
from tests.database.attack import refused
from tests.factories import Person

pytestmark = pytest.mark.django_db

OWNER, TOKEN = "owner of the agent", "made a token of the agent"
ROTATED, EDITED = "rotated a token of the agent", "edited the plan"
LOOSENED = "loosened the inventory in the last 7 days"


def excluded(proposal: m.Proposal) -> dict[str, set[str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT person, why FROM remediation.excluded_v1(%s)", [proposal.pk])
        found: dict[str, set[str]] = {}
        for person, why in cursor.fetchall():
            found.setdefault(person, set()).add(why)
    return found


def why(proposal: m.Proposal, someone: Person) -> set[str]:
    return excluded(proposal).get(str(someone.id), set())


@pytest.fixture
def dave() -> Person:
    return factories.person("dave", roles=["security"])


@pytest.fixture
def eve() -> Person:
    return factories.person("eve", roles=["security"])


# ---- agents -------------------------------------------------------------------------------------


def test_a11_exactly_the_owner_and_the_maker_of_the_token_are_excluded(
    dave: Person, eve: Person
) -> None:
    agent = factories.agent(dave)
    proposal = factories.proposal(agent=agent, token=factories.token(agent, by=eve))
    assert excluded(proposal) == {str(dave.id): {OWNER}, str(eve.id): {TOKEN}}


def test_a11_the_owner_at_the_time_of_the_token_is_excluded(dave: Person, eve: Person) -> None:
    agent = factories.agent(dave)
    token = factories.token(agent)
    factories.agent_version(agent, eve)
    proposal = factories.proposal(agent=agent, token=token)
    assert why(proposal, dave) == {OWNER}
    assert why(proposal, eve) == {OWNER}


def test_a11_an_owner_after_the_proposal_is_excluded(dave: Person, eve: Person) -> None:
    agent = factories.agent(dave)
    proposal = factories.proposal(agent=agent)
    factories.agent_version(agent, eve)
    assert why(proposal, eve) == {OWNER}


def test_an_owner_before_the_token_was_made_may_decide(dave: Person, eve: Person) -> None:
    agent = factories.agent(dave)
    factories.agent_version(agent, eve)
    proposal = factories.proposal(agent=agent, token=factories.token(agent))
    assert why(proposal, dave) == set()


def test_a11_the_person_who_rotated_the_token_is_excluded(dave: Person, eve: Person) -> None:
    agent = factories.agent()
    old, new = factories.token(agent, by=dave), factories.token(agent, by=eve)
    proposal = factories.proposal(agent=agent, token=new)
    factories.revoke(old, eve)
    assert why(proposal, dave) == {TOKEN}
    assert why(proposal, eve) == {TOKEN, ROTATED}


def test_the_maker_of_a_token_that_ended_before_may_decide(dave: Person) -> None:
    agent = factories.agent()
    factories.revoke(factories.token(agent, by=dave), dave)
    proposal = factories.proposal(agent=agent, token=factories.token(agent))
    assert why(proposal, dave) == set()


def test_a07_the_editor_of_the_plan_is_excluded(eve: Person) -> None:
    old = factories.proposal_at("superseded")
    proposal = factories.proposal(supersedes=old, editor=eve)
    assert why(proposal, eve) == {EDITED}


def test_a07_the_editor_stays_excluded_when_the_agent_submits_the_plan_again(eve: Person) -> None:
    edited = factories.proposal(supersedes=factories.proposal_at("superseded"), editor=eve)
    factories.move(edited, "superseded", login=factories.WEB, actor=edited.agent.actor)
    proposal = factories.proposal(supersedes=edited)
    assert proposal.editor is None
    assert why(proposal, eve) == {EDITED}


def test_the_refusal_names_the_reason(dave: Person) -> None:
    agent = factories.agent(dave)
    proposal = factories.proposal_at("in_review", agent=agent)
    with pytest.raises(Exception, match=OWNER), transaction.atomic():
        factories.review(proposal, dave)


# ---- inventory ----------------------------------------------------------------------------------


class Place:
    """Make a proposal on an identity that one service uses, which another service uses in turn."""

    def __init__(self) -> None:
        said: dict[str, Any] = dict(STRICT)
        self.proposal = factories.proposal(in_inventory=False)
        locator = self.proposal.targets.get().locator
        self.identity = factories.identity(locator, environment="production")
        self.near = factories.service(**said)
        self.far = factories.service(**said)
        self.near_edge: m.Dependency = factories.dependency(self.near, self.identity)
        self.far_edge: m.Dependency = factories.dependency(self.far, self.near)
        factories.settle_inventory()


@pytest.fixture
def place() -> Place:
    return Place()


def near(p: Place, **said: Any) -> None:
    factories.service_version(p.near, **{**STRICT, **said})


def far(p: Place, **said: Any) -> None:
    factories.service_version(p.far, **{**STRICT, **said})


STRICT = {"environment": "production", "criticality": "high", "payment_path": True}

LOOSENINGS: dict[str, Callable[[Place, str], None]] = {
    "the payment path is cleared": lambda p, a: near(p, payment_path=False, author=a),
    "the environment is lowered": lambda p, a: near(p, environment="staging", author=a),
    "the criticality is lowered": lambda p, a: near(p, criticality="medium", author=a),
    "the service is retired": lambda p, a: near(p, retired=True, author=a),
    "a service further away": lambda p, a: far(p, payment_path=False, author=a),
    "a service further away is retired": lambda p, a: far(p, retired=True, author=a),
    "the identity's environment": lambda p, a: _identity(p, environment="staging", author=a),
    "the identity is retired": lambda p, a: _identity(p, retired=True, author=a),
    "an edge is removed": lambda p, a: _edge(p.near_edge, a),
    "an edge further away is removed": lambda p, a: _edge(p.far_edge, a),
}


def _identity(p: Place, **said: Any) -> None:
    factories.identity_version(p.identity, **{"environment": "production", **said})


def _edge(edge: m.Dependency, author: str) -> None:
    factories.dependency_version(edge, present=False, author=author)


def test_an_old_inventory_excludes_nobody(place: Place) -> None:
    assert LOOSENED not in set().union(*excluded(place.proposal).values())


@pytest.mark.parametrize("what", LOOSENINGS)
def test_a45_a_person_who_loosened_the_inventory_is_excluded(
    what: str, place: Place, eve: Person
) -> None:
    LOOSENINGS[what](place, eve.actor)
    assert why(place.proposal, eve) == {LOOSENED}


@pytest.mark.parametrize("what", LOOSENINGS)
def test_a_person_who_loosened_may_decide_after_seven_days(
    what: str, place: Place, eve: Person
) -> None:
    LOOSENINGS[what](place, eve.actor)
    factories.settle_inventory(days=7.01)
    assert why(place.proposal, eve) == set()


@pytest.mark.parametrize("what", LOOSENINGS)
def test_a_person_who_loosened_is_excluded_on_the_sixth_day(
    what: str, place: Place, eve: Person
) -> None:
    LOOSENINGS[what](place, eve.actor)
    factories.settle_inventory(days=6.99)
    assert why(place.proposal, eve) == {LOOSENED}


def test_a45_loosening_for_a_minute_excludes(place: Place, eve: Person, dave: Person) -> None:
    near(place, payment_path=False, author=eve.actor)
    near(place, payment_path=True, author=dave.actor)
    assert why(place.proposal, eve) == {LOOSENED}
    assert why(place.proposal, dave) == set()


def test_a45_removing_and_restoring_an_edge_excludes(
    place: Place, eve: Person, dave: Person
) -> None:
    factories.dependency_version(place.far_edge, present=False, author=eve.actor)
    factories.dependency_version(place.far_edge, present=True, author=dave.actor)
    assert why(place.proposal, eve) == {LOOSENED}
    assert why(place.proposal, dave) == set()


def test_a45_loosening_behind_a_removed_edge_excludes(
    place: Place, eve: Person, dave: Person
) -> None:
    """The edge was removed first; its service still counts."""
    factories.dependency_version(place.near_edge, present=False, author=dave.actor)
    factories.dependency_version(place.far_edge, present=False, author=dave.actor)
    far(place, payment_path=False, author=eve.actor)
    assert why(place.proposal, eve) == {LOOSENED}


def test_a45_adding_the_first_edge_of_an_identity_excludes(eve: Person) -> None:
    """Without a known service the scope is unknown, which requires two people."""
    proposal = factories.proposal(in_inventory=False)
    target = factories.identity(proposal.targets.get().locator)
    service = factories.service()
    factories.settle_inventory()
    factories.dependency(service, target, author=eve.actor)
    assert why(proposal, eve) == {LOOSENED}


def test_a_person_who_adds_an_edge_between_services_may_decide(place: Place, eve: Person) -> None:
    other = factories.service()
    factories.settle_inventory(other)
    factories.dependency(other, place.near, author=eve.actor)
    assert why(place.proposal, eve) == set()


def test_a45_naming_the_first_owner_team_excludes(place: Place, eve: Person, dave: Person) -> None:
    near(place, owner_team="")
    near(place, owner_team="mine", author=eve.actor)
    near(place, owner_team="mine", external_partner=True, author=dave.actor)
    assert why(place.proposal, eve) == {LOOSENED}
    assert why(place.proposal, dave) == set()


@pytest.mark.parametrize(
    "moved",
    [{"owner_team": "mine"}, {"environment": "production"}, {"external_partner": True}],
)
def test_a45_a77_moving_a_service_to_where_one_holds_a_right_excludes(
    place: Place, eve: Person, moved: dict[str, Any]
) -> None:
    """A45, A77: rights are given on teams and environments, so moving a service gives them."""
    start = {"owner_team": "theirs", "environment": "development"}
    near(place, **start)
    near(place, **start)
    assert why(place.proposal, eve) == set()
    near(place, **{**start, **moved}, author=eve.actor)
    # Control: a version that moves nothing.
    stays = "external_partner" in moved
    assert why(place.proposal, eve) == (set() if stays else {LOOSENED})


def test_a45_who_made_the_owners_many_does_not_decide_in_their_place(
    place: Place, eve: Person
) -> None:
    """A45: beyond four teams a lead decides instead of the owners, so an edge asks for less."""
    other = factories.service()
    factories.settle_inventory(other)
    factories.dependency(other, place.near, author=eve.actor)
    factories.assess(place.proposal, slots=("security", "service_owner"))
    assert why(place.proposal, eve) == set()
    factories.assess(place.proposal, slots=("security", "lead"))
    assert why(place.proposal, eve) == {LOOSENED}


def test_a45_ending_a_retirement_excludes(place: Place, eve: Person) -> None:
    near(place, retired=True)
    near(place, retired=False, author=eve.actor)
    assert why(place.proposal, eve) == {LOOSENED}


def test_a_person_who_tightens_the_inventory_may_decide(place: Place, eve: Person) -> None:
    near(place, criticality="critical", external_partner=True, author=eve.actor)
    assert why(place.proposal, eve) == set()


def test_an_unrelated_service_does_not_matter(place: Place, eve: Person) -> None:
    other = factories.service(payment_path=True)
    factories.settle_inventory(other)
    factories.service_version(other, payment_path=False, author=eve.actor)
    assert why(place.proposal, eve) == set()


@pytest.mark.parametrize("environment", ["development", "production"])
def test_the_first_version_of_an_identity_excludes(environment: str, eve: Person) -> None:
    proposal = factories.proposal(in_inventory=False)
    locator = proposal.targets.get().locator
    factories.identity(locator, environment=environment, author=eve.actor)
    assert why(proposal, eve) == {LOOSENED}


def test_a_cycle_of_services_is_followed_once(place: Place, eve: Person) -> None:
    factories.dependency(place.near, place.far)
    far(place, payment_path=False, author=eve.actor)
    assert why(place.proposal, eve) == {LOOSENED}


def test_a45_loosening_after_the_assessment_excludes(eve: Person) -> None:
    proposal = factories.proposal_at("in_review")
    identity = m.Identity.objects.get(locator=proposal.targets.get().locator)
    factories.identity_version(identity, environment="development", author=eve.actor)
    session = factories.session(proposal, eve)
    with refused("review_separation"), transaction.atomic():
        factories.sign(session, eve)
