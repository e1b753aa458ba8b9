"""What is offered for a plan: the incident's identity first, then its siblings."""

from __future__ import annotations

import pytest

from remediation import models as m
from remediation.domain.catalogue import ACTIONS
from remediation.services.reporting import offer_targets
from tests import factories

pytestmark = pytest.mark.django_db
KEYS = "aws.iam.access_key:123456789012/deploy/"


def incident(locator: str) -> m.Incident:
    agent = factories.agent()
    factories.token(agent)
    return factories.incident(agent, locator)


def locators(someone: factories.Person, about: m.Incident) -> list[str]:
    return [one.target.locator for one in offer_targets.offered(someone.user, about)]


def test_the_incidents_identity_comes_first_even_if_the_inventory_does_not_know_it() -> None:
    alice = factories.person(roles=["security"])
    own = incident("postgres.role:crm/svc")
    (found,) = offer_targets.offered(alice.user, own)
    assert (found.own, found.environment) == (True, "")
    # What takes access away comes before what gives it.
    kinds = [spec.kind for spec in found.actions]
    of_roles = {kind for kind, spec in ACTIONS.items() if spec.target_kind == "postgres.role"}
    assert len(kinds) == len(set(kinds)) and set(kinds) == of_roles
    assert kinds.index("postgres.role.disable") < kinds.index("postgres.role.enable")
    assert [spec.kind for spec in found.actions if spec.removes_access] == kinds[
        : len([spec for spec in found.actions if spec.removes_access])
    ]


def test_other_keys_of_the_same_holder_are_siblings() -> None:
    lead = factories.person(roles=["lead"])
    first, second = KEYS + "AKIAIOSFODNN7EXAMPLE", KEYS + "AKIAIOSFODNN8EXAMPLE"
    factories.identity(second, kind="aws.iam.access_key")
    factories.identity(second.replace("deploy", "deploy2"), kind="aws.iam.access_key")
    assert locators(lead, incident(first)) == [first, second]


def test_a12_identities_of_the_same_services_are_offered_to_who_may_see_the_service() -> None:
    alice, lead = factories.person(roles=["security"]), factories.person(roles=["lead"])
    service = factories.service()
    for name in ("a", "b"):
        factories.dependency(
            service, factories.identity(f"postgres.role:crm/{name}", kind="postgres.role")
        )
    own = incident("postgres.role:crm/a")
    both = ["postgres.role:crm/a", "postgres.role:crm/b"]
    assert locators(alice, own) == both[:1]
    assert locators(lead, own) == both
    factories.grant(alice.user, "view_service", service)
    assert locators(alice, own) == both


def test_an_identity_without_actions_is_not_offered() -> None:
    lead = factories.person(roles=["lead"])
    assert locators(lead, incident("aws.iam.root:123456789012")) == []
