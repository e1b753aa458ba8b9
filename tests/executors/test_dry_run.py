"""The dry run of a plan writes to no target; each target's own record says so (A44).

The worker's assessment is the dry run: observe every target, ask each executor whether it would
refuse, say before and after. Each case ends with one real write, which the record must show:
otherwise the record would prove nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hitlportal.demo.servers.postgres import LOG_EVERYTHING, PostgresCluster
from remediation.domain.catalogue import ACTIONS, PROVIDERS
from remediation.domain.dry_run import DryStep, dry_run
from remediation.domain.observation import Observation
from remediation.executors.run import run_apply, run_observe, run_prepare
from remediation.executors.targets import Targets
from remediation.services.assessment.precheck import prechecks
from tests.executors.ansible import AnsibleWorld
from tests.executors.clusters import cluster
from tests.executors.conftest import Cluster
from tests.executors.contract import CONTRACTS, PostgresWorld, World, clearance
from tests.executors.entra import EntraWorld
from tests.executors.github import GithubWorld
from tests.executors.kube import KubeWorld
from tests.executors.ldap import LdapWorld
from tests.executors.oauth import OAuthWorld
from tests.executors.oauth_client import OAuthClientWorld
from tests.executors.okta import OktaWorld
from tests.executors.openbao import BaoWorld
from tests.executors.rabbitmq import RabbitWorld
from tests.executors.records import (
    AnsibleRecord,
    AwsRecord,
    BaoRecord,
    ClusterRecord,
    EntraRecord,
    FilesRecord,
    GithubRecord,
    KubeRecord,
    LdapRecord,
    OAuthRecord,
    OktaRecord,
    RabbitRecord,
    Record,
    SshRecord,
    ValkeyRecord,
    WebhookRecord,
    reads_only,
)
from tests.executors.ssh import SshWorld
from tests.executors.tls import TlsWorld
from tests.executors.valkey import ValkeyWorld
from tests.executors.webhook import WebhookWorld

PLACES = {
    "postgres": "own_cluster",
    "aws": "simulator",
    "openbao": "bao_place",
    "tls": "bao",
    "valkey": "valkey_place",
    "webhook": "webhook_place",
    "kubernetes": "kube_place",
    "oauth": "oauth_place",
    "rabbitmq": "rabbit_place",
    "ldap": "ldap_place",
    "ssh": "ssh_place",
    "github": "github_place",
    "okta": "okta_place",
    "entra": "entra_place",
    "ansible": "tmp_path",
}
# Those that need nothing but their world.
RECORDS: dict[type[World], Any] = {
    ValkeyWorld: ValkeyRecord,
    WebhookWorld: WebhookRecord,
    KubeWorld: KubeRecord,
    OAuthWorld: OAuthRecord,
    OAuthClientWorld: OAuthRecord,
    RabbitWorld: RabbitRecord,
    LdapWorld: LdapRecord,
    GithubWorld: GithubRecord,
    OktaWorld: OktaRecord,
    EntraWorld: EntraRecord,
    AnsibleWorld: AnsibleRecord,
    SshWorld: SshRecord,
}
CASES = [action for action in ACTIONS if action.partition(".")[0] in PLACES]


def test_every_provider_with_a_real_or_simulated_target_is_tried() -> None:
    for_tests = {name for name, provider in PROVIDERS.items() if provider.for_tests}
    assert set(PLACES) == set(CONTRACTS) - for_tests


@pytest.mark.parametrize(
    ("statement", "reads"),
    [
        ("SELECT r.oid FROM pg_roles r CROSS JOIN LATERAL hitl_ops.sessions(r.oid) s", True),
        ("WITH RECURSIVE above(id) AS (SELECT 1) SELECT * FROM above", True),
        ("SELECT hitl_ops.disable($1, 16400)", False),
        ("SELECT pg_terminate_backend(17)", False),
        ("WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone", False),
        ("ALTER ROLE app NOLOGIN", False),
    ],
)
def test_what_counts_as_a_read_of_a_cluster(statement: str, reads: bool) -> None:
    assert reads_only(statement) is reads


@pytest.fixture(scope="module")
def own_cluster() -> Iterator[PostgresCluster]:
    """A cluster that nobody else uses, so that each id of a transaction is accounted for."""
    with cluster("newest", **LOG_EVERYTHING, autovacuum="off") as started:
        yield started


@pytest.fixture
def dry_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    action: str = request.param
    provider = action.partition(".")[0]
    place: Any = request.getfixturevalue(PLACES[provider])
    if isinstance(place, PostgresCluster):
        place = Cluster(place.superuser_dsn(), place.log)
    made = CONTRACTS[provider].make(action, tmp_path, place)
    yield made
    made.close()


def records_of(world: World, request: pytest.FixtureRequest) -> list[Record]:
    """Return the records of the world's targets, from now on."""
    found: list[Record] = [FilesRecord(world.directory)]
    if isinstance(world, PostgresWorld):
        found.append(ClusterRecord(world.superuser, world.log))
    elif isinstance(world, BaoWorld | TlsWorld):
        found.append(BaoRecord(world, request.getfixturevalue("bao")))
    elif type(world) in RECORDS:
        found.append(RECORDS[type(world)](world))
    else:
        found.append(AwsRecord(request.getfixturevalue("simulator")))
    return found


def writes(records: list[Record]) -> list[str]:
    return [write for record in records for write in record.writes()]


def hidden(world: World) -> dict[Path, bytes]:
    """Take the credentials that can change something off the host; return what was there."""
    paths = [*world.directory.glob("operate.*"), *world.directory.glob("database.dsn")]
    held = {path: path.read_bytes() for path in paths}
    for path in paths:
        path.unlink()
    return held


Dry = tuple[dict[str, Observation | None], dict[int, str], tuple[DryStep, ...]]


def dry(world: World, targets: Targets) -> Dry:
    """Do what the assessment does with the world's plan, without the portal's database."""
    plan = world.plan()
    seen: dict[str, Observation | None] = {
        step.target.locator: run_observe(step, targets) for step in plan.steps
    }
    return seen, prechecks(plan, seen), dry_run(plan, seen)


@pytest.mark.parametrize("dry_world", CASES, indirect=True)
def test_a44_a_dry_run_only_reads_and_the_record_would_show_one_write(
    dry_world: World, request: pytest.FixtureRequest
) -> None:
    targets, plan = dry_world.targets(), dry_world.plan()
    before, records = dry_world.look(), records_of(dry_world, request)

    held = hidden(dry_world)  # reading one would raise CredentialUnavailable
    seen, refused, [step] = dry(dry_world, targets)

    assert writes(records) == []
    assert (dry_world.look(), dry_world.changes()) == (before, 0)
    for record in records:
        if isinstance(record, ClusterRecord):
            assert record.logins() == {"hitl_observer"}
    # It is a whole answer: the precheck in words, and what would change.
    assert refused == {0: ""}
    spec = step.step.spec
    assert bool(step.changes) is bool(spec.leads_to or spec.leads_to_from)
    assert {change.field for change in step.changes} <= set(spec.pin_fields)

    # The twin: the same with one write. The record must tell them apart.
    for path, body in held.items():
        path.write_bytes(body)
    observation, given = seen[step.step.target.locator], clearance(plan)
    assert observation is not None
    snapshot = run_prepare(given, plan.body, 0, targets, observation)
    assert writes(records) == []
    run_apply(given, plan.body, 0, targets, snapshot)
    found = [record.writes() for record in records]
    assert any(found[1:]), "the target's own record shows no write"
