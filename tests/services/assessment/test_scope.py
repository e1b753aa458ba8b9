"""The scope: one query over the inventory, with the worker's login."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from remediation import models as m
from remediation.domain.scope import Scope, ScopeService, ScopeTarget
from remediation.services.assessment import scope as scopes
from tests import factories
from tests.factories import WORKER

pytestmark = pytest.mark.django_db

SQL = Path(m.__file__).resolve().parent.parent / "sql"


def scope_of(*names: str) -> Scope:
    with factories.acting(WORKER):
        return scopes.scope_of(factories.plan(*names))


def target(name: str = "t", **said: str) -> m.Identity:
    return factories.identity(f"test.target:{name}", **said)


def used(name: str = "t", **said: object) -> tuple[m.Identity, m.Service]:
    """Make an identity and the one service that uses it, both old in the inventory."""
    identity, service = target(name), factories.service(f"uses-{name}", **said)
    factories.dependency(service, identity)
    factories.settle_inventory()
    return identity, service


def reached(scope: Scope) -> list[tuple[str, int]]:
    return [(service.name, service.depth) for service in scope.services]


def chain(first: m.Service, length: int) -> m.Service:
    """Add `length` services, each depending on the one before; return the last."""
    for _ in range(length):
        following = factories.service()
        factories.dependency(following, first)
        first = following
    return first


# ---- what is reached -----------------------------------------------------------------------------


def test_direct_services_name_the_identity_and_downstream_ones_depend_on_those() -> None:
    identity = target(environment="production", owner_team="platform")
    direct, below, far = (factories.service(name) for name in ("direct", "below", "far"))
    aside = factories.service("aside")
    factories.dependency(direct, identity)
    factories.dependency(below, direct)
    factories.dependency(far, below)
    factories.dependency(direct, aside)  # what direct itself needs is not reached
    factories.settle_inventory()

    found = scope_of("t")

    assert found.targets == (
        ScopeTarget("test.target:t", True, "test.target", "production", "platform"),
    )
    assert reached(found) == [("direct", 1), ("below", 2), ("far", 3)]
    assert found.services[0] == ScopeService(
        direct.pk, "direct", "test.target:t", 1, "staging", "low", False, False, "team"
    )
    assert found.unknown == ()


def test_it_is_one_query() -> None:
    used()
    with (
        factories.acting(WORKER),
        CaptureQueriesContext(
            connection,
        ) as asked,
    ):
        scopes.scope_of(factories.plan("t", "other"))
    assert len(asked) == 1
    assert "remediation.scope_v1" in asked[0]["sql"]


def test_each_target_has_its_own_services_and_the_nearest_depth_counts() -> None:
    both, one = factories.service("both"), factories.service("one")
    first, second = target("a"), target("b")
    factories.dependency(both, first)
    factories.dependency(both, second)
    factories.dependency(one, first)
    factories.dependency(one, both)  # directly, and below `both` as well
    factories.settle_inventory()

    found = scope_of("a", "b")

    assert [(s.via[-1], s.name, s.depth) for s in found.services] == [
        ("a", "both", 1),
        ("a", "one", 1),
        ("b", "both", 1),
        ("b", "one", 2),
    ]


def test_a_cycle_ends() -> None:
    _, first = used()
    second = factories.service("second")
    factories.dependency(second, first)
    factories.dependency(first, second)
    factories.settle_inventory()
    assert reached(scope_of("t")) == [("uses-t", 1), ("second", 2)]
    assert scope_of("t").unknown == ()


def test_a_chain_is_unknown_beyond_the_limit() -> None:
    _, first = used()
    last = chain(first, scopes.MAX_DEPTH - 1)
    factories.settle_inventory()
    assert len(scope_of("t").services) == scopes.MAX_DEPTH
    assert scope_of("t").unknown == ()

    chain(last, 1)
    factories.settle_inventory()

    found = scope_of("t")
    assert len(found.services) == scopes.MAX_DEPTH
    assert found.unknown == ("services depend on each other over more than 32 steps",)


def test_services_beyond_the_limit_of_a_scope_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    _, first = used()
    for _ in range(3):
        factories.dependency(factories.service(), first)
    factories.settle_inventory()
    monkeypatch.setattr(scopes, "MAX_SERVICES", 3)
    found = scope_of("t")
    assert len(found.services) == 3
    assert found.services[0].depth == 1  # the nearest are kept
    assert found.unknown == ("more than 3 services are reached",)


def test_the_body_can_be_read_again() -> None:
    used()
    found = scope_of("t", "unheard-of")
    assert Scope.parse(found.body()).digest == found.digest


# ---- unknown scope ---------------------------------------------------------------------------


def test_a_target_that_is_not_in_the_inventory_is_unknown() -> None:
    found = scope_of("t")
    assert found.targets == (ScopeTarget("test.target:t", False, "test.target", "", ""),)
    assert found.unknown == ("test.target:t is not in the inventory",)


def test_an_identity_without_a_version_is_not_in_the_inventory() -> None:
    identity = target()
    with factories.unguarded("remediation_identityversion"):
        m.IdentityVersion.objects.filter(identity=identity).delete()
    assert scope_of("t").unknown == ("test.target:t is not in the inventory",)


def test_an_identity_that_nobody_uses_is_unknown() -> None:
    target()
    factories.settle_inventory()
    assert scope_of("t").unknown == ("no service is recorded as using test.target:t",)


def test_a45_an_identity_added_just_now_is_unknown_for_24_hours() -> None:
    identity, _ = used()
    fresh = "test.target:t was added to the inventory less than 24 hours ago"
    assert scope_of("t").unknown == ()
    version = identity.versions.get()
    factories.backdate(version, days=-8)  # as if first recorded now
    assert scope_of("t").unknown == (fresh,)
    factories.backdate(version, hours=23.9)
    assert scope_of("t").unknown == (fresh,)
    factories.backdate(version, hours=0.2)
    assert scope_of("t").unknown == ()


def test_a45_a_target_whose_first_user_was_recorded_just_now_was_unknown_before() -> None:
    """A new edge removes the reason "no service uses it"; the reason counts for 24 more hours."""
    identity, service = target(), factories.service("late")
    factories.settle_inventory()
    edge = factories.dependency(service, identity)
    lately = "no service is recorded as using test.target:t throughout the last 24 hours"
    assert reached(scope_of("t")) == [("late", 1)]
    assert scope_of("t").unknown == (lately,)
    factories.backdate(edge.versions.get(), hours=23.9)
    assert scope_of("t").unknown == (lately,)
    factories.backdate(edge.versions.get(), hours=0.2)
    assert scope_of("t").unknown == ()


def test_a45_an_only_user_removed_for_a_minute_counts_as_missing() -> None:
    _, service = used()
    edge = m.Dependency.objects.get(source=service)
    gone = factories.dependency_version(edge, present=False)
    back = factories.dependency_version(edge, present=True)
    lately = "no service is recorded as using test.target:t throughout the last 24 hours"
    assert scope_of("t").unknown == (lately,)
    factories.backdate(gone, hours=24.2)
    factories.backdate(back, hours=24.1)
    assert scope_of("t").unknown == ()


def test_a45_an_only_user_retired_until_now_counts_as_missing() -> None:
    _, service = used()
    factories.service_version(service, retired=True)
    factories.settle_inventory()
    factories.service_version(service, retired=False)
    assert scope_of("t").unknown == (
        "no service is recorded as using test.target:t throughout the last 24 hours",
        "services that are or were marked as retired: uses-t",
    )


def test_a45_details_added_just_now_count_as_missing() -> None:
    _, service = used()
    with factories.unguarded("remediation_serviceversion"):
        service.versions.all().delete()
    with factories.unguarded("remediation_service"):
        m.Service.objects.update(recorded_at=service.recorded_at - timedelta(days=2))
    factories.service_version(service)
    found = scope_of("t")
    assert found.services[0].payment_path
    assert "services without any details: uses-t" in found.unknown


def test_a_service_added_just_now_only_widens_the_scope() -> None:
    identity, _ = used()
    factories.dependency(factories.service("new"), identity)
    found = scope_of("t")
    assert reached(found) == [("new", 1), ("uses-t", 1)]
    assert not found.services[0].payment_path
    assert found.unknown == ()


def test_each_kind_of_gap_is_named_once() -> None:
    _, first = used(owner_team="")
    bare = factories.service("bare")
    with factories.unguarded("remediation_serviceversion"):
        bare.versions.all().delete()
    factories.dependency(bare, first)
    factories.settle_inventory()

    found = scope_of("t")

    assert found.unknown == (
        "services without any details: bare",
        "services without an owner team: uses-t",
    )
    strictest = found.services[1]
    assert (strictest.environment, strictest.criticality) == ("production", "critical")
    assert strictest.payment_path and strictest.external_partner


def test_many_gaps_are_counted() -> None:
    identity = target()
    for number in range(7):
        factories.dependency(factories.service(f"s{number}", owner_team=""), identity)
    factories.settle_inventory()
    assert scope_of("t").unknown == (
        "services without an owner team: s0, s1, s2, s3, s4 and 2 more",
    )


def test_a_retired_identity_is_unknown() -> None:
    identity, _ = used()
    factories.identity_version(identity, retired=True)
    assert scope_of("t").unknown == ("test.target:t is or was marked as retired",)
    factories.settle_inventory()
    assert scope_of("t").unknown == ("test.target:t is or was marked as retired",)


def test_a_retired_service_counts_for_24_hours_more() -> None:
    _, service = used()
    retired = factories.service_version(service, retired=True)
    found = scope_of("t")
    assert reached(found) == [("uses-t", 1)]
    assert found.unknown == (
        "no service is recorded as using test.target:t throughout the last 24 hours",
        "services that are or were marked as retired: uses-t",
    )

    factories.backdate(retired, hours=24.1)

    found = scope_of("t")
    assert reached(found) == []
    assert found.unknown == ("no service is recorded as using test.target:t",)


# ---- A45: the strictest value of the last 24 hours -----------------------------------------------

STRICT = {
    "environment": "production",
    "criticality": "critical",
    "payment_path": True,
    "external_partner": True,
}


@pytest.mark.parametrize("attribute", STRICT)
def test_a45_an_attribute_loosened_a_minute_ago_still_counts(attribute: str) -> None:
    _, service = used(**STRICT)
    mild = {"environment": "development", "criticality": "low"}.get(attribute, False)
    loosened = factories.service_version(service, **{**STRICT, attribute: mild})
    assert getattr(scope_of("t").services[0], attribute) == STRICT[attribute]

    factories.backdate(loosened, hours=23.9)
    assert getattr(scope_of("t").services[0], attribute) == STRICT[attribute]

    factories.backdate(loosened, hours=0.2)
    assert getattr(scope_of("t").services[0], attribute) == mild


def test_a45_an_attribute_loosened_and_restored_within_the_window_counts() -> None:
    _, service = used(**STRICT)
    factories.service_version(service)
    assert scope_of("t").services[0].payment_path
    factories.service_version(service, **STRICT)
    assert scope_of("t").services[0].payment_path


def test_a45_a_value_that_was_strict_for_a_minute_counts_for_24_hours() -> None:
    _, service = used()
    strict = factories.service_version(service, payment_path=True)
    mild = factories.service_version(service)
    assert scope_of("t").services[0].payment_path
    factories.backdate(strict, hours=24.2)
    factories.backdate(mild, hours=24.1)
    assert not scope_of("t").services[0].payment_path


def test_a45_an_owner_named_a_minute_ago_counts_as_missing() -> None:
    _, service = used(owner_team="")
    named = factories.service_version(service, owner_team="payments")
    found = scope_of("t")
    assert found.services[0].owner_team == "payments"
    assert found.unknown == ("services without an owner team: uses-t",)
    factories.backdate(named, hours=24.1)
    assert scope_of("t").unknown == ()


def test_a45_an_edge_removed_a_minute_ago_still_counts() -> None:
    _, service = used()
    edge = m.Dependency.objects.get(source=service)
    removed = factories.dependency_version(edge, present=False)
    assert reached(scope_of("t")) == [("uses-t", 1)]
    factories.backdate(removed, hours=23.9)
    assert reached(scope_of("t")) == [("uses-t", 1)]
    factories.backdate(removed, hours=0.2)
    assert reached(scope_of("t")) == []


def test_a45_an_edge_that_was_there_for_a_minute_counts() -> None:
    identity, _ = used()
    edge = factories.dependency(factories.service("brief"), identity)
    factories.dependency_version(edge, present=False)
    assert ("brief", 1) in reached(scope_of("t"))


def test_a45_an_identity_moved_out_of_production_a_minute_ago_still_counts() -> None:
    identity = target(environment="production")
    factories.settle_inventory()
    factories.identity_version(identity, environment="development", owner_team="other")
    found = scope_of("t").targets[0]
    assert (found.environment, found.owner_team) == ("production", "other")


# ---- size ----------------------------------------------------------------------------------------


BULK = """
INSERT INTO remediation_service (name, entry, recorded_at)
  SELECT 'bulk' || n, 0, now() FROM generate_series(1, 2000) n;
INSERT INTO remediation_dependency (source_id, service_id, entry, recorded_at)
  SELECT a.id, b.id, 0, now() FROM remediation_service a
    JOIN remediation_service b ON b.id = a.id - 1
   WHERE a.name LIKE 'bulk%' AND b.name LIKE 'bulk%';
ANALYZE remediation_service, remediation_dependency
"""


def test_the_query_reads_edges_by_their_indexes() -> None:
    used()
    with (
        factories.unguarded("remediation_service"),
        factories.unguarded("remediation_dependency"),
        connection.cursor() as cursor,
    ):
        cursor.execute(BULK)
    body = (SQL / "scope.sql").read_text(encoding="utf-8")
    query = body.split("RETURN QUERY")[1].split(";\nEND")[0]
    for parameter, value in {
        "locators": "'{test.target:t}'::text[]",
        "max_depth": "32",
        "most": "5001",
    }.items():
        query = re.sub(rf"\b{parameter}\b", value, query)
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + query)
        lines = [line for (line,) in cursor.fetchall()]
    assert any("remediation_dependency d" in line for line in lines)
    assert not [line for line in lines if "Seq Scan on remediation_dependency d" in line], lines
