"""One world per kind of target: a real target, its log, and an independent view of it.

The contract test (test_contract.py) uses only this interface.
"""

from __future__ import annotations

import json
import re
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from audit.tlog.canonical import Json
from remediation.domain import plan
from remediation.domain.gate import gate
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Plan, Step
from remediation.executors.targets import Targets
from tests.executors import install, moto

CLUSTER = "orders-db"


def make_plan(action: str, target: dict[str, Json], parameters: dict[str, Json]) -> Plan:
    step: dict[str, Json] = {"action": action, "target": target, "parameters": parameters}
    body: Json = {"version": 1, "environment": "production", "steps": [step]}
    return plan.parse(body, protected=frozenset(), allow_test=True)


def clearance(
    for_plan: Plan, *, step: int = 0, undo: bool = False, ends_in: float = 30.0, digest: str = ""
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
        undo=undo,
    )


@contextmanager
def closed_port() -> Iterator[int]:
    """Reserve a local port on which nobody listens or can start to listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


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
        return make_plan(self.action, target or self.target, {})

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


class PostgresWorld(World):
    """A role on a real cluster."""

    def __init__(self, action: str, directory: Path, superuser: str, log: Path) -> None:
        self.action, self.directory, self.superuser, self.log = action, directory, superuser, log
        self.logins = install.install(superuser)
        self.role = f"app_{uuid4().hex[:12]}"
        options = "LOGIN" if action.endswith("disable") else "NOLOGIN"
        self.own_dsn = install.make_role(superuser, self.role, options)
        self.operate_file = install.write_operate_dsn(directory, self.logins.operate)

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
        lines = self.log.read_text(errors="replace").splitlines()
        return [
            line
            for line, detail in zip(lines, [*lines[1:], ""], strict=True)
            if re.search(pattern, line) and f"'{self.role}'" in detail
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
