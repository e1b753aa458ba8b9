"""What each inventory format yields, shown on small files."""

from __future__ import annotations

from textwrap import dedent

import pytest

from remediation.domain import errors
from remediation.domain.intake.stated import NOWHERE, Said, Stated, Use, period, write_period
from tests.domain.intake.files import identity_edges, service_edges, state
from tests.every import every


def said(stated: Stated) -> dict[str, Said]:
    return {name: one for name, (one, _) in stated.services.items()}


# ---- Backstage -----------------------------------------------------------------------------------

CATALOGUE = """
    apiVersion: backstage.io/v1alpha1
    kind: System
    metadata: {name: shop}
    spec: {owner: 'group:default/commerce'}
    ---
    apiVersion: backstage.io/v1alpha1
    kind: Group
    metadata: {name: payments}
    spec: {type: team}
    ---
    apiVersion: backstage.io/v1alpha1
    kind: Component
    metadata:
      name: checkout
      annotations:
        hitlportal/payment-path: 'yes'
        hitlportal/criticality: high
        hitlportal/identities: postgres.role:orders/checkout aws.iam.role:123456789012/checkout
    spec:
      owner: group:payments
      lifecycle: production
      consumesApis: [quotes]
      dependsOn: [resource:default/Orders-DB, component:elsewhere, 'system:shop']
    ---
    apiVersion: backstage.io/v1alpha1
    kind: Component
    metadata: {name: quoter, namespace: tools}
    spec: {lifecycle: experimental, system: shop, providesApis: [quotes]}
    ---
    apiVersion: backstage.io/v1alpha1
    kind: Resource
    metadata: {name: orders-db}
    spec: {owner: 'user:jane', dependencyOf: ['component:tools/quoter']}
    ---
    apiVersion: backstage.io/v1alpha1
    kind: API
    metadata: {name: quotes}
    spec: {owner: payments}
    ---
    apiVersion: backstage.io/v1alpha1
    kind: Location
    metadata: {name: more}
    spec: {targets: ['https://example.org/catalog-info.yaml']}
"""


def test_backstage_components_and_resources_are_services() -> None:
    stated = state("backstage", CATALOGUE)
    assert said(stated) == {
        "checkout": Said("payments", "production", "high", True),
        "tools/quoter": Said("commerce", "development"),
        "orders-db": Said("user:jane"),
    }
    assert stated.teams == {"payments"}


def test_backstage_consumers_need_the_providers_and_references_are_looked_up() -> None:
    stated = state("backstage", CATALOGUE)
    assert service_edges(stated) == {
        ("checkout", "tools/quoter"),
        ("checkout", "orders-db"),
        ("checkout", "elsewhere"),
        ("tools/quoter", "orders-db"),
    }
    assert identity_edges(stated) == {
        ("checkout", "postgres.role:orders/checkout"),
        ("checkout", "aws.iam.role:123456789012/checkout"),
    }


def test_backstage_skipped_entities_are_reported_and_nothing_is_fetched() -> None:
    remarks = state("backstage", CATALOGUE).remarks
    assert "1 of kind Location: not taken" in remarks
    assert any("checkout needs system:shop, not taken" in remark for remark in remarks)


def test_backstage_two_components_of_one_name_are_refused() -> None:
    component = (
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: a}\nspec: {}\n"
    )
    with pytest.raises(errors.BadValue, match=r"file2\.yaml, document 1: a second Component"):
        state("backstage", component, component)


def test_a_misspelt_annotation_is_refused() -> None:
    with pytest.raises(errors.BadValue, match=r"document 3, metadata\.annotations\.hitlportal/pay"):
        state("backstage", CATALOGUE.replace("payment-path", "payment_path"))


# ---- Kubernetes ----------------------------------------------------------------------------------

MANIFESTS = """
    apiVersion: v1
    kind: List
    items:
      - apiVersion: v1
        kind: ServiceAccount
        metadata:
          name: api
          namespace: shop
          annotations:
            eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/path/api-role
      - apiVersion: v1
        kind: Secret
        metadata: {name: db, namespace: shop}
        stringData: {password: hunter2}
    ---
    apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: db, namespace: shop}
    spec:
      template:
        metadata: {labels: {app: db, tier: data}}
        spec: {containers: [{name: db}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: database, namespace: shop}
    spec: {selector: {app: db}}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: web}
    spec: {selector: {app: web}}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: settings, namespace: shop}
    data: {WEB_URL: 'http://web.default.svc.cluster.local:80/x', LEVEL: web}
    ---
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      template:
        metadata: {labels: {app: web, backstage.io/kubernetes-id: storefront}}
        spec: {containers: [{name: web}]}
    ---
    apiVersion: batch/v1
    kind: CronJob
    metadata:
      name: api
      namespace: shop
      annotations: {hitlportal/owner-team: commerce}
    spec:
      jobTemplate:
        spec:
          template:
            spec:
              serviceAccountName: api
              imagePullSecrets: [{name: registry}]
              volumes: [{name: v, projected: {sources: [{secret: {name: tls}}]}}]
              initContainers: [{name: i, envFrom: [{secretRef: {name: boot}}]}]
              containers:
                - name: c
                  envFrom: [{configMapRef: {name: settings}}]
                  env:
                    - {name: DSN, value: 'postgres://shop:hunter2@database/orders'}
                    - {name: ROLE, value: database}
                    - {name: CACHE_ADDR, value: 'nowhere:6379'}
                    - {name: MAIL, value: 'https://mail.example.com:443/'}
                    - {name: PW, valueFrom: {secretKeyRef: {name: db, key: password}}}
    ---
    apiVersion: autoscaling/v2
    kind: HorizontalPodAutoscaler
    metadata: {name: api}
"""
SHOP = "kubernetes.secret:east/shop/"


def test_kubernetes_workloads_are_services() -> None:
    stated = state("kubernetes", MANIFESTS, cluster="east")
    assert said(stated) == {
        "shop/db": Said(),
        "storefront": Said(),
        "shop/api": Said(owner_team="commerce"),
    }
    assert stated.remarks == ["1 of kind HorizontalPodAutoscaler: not taken"]


def test_kubernetes_addresses_lead_through_services_to_workloads() -> None:
    """Also through a ConfigMap; a bare word counts only in a field for addresses."""
    stated = state("kubernetes", MANIFESTS, cluster="east")
    assert service_edges(stated) == {
        ("shop/api", "shop/db"),
        ("shop/api", "storefront"),
        ("shop/api", "shop/nowhere"),
    }


def test_kubernetes_accounts_and_secrets_are_identities_and_a_role_behind_an_account() -> None:
    stated = state("kubernetes", MANIFESTS, cluster="east")
    assert identity_edges(stated) == {
        ("shop/api", "kubernetes.service_account:east/shop/api"),
        ("shop/api", "aws.iam.role:123456789012/api-role"),
        *(("shop/api", SHOP + name) for name in ("registry", "tls", "boot", "db")),
        ("shop/db", "kubernetes.workload:east/shop/statefulset/db"),
        ("storefront", "kubernetes.workload:east/default/deployment/web"),
    }


def test_kubernetes_a_secret_with_a_token_is_the_target_of_its_action() -> None:
    text = """
    apiVersion: v1
    kind: Pod
    metadata: {name: a}
    spec: {volumes: [{secret: {secretName: t}}, {secret: {secretName: u}}]}
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: t}
    type: kubernetes.io/service-account-token
    """
    assert identity_edges(state("kubernetes", text, cluster="east")) == {
        ("a", "kubernetes.token_secret:east/default/t"),
        ("a", "kubernetes.secret:east/default/u"),
    }


def test_a61_the_content_of_a_kubernetes_secret_is_not_read() -> None:
    assert "hunter2" not in repr(state("kubernetes", MANIFESTS, cluster="east"))


def test_kubernetes_identities_need_to_know_their_cluster() -> None:
    with pytest.raises(errors.BadValue, match="name the cluster"):
        state("kubernetes", MANIFESTS)


def test_kubernetes_a_wrong_shape_is_named_by_its_path() -> None:
    text = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{env: [{value: a}]}]}"
    )
    with pytest.raises(
        errors.MissingField, match=r"document 1, spec\.containers\[0\]\.env\[0\]: name is missing"
    ):
        state("kubernetes", text, cluster="east")


# ---- compose -------------------------------------------------------------------------------------

PROJECT = """
    services:
      web:
        labels: ["hitlportal.criticality=low", "com.example.other=1"]
        links: ["api:backend"]
        depends_on: [api]
        environment:
          CACHE: redis://:hunter2@cache:6379/0
          DB_HOST: ${DB_HOST:-database}
          UNKNOWN_HOST: ${UNKNOWN}
          PRICE: $$5
          MODE: api
      api:
        network_mode: service:vpn
        secrets: [token]
        environment:
          - OTEL_RESOURCE_ATTRIBUTES=service.criticality=high,deployment.environment=staging
      cache: {hostname: cache}
      db:
        networks: {back: {aliases: [database]}}
      vpn: {}
"""


def test_compose_services_and_what_they_need() -> None:
    stated = state("compose", PROJECT)
    assert service_edges(stated) == {
        ("web", "api"),
        ("web", "cache"),
        ("web", "db"),
        ("api", "vpn"),
    }
    assert said(stated)["web"] == Said(criticality="low")
    assert said(stated)["api"] == Said(criticality="high", environment="staging")
    assert stated.remarks == ["secrets, 1 times: not taken"]
    assert "hunter2" not in repr(stated)


def test_two_files_that_contradict_each_other_are_refused() -> None:
    text = "services: {a: {labels: {hitlportal.criticality: %s}}}"
    with pytest.raises(errors.BadValue, match=r"file2\.yaml.*'low' here and 'high' in file1"):
        state("compose", text % "high", text % "low")


def test_a_compose_file_has_services() -> None:
    with pytest.raises(errors.MissingField, match=r"file1\.yaml, document 1: services is missing"):
        state("compose", "volumes: {}")


# ---- CSV -----------------------------------------------------------------------------------------

SERVICES = "service,owner_team,environment,criticality,payment_path,external_partner,retired\n"
IDENTITIES = "identity,name,owner_team,environment,retired\n"
EDGES = "service,needs_service,needs_identity,present\n"
CONSUMERS = "service,needs_identity,present,seen_as,period,takes_by\n"


def test_csv_tables_are_told_apart_by_their_header_in_any_order() -> None:
    stated = state(
        "csv",
        "\ufeff" + SERVICES + 'web,"Pay, ""inc""",staging,low,yes,no,\r\napi,,,,,,yes\n',
        "name,identity,retired,environment,owner_team\nbatch,postgres.role:c/r,,staging,\n",
        EDGES + "web,api,,\nweb,,postgres.role:c/r,no\n",
    )
    assert said(stated) == {
        "web": Said('Pay, "inc"', "staging", "low", True, False),
        "api": Said(retired=True),
    }
    assert stated.identities["postgres.role:c/r"][0] == Said(environment="staging", name="batch")
    assert [(edge.service or edge.identity, edge.present) for edge in stated.edges.values()] == [
        ("api", True),
        ("postgres.role:c/r", False),
    ]


def test_a_table_of_consumers_says_how_an_identity_is_used() -> None:
    stated = state("csv", CONSUMERS + "web,postgres.role:c/r,,web-pool,24h,restart\n")
    (edge,) = stated.edges.values()
    assert edge.use == Use("web-pool", 86_400, "restart")
    stated = state("csv", CONSUMERS + "web,postgres.role:c/r,,,0,\n")
    assert [edge.use for edge in stated.edges.values()] == [Use(period_s=0)]


@every(
    ("text", "seconds"),
    [("0", 0), ("90s", 90), ("15m", 900), ("24h", 86_400), ("31d", 31 * 86_400)],
)
def test_a_period_has_a_unit(text: str, seconds: int) -> None:
    assert period(text, NOWHERE) == seconds
    assert period(write_period(seconds), NOWHERE) == seconds


@every("text", ["7", "1w", "-1s", "1.5h", "401d", "", " 1h", "1h30m", "١h"])
def test_other_texts_are_no_period(text: str) -> None:
    with pytest.raises(errors.BadInput):
        period(text, NOWHERE)


def test_annotations_say_how_all_their_identities_are_used() -> None:
    keys = {"identities": "postgres.role:c/r", "seen-as": "web", "period": "1h"}
    labels = "".join(f"      hitlportal.{key}: '{value}'\n" for key, value in keys.items())
    stated = state("compose", "services:\n  web:\n    image: x\n    labels:\n" + labels)
    assert [edge.use for edge in stated.edges.values()] == [Use("web", 3600)]


CSV_REFUSED = {
    "a period without a unit": (
        CONSUMERS + "a,postgres.role:c/r,,,7,\n",
        "'7' is not a time such as 0, 90s, 15m, 24h or 31d",
    ),
    "another way to take a value": (
        CONSUMERS + "a,postgres.role:c/r,,,,magic\n",
        "'magic' is not one of fetch, reload, restart, deploy, by_hand",
    ),
    "a formula": (SERVICES + "=cmd|x,,,,,,\n", "line 2: a cell begins with '='"),
    "a plus": (SERVICES + "a,+1,,,,,\n", "a cell begins with '+'"),
    "an at": (SERVICES + "a,@b,,,,,\n", "a cell begins with '@'"),
    "a minus in quotes": (SERVICES + 'a,"-1",,,,,\n', "a cell begins with '-'"),
    "a tab": (SERVICES + 'a,"\t=1",,,,,\n', "which a spreadsheet would run"),
    "an unknown column": (
        "service,owner\na,b\n",
        "line 1: unknown columns: “owner”; missing columns: “criticality”",
    ),
    "a column twice": (
        SERVICES.strip() + ",service\n",
        "columns that occur twice: “service”. Expected one of: ",
    ),
    "no header": ("", "there is no header. Expected one of: "),
    "a cell too many": (SERVICES + "a,,,,,,,\n", "line 2: 8 cells, the header has 7"),
    "a cell too few": (SERVICES + "a,,\n", "line 2: 3 cells, the header has 7"),
    "another word": (SERVICES + "a,,prod,,,,\n", "line 2, environment: 'prod' is not one of"),
    "another truth": (SERVICES + "a,,,,1,,\n", "line 2, payment_path: '1' is neither yes nor no"),
    "no name": (SERVICES + ",,,,,,\n", "line 2, service: empty"),
    "a row twice": (SERVICES + "a,,,,,,\na,,,,,,\n", "line 3: file1.yaml, line 2 speaks of it"),
    "a kind that is none": (IDENTITIES + "ssh.key:a,,,,\n", "line 2, identity: 'ssh.key:a' begins"),
    "two ends": (EDGES + "a,b,postgres.role:c/r,\n", "not both"),
    "no end": (EDGES + "a,,,\n", "name a service or an identity"),
    "itself": (EDGES + "a,a,,\n", "does not depend on itself"),
    "an open quote": (SERVICES + 'a,"b\n', "file1.yaml, line 2"),
    "text after a quote": (SERVICES + 'a,"b"c,,,,,\n', "line 2"),
    "a NUL": (SERVICES + "a\0,,,,,,\n", "it holds a NUL"),
    "a long cell": (SERVICES + "a" * 1_001 + ",,,,,,\n", "more than 1,000 characters"),
}


@every("what", CSV_REFUSED)
def test_a52_csv_is_strict(what: str) -> None:
    text, words = CSV_REFUSED[what]
    with pytest.raises(errors.BadInput) as refusal:
        state("csv", dedent(text))
    assert "file1.yaml" in str(refusal.value)
    assert words in str(refusal.value)
