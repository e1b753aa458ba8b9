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
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from audit.tlog.canonical import Json
from remediation import extensions
from remediation.domain import plan
from remediation.domain.catalogue import ACTIONS
from remediation.domain.gate import gate
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Plan, Step
from remediation.executors import postgres_look
from remediation.executors.targets import Targets
from tests.executors import install, moto

CLUSTER = "orders-db"


def make_plan(action: str, target: dict[str, Json], parameters: dict[str, Json]) -> Plan:
    step: dict[str, Json] = {"action": action, "target": target, "parameters": parameters}
    body: Json = {"version": 1, "environment": "production", "steps": [step]}
    return plan.parse(body, protected=frozenset(), allow_test=True)


def clearance(
    for_plan: Plan,
    *,
    step: int = 0,
    rollback: bool = False,
    ends_in: float = 30.0,
    digest: str = "",
) -> Clearance:
    """Make a clearance for this plan without an approval and the gate."""
    return Clearance(
        gate._SEAL,
        proposal_id=str(uuid4()),
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

    @abstractmethod
    def look(self) -> object:
        """Return the target's whole state, read without the executor."""

    @abstractmethod
    def changes(self) -> int:
        """Return the changing calls for this target in the target's own log."""

    def plan(self, target: dict[str, Json] | None = None) -> Plan:
        return make_plan(self.action, target or self.target, dict(ACTIONS[self.action].example))

    @property
    def step(self) -> Step:
        return self.plan().steps[0]

    def targets(self, port: int | None = None) -> Targets:
        path = self.directory / f"targets-{port}.toml"
        path.write_text(self.toml(port), encoding="utf-8")
        return Targets.load(path, portal_system_identifier=self.portal)

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
        self.logins = install.install(superuser)
        self.role = f"app_{uuid4().hex[:12]}"
        options = "LOGIN" if action.endswith("disable") else "NOLOGIN"
        self.own_dsn = install.make_role(superuser, self.role, options)
        self.operate_file = install.write_operate_dsn(directory, self.logins.operate)
        # The log is that of the whole run; what came before is nothing of this world's.
        self._begins = log.stat().st_size

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
        )

    def look(self) -> object:
        return self.ask(
            "SELECT r.*, ARRAY(SELECT m.roleid FROM pg_auth_members m WHERE m.member = r.oid)"
            " FROM pg_authid r WHERE rolname = %s",
            self.role,
        )

    def changes(self) -> int:
        return len(self.log_lines("hitl_ops.(disable|enable|terminate|set_verifier)"))

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
        self.user = simulator.user(active=action.endswith(".deactivate_access_key"))
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
        return {**self.target, "access_key_id": "AKIANOSUCHKEY0000000"}

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


BUILT_IN = (
    Contract(
        "postgres",
        lambda action, directory, place: PostgresWorld(
            action, directory, place.superuser, place.log
        ),
        ("newest_cluster", "cluster_15"),
    ),
    Contract("aws", AwsWorld, ("simulator",)),
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
