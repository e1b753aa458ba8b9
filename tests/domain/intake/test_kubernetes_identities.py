"""An imported workload or role binding is the identity that an action of the catalogue works on."""

from __future__ import annotations

import yaml

from remediation.domain.intake.stated import Said
from remediation.domain.plan import target_at
from tests.domain.intake.files import GRAPHS, identity_edges, real, state

WORKLOAD = "kubernetes.workload:east/shop/"
DEPLOYMENT = """
    apiVersion: {version}
    kind: {kind}
    metadata:
      name: {name}
      namespace: shop
      annotations: {{hitlportal/owner-team: commerce, hitlportal/environment: staging}}
    spec: {{template: {{spec: {{serviceAccountName: api, containers: [{{name: c}}]}}}}}}
"""


def made(kind: str = "Deployment", name: str = "api", version: str = "apps/v1") -> str:
    return DEPLOYMENT.format(kind=kind, name=name, version=version)


def workloads(text: str, cluster: str = "east") -> dict[str, Said]:
    found = state("kubernetes", text, cluster=cluster).identities
    return {one: said for one, (said, _) in found.items() if one.startswith("kubernetes.workload:")}


def test_every_real_deployment_is_the_target_of_an_action() -> None:
    name = "online-boutique/kubernetes-manifests.yaml"
    documents = yaml.safe_load_all((GRAPHS / name).read_text())
    deployed = {one["metadata"]["name"] for one in documents if one["kind"] == "Deployment"}
    stated = real("kubernetes", name, cluster="shop")
    found = [one for one in stated.identities if one.startswith("kubernetes.workload:")]
    assert len(deployed) == 12
    for locator in found:
        target = target_at(locator)
        assert (target.locator, target.kind) == (locator, "kubernetes.workload")
        assert target.fields["controller"] == "deployment"
        assert (target.fields["name"], "", locator) in stated.edges
    assert {target_at(locator).fields["name"] for locator in found} == deployed


def test_a_deployment_and_a_stateful_set_are_workloads_with_owner_and_environment() -> None:
    said = Said(owner_team="commerce", environment="staging")
    assert workloads(made()) == {WORKLOAD + "deployment/api": said}
    assert workloads(made("StatefulSet")) == {WORKLOAD + "statefulset/api": said}
    assert (
        "shop/api",
        WORKLOAD + "deployment/api",
    ) in identity_edges(state("kubernetes", made(), cluster="east"))


def test_no_action_works_on_other_controllers_nor_on_a_deployment_of_another_group() -> None:
    for kind in ("DaemonSet", "ReplicaSet", "Job"):
        assert workloads(made(kind)) == {}
    assert workloads(made(version="example.org/v1")) == {}


def test_a_name_that_no_target_can_have_is_told_and_stays_a_service() -> None:
    stated = state("kubernetes", made(name="a" * 200), cluster="east")
    assert f"shop/{'a' * 200}" in stated.services
    assert stated.remarks == ["1 of kind Deployment: no target of an action can have its name"]


def test_without_the_name_of_the_cluster_workloads_stay_services() -> None:
    text = made().replace("serviceAccountName: api, ", "")
    stated = state("kubernetes", text)
    assert (list(stated.services), dict(stated.identities)) == (["shop/api"], {})
    assert stated.remarks == ["1 of kind Deployment: name the cluster to take it"]


BINDING = """
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: RoleBinding
    metadata: {{name: {name}, namespace: shop}}
    roleRef: {{kind: Role, name: reads}}
    subjects: [{subject}]
"""


def bound(subject: str, name: str = "api:reads") -> set[tuple[str, str]]:
    text = made() + BINDING.format(name=f'"{name}"', subject=subject)
    edges = identity_edges(state("kubernetes", text, cluster="east"))
    return {edge for edge in edges if edge[1].startswith("kubernetes.role_binding:")}


def test_a_role_binding_is_an_identity_of_the_workloads_that_it_gives_rights_to() -> None:
    at = "kubernetes.role_binding:east/shop/api%3Areads"
    assert target_at(at).fields["binding"] == "api:reads"
    for subject in (
        "{kind: ServiceAccount, name: api}",
        "{kind: ServiceAccount, name: api, namespace: shop}",
        "{kind: Group, name: 'system:serviceaccounts:shop'}",
        "{kind: Group, name: 'system:serviceaccounts'}",
    ):
        assert bound(subject) == {("shop/api", at)}, subject
    for subject in (
        "{kind: ServiceAccount, name: other}",
        "{kind: ServiceAccount, name: api, namespace: elsewhere}",
        "{kind: Group, name: 'system:serviceaccounts:elsewhere'}",
        "{kind: User, name: api}",
    ):
        assert bound(subject) == set(), subject
    text = made() + BINDING.format(name="reads", subject="{kind: User, name: jane}")
    assert "kubernetes.role_binding:east/shop/reads" in (
        state("kubernetes", text, cluster="east").identities
    )


def test_backstage_and_compose_name_workloads_by_their_locators() -> None:
    component = """
        apiVersion: backstage.io/v1alpha1
        kind: Component
        metadata:
          name: api
          annotations: {hitlportal/identities: kubernetes.workload:east/shop/deployment/api}
        spec: {lifecycle: production}
    """
    assert identity_edges(state("backstage", component)) == {("api", WORKLOAD + "deployment/api")}
    project = """
        services:
          api:
            labels: ["hitlportal.identities=kubernetes.workload:east/shop/deployment/api"]
    """
    assert identity_edges(state("compose", project)) == {("api", WORKLOAD + "deployment/api")}


def test_a_list_of_one_kind_is_opened_as_kubectl_writes_it() -> None:
    text = """
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBindingList
        items:
        - apiVersion: rbac.authorization.k8s.io/v1
          kind: RoleBinding
          metadata: {name: reads, namespace: shop}
          subjects: [{kind: ServiceAccount, name: api}]
    """
    edges = identity_edges(state("kubernetes", made(), text, cluster="east"))
    assert ("shop/api", "kubernetes.role_binding:east/shop/reads") in edges
