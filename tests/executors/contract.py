"""One world per kind of target: a real target, its log, and an independent view of it.

The contract test (test_contract.py) uses only this interface. Its cases are the actions of
every declaration, on each place that the provider's `Contract` names. Another package gives its
own by an entry point of the group `hitlportal.contract`.
"""

from __future__ import annotations

import json
import re
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from audit.tlog.canonical import Json
from remediation import extensions
from remediation.domain import instant, plan
from remediation.domain.catalogue import ACTIONS
from remediation.domain.gate import gate
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Plan, Step
from remediation.domain.waits import Order
from remediation.executors import postgres_look
from remediation.executors.base import Deadline
from remediation.executors.secret import SecretValue
from remediation.executors.stores.file import FileStore
from remediation.executors.stores.store import Staged
from remediation.executors.targets import Targets
from tests.executors import install, moto

CLUSTER = "orders-db"


def make_plan(action: str, target: dict[str, Json], parameters: dict[str, Json]) -> Plan:
    step: dict[str, Json] = {"action": action, "target": target, "parameters": parameters}
    spec, order = ACTIONS[action], Order.NONE
    if spec.delivers:
        order = Order.CUT_FIRST if spec.retires else Order.MOVE_FIRST
    body: Json = plan.written("production", [step], order)
    return plan.parse(body, protected=frozenset(), allow_test=True)


def clearance(
    for_plan: Plan,
    *,
    step: int = 0,
    rollback: bool = False,
    ends_in: float = 30.0,
    digest: str = "",
    proposal: str = "",
) -> Clearance:
    """Make a clearance for this plan without an approval and the gate.

    Without `proposal` always for the same one, since a store notes whose version it is.
    """
    return Clearance(
        gate._SEAL,
        proposal_id=proposal or str(UUID(for_plan.digest[:32])),
        plan_digest=digest or for_plan.digest,
        step=step,
        token=1,
        pin_digest="",
        ends=time.monotonic() + ends_in,
        rollback=rollback,
    )


@contextmanager
def closed_port() -> Iterator[int]:
    """Reserve a local port on which nobody listens or can start to listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


# Other tests sign in at the same cluster all the time, and a login of theirs may take long. That
# one is not named which ends in this time.
AS_DEPLOYED = postgres_look.STARTING_SECONDS  # for a test with a cluster of its own
postgres_look.STARTING_SECONDS = 20.0


class World(ABC):
    """An existing target in its state before the action."""

    action: str
    directory: Path
    portal: int | None = None
    # False: the provider answers the same for lack of rights, so a missing target is unobservable.
    says_gone: bool = True
    # Pinned fields whose old value cannot come back: the target gives a new one.
    made_anew: frozenset[str] = frozenset()

    @property
    @abstractmethod
    def target(self) -> dict[str, Json]: ...

    @property
    @abstractmethod
    def gone(self) -> dict[str, Json]:
        """Return a target of the same kind that does not exist."""

    @abstractmethod
    def toml(self, port: int | None = None) -> str:
        """Return the targets file; with a port, the target's address does not answer."""

    def store_toml(self) -> str:
        """Return the stores of the targets file."""
        return ""

    @abstractmethod
    def look(self) -> object:
        """Return the target's whole state, read without the executor."""

    @abstractmethod
    def changes(self) -> int:
        """Return the changing calls for this target in the target's own log."""

    @property
    def parameters(self) -> dict[str, Json]:
        return dict(ACTIONS[self.action].example)

    def plan(self, target: dict[str, Json] | None = None) -> Plan:
        return make_plan(self.action, target or self.target, self.parameters)

    @property
    def step(self) -> Step:
        return self.plan().steps[0]

    def targets(self, port: int | None = None) -> Targets:
        path = self.directory / f"targets-{port}.toml"
        path.write_text(self.toml(port) + self.store_toml(), encoding="utf-8")
        return Targets.load(path, portal_system_identifier=self.portal)

    def close(self) -> None:  # noqa: B027  most worlds hold nothing open
        """End what the world holds open."""

    def hide_operate_credential(self) -> None:
        """Remove the files with operating credentials."""
        for path in self.directory.glob("operate.*"):
            path.unlink()


@dataclass(frozen=True)
class Contract:
    """How a provider's executors are tried: on a world made of the action, a directory, and what
    the fixture of each named place gives ("" for a provider that needs none)."""

    provider: str
    make: Callable[[str, Path, Any], World]
    places: tuple[str, ...] = ("",)
    # Whether changing something needs a credential that `hide_operate_credential` can take away.
    with_credentials: bool = True


class PostgresWorld(World):
    """A role on a real cluster."""

    def __init__(self, action: str, directory: Path, superuser: str, log: Path) -> None:
        self.action, self.directory, self.superuser, self.log = action, directory, superuser, log
        self.logins = install.installed(superuser)
        self.role = f"app_{uuid4().hex[:12]}"
        options = "NOLOGIN" if action.endswith("enable") else "LOGIN"
        self.own_dsn = install.make_role(superuser, self.role, options)
        self.operate_file = install.write_operate_dsn(directory, self.logins.operate)
        (directory / "operate.ticket").write_text(self.logins.ticket)
        (directory / "store").mkdir(mode=0o755, exist_ok=True)
        # The role that a second one is made like.
        self.first = self.role
        # A session that began before any time that the plan names.
        self.open = psycopg.connect(self.own_dsn) if action.endswith("end_sessions") else None
        self.cut = instant.dump(datetime.now(UTC))
        if ACTIONS[action].creates:
            self.role = f"{self.role}_2"
        # The log is that of the whole run; what came before is nothing of this world's.
        self._begins = log.stat().st_size

    def close(self) -> None:
        if self.open is not None:
            self.open.close()

    @property
    def target(self) -> dict[str, Json]:
        return {"kind": "postgres.role", "cluster": CLUSTER, "role": self.role}

    @property
    def gone(self) -> dict[str, Json]:
        return {"kind": "postgres.role", "cluster": CLUSTER, "role": f"{self.role}_gone"}

    def toml(self, port: int | None = None) -> str:
        observe = self.logins.observe
        if port is not None:
            observe = re.sub(r":\d+/", f":{port}/", observe)
            self.operate_file.write_text(re.sub(r":\d+/", f":{port}/", self.logins.operate))
        return (
            f'[postgres.{CLUSTER}]\nobserve_dsn = "{observe}"\noperate_dsn_file = "operate.dsn"\n'
            'ticket_dsn_file = "operate.ticket"\n'
        )

    def store_toml(self) -> str:
        return (
            '[store.apps]\nkind = "file"\ndirectory = "store"\nmode = "0440"\n'
            f'[store.apps.allow]\n"postgres.role:{CLUSTER}/*" = ["orders/*"]\n'
        )

    @property
    def parameters(self) -> dict[str, Json]:
        more: dict[str, Json] = {}
        if self.action.endswith("end_sessions"):
            more = {"begun_before": self.cut}
        if ACTIONS[self.action].creates:
            more = {"like": self.first}
        return {**super().parameters, **more}

    def look(self) -> object:
        return self.ask(
            "SELECT r.*, ARRAY(SELECT m.roleid FROM pg_auth_members m WHERE m.member = r.oid)"
            " FROM pg_authid r WHERE rolname = %s",
            self.role,
        )

    def changes(self) -> int:
        return len(
            self.log_lines(
                "hitl_ops.(disable|enable|terminate|set_verifier|create_twin|drop_twin|issue"
                "|end_sessions)"
            )
        )

    def log_lines(self, pattern: str) -> list[str]:
        """Return matching statements of the cluster's log with this role as a parameter."""
        with self.log.open("rb") as log:
            log.seek(self._begins)
            lines = log.read().decode(errors="replace").splitlines()
        return [
            line
            for line, detail in zip(lines, [*lines[1:], ""], strict=False)
            if f"'{self.role}'" in detail and re.search(pattern, line)
        ]

    def ask(self, query: str, *parameters: object) -> Any:
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            return connection.execute(query.encode(), parameters).fetchone()


class AwsWorld(World):
    """An access key in the simulated AWS."""

    def __init__(self, action: str, directory: Path, simulator: moto.Moto) -> None:
        self.action, self.directory, self.moto = action, directory, simulator
        self.user = self.new_user()
        (directory / "operate.secret").write_text("operator\n")

    @property
    def target(self) -> dict[str, Json]:
        return {
            "kind": "aws.iam.access_key",
            "account": moto.ACCOUNT,
            "user": self.user.name,
            "access_key_id": self.user.key,
        }

    @property
    def gone(self) -> dict[str, Json]:
        if self.action == "aws.access_key.delete":  # a key that is not listed was deleted
            return {**self.target, "user": "no-such-user"}
        return {**self.target, "access_key_id": "AKIANOSUCHKEY0000000"}

    def new_user(self) -> moto.User:
        return self.moto.user(active=self.action.endswith(".deactivate_access_key"))

    def toml(self, port: int | None = None) -> str:
        url = self.moto.url if port is None else f"http://127.0.0.1:{port}"
        logins = moto.logins("1")
        return f"""
[aws."{moto.ACCOUNT}"]
region = "us-east-1"
endpoint_url = "{url}"
simulated = true
observe_access_key_id = "{logins["observer"]["id"]}"
observe_secret_access_key = "observer"
operate_access_key_id = "{logins["operator"]["id"]}"
operate_secret_access_key_file = "operate.secret"
"""

    def look(self) -> object:
        return [self.moto.keys()[key] for key in (self.user.key, self.user.second_key)]

    def changes(self) -> int:
        reads = ("iam:GetAccessKeyLastUsed", "iam:ListAccessKeys")
        return len([line for line in self.moto.lines(self.user.key) if line["call"] not in reads])


class UserKeysWorld(AwsWorld):
    """A user in the simulated AWS, and a place in a store of files that holds its old key."""

    def __init__(self, action: str, directory: Path, simulator: moto.Moto) -> None:
        super().__init__(action, directory, simulator)
        (directory / "store").mkdir(mode=0o700)
        self.deliver("hitl-000000000000-0", self.user.key)

    login = "operator"
    cloudtrail = False
    slow = False

    def new_user(self) -> moto.User:
        if self.action.endswith(".discard_key"):
            return self.moto.user()
        return self.moto.lone_user(slow=self.slow)

    @property
    def target(self) -> dict[str, Json]:
        return {"kind": "aws.user_keys", "account": moto.ACCOUNT, "user": self.user.name}

    @property
    def gone(self) -> dict[str, Json]:
        return {**self.target, "user": "no-such-user"}

    @property
    def path(self) -> str:
        return f"robots/{self.user.name}"

    @property
    def parameters(self) -> dict[str, Json]:
        if self.action.endswith(".discard_key"):
            return {"access_key_id": self.user.second_key}
        return {"store": f"apps:{self.path}", "replaces": self.user.key}

    def plan(self, target: dict[str, Json] | None = None) -> Plan:
        return make_plan(self.action, target or self.target, self.parameters)

    def toml(self, port: int | None = None) -> str:
        login = moto.logins("1")[self.login]["id"]
        text = super().toml(port).replace(moto.logins("1")["operator"]["id"], login)
        if self.login == "assumer":
            text += f'operate_role_arn = "arn:aws:iam::{moto.ACCOUNT}:role/hitl-operator"\n'
        return (
            f"{text}cloudtrail = {str(self.cloudtrail).lower()}\n"
            '[store.apps]\nkind = "file"\ndirectory = "store"\n'
            '[store.apps.allow]\n"aws.user_keys:*/*" = ["robots/*"]\n'
        )

    def targets(self, port: int | None = None) -> Targets:
        if self.login != "operator":
            (self.directory / "operate.secret").write_text(f"{self.login}\n")
        return super().targets(port)

    def deliver(self, version: str, key_id: str) -> None:
        """Put a version into the store as an earlier rotation would."""
        store = FileStore("apps", self.directory / "store")
        given, soon = clearance(self.plan()), Deadline.within(20)
        value = SecretValue({"access_key_id": key_id, "secret_access_key": self.user.secret})
        store.stage(given, self.path, Staged(version, "earlier"), value, soon)
        store.promote(given, self.path, version, soon)

    def delivered(self) -> dict[str, str]:
        """Return what a consumer reads."""
        current = self.directory / "store" / self.path / "current"
        names = ("access_key_id", "secret_access_key")
        return {name: (current / name).read_text() for name in names}

    def look(self) -> object:
        links = (self.directory / "store").rglob("current")
        return self.moto.keys_of(self.user.name), [str(link.readlink()) for link in links]

    def changes(self) -> int:
        reads = ("iam:GetUser", "iam:ListAccessKeys", "iam:GetAccessKeyLastUsed")
        lines = self.moto.lines_of(self.user.name)
        return len([line for line in lines if line["call"] not in reads])


def aws_world(action: str, directory: Path, simulator: moto.Moto) -> AwsWorld:
    """Return the world of an action on one key, on all keys of a user, or on something else."""
    from tests.executors import aws_worlds  # it imports this module

    other = aws_worlds.WORLDS.get(action.rpartition(".")[0])
    if other is not None:
        return other(action, directory, simulator)
    kind = UserKeysWorld if action.startswith("aws.user_keys.") else AwsWorld
    return kind(action, directory, simulator)


class NoopWorld(World):
    """A target of test.noop."""

    action = "test.noop"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.states = directory / "states"
        self.states.mkdir()
        (self.states / "gone.json").write_text(json.dumps({"exists": False}))

    @property
    def target(self) -> dict[str, Json]:
        return {"kind": "test.target", "name": "alpha"}

    @property
    def gone(self) -> dict[str, Json]:
        return {"kind": "test.target", "name": "gone"}

    def toml(self, port: int | None = None) -> str:
        if port is not None:  # a state that cannot be read
            (self.states / "alpha.json").write_text("{")
        return '[test]\nfile = "calls.jsonl"\nstate_dir = "states"\n'

    def look(self) -> object:
        return {path.name: path.read_text() for path in self.states.iterdir()}

    def changes(self) -> int:
        return len(self.calls())

    def calls(self) -> list[dict[str, Any]]:
        path = self.directory / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _bao_world(action: str, directory: Path, place: Any) -> World:
    from tests.executors.openbao_credential import bao_world  # it imports this module

    return bao_world(action, directory, place)


def _postgres_world(action: str, directory: Path, place: Any) -> World:
    from tests.executors.postgres_membership import MembershipWorld

    kind = MembershipWorld if action.startswith("postgres.membership.") else PostgresWorld
    return kind(action, directory, place.superuser, place.log)


def _tls_world(action: str, directory: Path, place: Any) -> World:
    from tests.executors.tls import tls_world

    return tls_world(action, directory, place)


def _valkey_world(action: str, directory: Path, place: Any) -> World:
    from tests.executors.valkey import ValkeyWorld

    return ValkeyWorld(action, directory, place)


def _webhook_world(action: str, directory: Path, place: Any) -> World:
    from tests.executors.webhook import WebhookWorld

    return WebhookWorld(action, directory, place)


def _kube_world(action: str, directory: Path, place: Any) -> World:
    from tests.executors.kube import KubeWorld

    return KubeWorld(action, directory, place)


def _oauth_world(action: str, directory: Path, place: Any) -> World:
    from tests.executors.oauth import OAuthWorld
    from tests.executors.oauth_client import OAuthClientWorld

    if action == "oauth.client.delete":
        return OAuthClientWorld(action, directory, place)
    return OAuthWorld(action, directory, place)


def _rabbit_world(action: str, directory: Path, place: Any) -> World:
    from tests.executors.rabbitmq import RabbitWorld

    return RabbitWorld(action, directory, place)


def _ldap_world(action: str, directory: Path, place: Any) -> World:
    from tests.executors.ldap import LdapWorld

    return LdapWorld(action, directory, place)


def _ssh_world(action: str, directory: Path, place: Any) -> World:
    from tests.executors.ssh import SshWorld

    return SshWorld(action, directory, place)


def _github_world(action: str, directory: Path, place: Any) -> World:
    from tests.executors.github import GithubWorld

    return GithubWorld(action, directory, place)


def _entra_world(action: str, directory: Path, place: Any) -> World:
    from tests.executors.entra import EntraWorld

    return EntraWorld(action, directory, place)


def _okta_world(action: str, directory: Path, place: Any) -> World:
    from tests.executors.okta import OktaWorld

    return OktaWorld(action, directory, place)


def _ansible_world(action: str, directory: Path, place: Any) -> World:
    from tests.executors.ansible import AnsibleWorld

    return AnsibleWorld(action, directory, quick=True)


BUILT_IN = (
    Contract(
        "postgres",
        _postgres_world,
        ("newest_cluster", "cluster_15"),
    ),
    Contract("aws", aws_world, ("simulator",)),
    Contract("openbao", _bao_world, ("bao_place",)),
    Contract("tls", _tls_world, ("bao",)),
    Contract("valkey", _valkey_world, ("valkey_place",)),
    Contract("webhook", _webhook_world, ("webhook_place",)),
    Contract("kubernetes", _kube_world, ("kube_place",)),
    Contract("oauth", _oauth_world, ("oauth_place",)),
    Contract("rabbitmq", _rabbit_world, ("rabbit_place",)),
    Contract("ldap", _ldap_world, ("ldap_place",)),
    Contract("ssh", _ssh_world, ("ssh_place",)),
    Contract("github", _github_world, ("github_place",)),
    Contract("okta", _okta_world, ("okta_place",)),
    Contract("entra", _entra_world, ("entra_place",)),
    Contract("ansible", _ansible_world),
    Contract("test", lambda _, directory, place: NoopWorld(directory), with_credentials=False),
)
CONTRACTS = {
    each.provider: each
    for each in (
        *BUILT_IN,
        *(each for _, each in extensions.found("hitlportal.contract", Contract)),
    )
}


def cases(*, with_credentials: bool = False) -> list[str]:
    """Each action with the fixture of a place to try it on, as the `world` fixture reads it."""
    return [
        f"{action} {place}".strip()
        for action in ACTIONS
        for contract in [CONTRACTS[action.partition(".")[0]]]
        for place in contract.places
        if contract.with_credentials or not with_credentials
    ]
