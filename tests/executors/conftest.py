"""Real targets: the test run's second cluster, PostgreSQL 15, and the simulated AWS."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.binaries import PostgresBinaries
from hitlportal.demo.servers.entra import EntraServer
from hitlportal.demo.servers.github import GithubServer
from hitlportal.demo.servers.kube import KubeServer
from hitlportal.demo.servers.okta import OktaServer
from hitlportal.demo.servers.openbao import BaoServer
from hitlportal.demo.servers.postgres import LOG_EVERYTHING, NOT_DURABLE, PostgresCluster
from tests.executors import clusters, ldap, moto, oauth
from tests.executors.contract import CONTRACTS, World, cases
from tests.executors.entra import EntraPlace
from tests.executors.github import GithubPlace
from tests.executors.github import checks_keys_once as github_checks_keys_once
from tests.executors.kube import KubePlace
from tests.executors.okta import OktaPlace, checks_keys_once
from tests.executors.openbao import Place
from tests.executors.rabbitmq import RabbitPlace, TargetRabbit
from tests.executors.ssh import SshPlace
from tests.executors.ssh import running as ssh_running
from tests.executors.valkey import TargetServer, ValkeyPlace
from tests.executors.webhook import Automation, WebhookPlace, serving
from tests.kills import rabbit
from tests.needs import system_postgres
from tests.servers import Addresses


@dataclass(frozen=True)
class Cluster:
    """A target cluster: its superuser's DSN and its log."""

    superuser: str
    log: Path


@pytest.fixture(scope="session")
def newest_cluster(addresses: Addresses) -> Cluster:
    return Cluster(addresses.target, addresses.target_log)


@pytest.fixture(scope="session")
def cluster_15() -> Iterator[Cluster]:
    """PostgreSQL 15: CREATEROLE and GRANT have another meaning before release 16."""
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-15-"))
    directory.chmod(0o711)  # when root runs the tests, the server runs under another account
    server = PostgresCluster(
        directory / "cluster",
        binaries=PostgresBinaries(system_postgres(15)),
        settings={**NOT_DURABLE, **LOG_EVERYTHING},
    )
    server.start()
    yield Cluster(server.superuser_dsn(), server.log)
    server.stop()
    remove_home(server.home)
    shutil.rmtree(directory)


@pytest.fixture(params=["newest_cluster", "cluster_15"])
def cluster(request: pytest.FixtureRequest) -> Cluster:
    found: Cluster = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["newest", "15"])
def own_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster that no other test uses at the same time."""
    if request.param == "15":  # each process of the test run has its own
        yield request.getfixturevalue("cluster_15")
        return
    with clusters.cluster(request.param) as server:
        yield Cluster(server.superuser_dsn(), server.log)


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[moto.Moto]:
    with moto.running(tmp_path_factory.mktemp("moto")) as started:
        yield started


@pytest.fixture(scope="session")
def bao() -> Iterator[BaoServer]:
    """A real OpenBao; tests share it and use names of their own."""
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-bao-"))
    directory.chmod(0o711)  # when root runs the tests, the server runs under another account
    server = BaoServer(directory / "bao")
    server.start()
    yield server
    server.stop()
    remove_home(server.home)
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def bao_place(bao: BaoServer, newest_cluster: Cluster) -> Place:
    """The server with AppRoles, and with credentials of the target cluster."""
    place = Place(bao, newest_cluster.superuser)
    place.prepare()
    return place


@pytest.fixture(scope="session")
def valkey_place() -> Iterator[ValkeyPlace]:
    """A real Valkey; tests share it and use users of their own."""
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-valkey-"))
    directory.chmod(0o711)  # when root runs the tests, the server runs under another account
    server = TargetServer(directory / "valkey")
    server.start()
    yield ValkeyPlace(server)
    server.stop()
    remove_home(server.home)
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def webhook_place() -> Iterator[WebhookPlace]:
    """A receiver; tests share it and use subjects of their own."""
    automation = Automation()
    with serving(automation) as port:
        yield WebhookPlace(port, automation)


@pytest.fixture(scope="session")
def kube_place() -> Iterator[KubePlace]:
    """A simulated Kubernetes; tests share it and use namespaces of their own."""
    server = KubeServer()
    server.start()
    yield KubePlace(server)
    server.stop()


@pytest.fixture(scope="session")
def oauth_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[oauth.OAuthPlace]:
    """A real OAuth provider; tests share it and use tokens of their own."""
    yield from oauth.running(tmp_path_factory.mktemp("oauth"))


@pytest.fixture(scope="session")
def rabbit_place() -> Iterator[RabbitPlace]:
    """A real RabbitMQ; tests share it and use users of their own."""
    rabbit.required()
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-rabbitmq-"))
    directory.chmod(0o711)  # when root runs the tests, the server runs under another account
    server = TargetRabbit(directory / "rabbitmq")
    server.start()
    yield RabbitPlace(server)
    server.kill()  # it needs seconds to stop, and nothing of it is kept
    remove_home(server.home)
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def ldap_place() -> Iterator[ldap.LdapPlace]:
    """A real OpenLDAP; tests share it and use accounts of their own."""
    with ldap.running() as place:
        yield place


@pytest.fixture(scope="session")
def ssh_place() -> Iterator[SshPlace]:
    """A real sshd; one test at a time writes the files of its account."""
    with ssh_running() as place:
        yield place


@pytest.fixture(scope="session")
def github_place() -> Iterator[GithubPlace]:
    """A simulated GitHub; tests share it and use things of their own."""
    server = GithubServer()
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        github_checks_keys_once(patch)
        yield GithubPlace(server)
    server.stop()


@pytest.fixture(scope="session")
def entra_place() -> Iterator[EntraPlace]:
    """A simulated Entra; tests share it and use applications of their own."""
    server = EntraServer()
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        checks_keys_once(patch)
        yield EntraPlace(server)
    server.stop()


@pytest.fixture(scope="session")
def okta_place() -> Iterator[OktaPlace]:
    """A simulated Okta; tests share it and use users of their own."""
    server = OktaServer()
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        checks_keys_once(patch)
        yield OktaPlace(server)
    server.stop()


@pytest.fixture(params=cases())
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Yield the world of each action, with a real target."""
    action, *where = request.param.split()
    place = request.getfixturevalue(where[0]) if where else None
    made = CONTRACTS[action.partition(".")[0]].make(action, tmp_path, place)
    yield made
    made.close()
