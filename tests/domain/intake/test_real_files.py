"""The readers find the dependencies of real repositories that a person found by hand."""

from __future__ import annotations

from remediation.domain.intake.stated import Said
from tests.domain.intake.files import difference, expected, identity_edges, real, service_edges


def test_online_boutique_has_the_dependencies_of_its_addresses() -> None:
    stated = real("kubernetes", "online-boutique/kubernetes-manifests.yaml", cluster="shop")
    told = expected("online-boutique")
    assert service_edges(stated) == {(edge["from"], edge["to"]) for edge in told["edges"]}
    assert set(stated.services) == set(told["service_accounts"])


def test_online_boutiques_accounts_and_deployments_are_identities_that_its_services_need() -> None:
    stated = real("kubernetes", "online-boutique/kubernetes-manifests.yaml", cluster="shop")
    told = expected("online-boutique")["service_accounts"]
    wanted = {
        (service, f"kubernetes.service_account:shop/default/{account}")
        for service, account in told.items()
        if account
    }
    wanted |= {(name, f"kubernetes.workload:shop/default/deployment/{name}") for name in told}
    assert identity_edges(stated) == wanted
    assert set(stated.identities) == {locator for _, locator in wanted}


def test_an_address_without_a_manifest_is_reported_and_not_imported() -> None:
    stated = real("kubernetes", "online-boutique/kubernetes-manifests.yaml", cluster="shop")
    found = difference(stated)
    assert found.unresolved == (
        "frontend → shoppingassistantservice: nothing known is called shoppingassistantservice",
    )
    assert len(found.added("service")) == 12
    edges = expected("online-boutique")["edges"]
    assert len(found.added("dependency")) == len(edges) - 1 + 11 + 12


def test_the_otel_demo_has_its_dependencies_and_says_how_critical_its_services_are() -> None:
    stated = real("compose", "otel-demo/compose.yaml", "otel-demo/compose.full.yaml")
    told = expected("otel-demo")
    assert service_edges(stated) == {(edge["from"], edge["to"]) for edge in told["edges"]}
    said = {name: s.criticality for name, (s, _) in stated.services.items() if s.criticality}
    assert said == told["criticality"]


def test_the_layers_of_a_compose_project_are_one_project() -> None:
    one = real("compose", "otel-demo/compose.yaml")
    both = real("compose", "otel-demo/compose.yaml", "otel-demo/compose.full.yaml")
    assert ("accounting", "kafka") in service_edges(both) - service_edges(one)
    assert "accounting" not in one.services


def test_the_backstage_demo_is_one_experimental_component() -> None:
    stated = real("backstage", "backstage-demo/catalog-info.yaml")
    assert {name: said for name, (said, _) in stated.services.items()} == {
        "backstage-demo": Said(owner_team="backstage/maintainers", environment="development")
    }
    assert stated.remarks == [
        "backstage-demo/catalog-info.yaml, document 1, spec.consumesApis[0]:"
        " backstage-demo consumes api:demo-graphql, which nobody provides"
    ]
    assert difference(stated).unknown_teams == ("backstage/maintainers",)
