"""Read PostgreSQL's section of the targets file.

[postgres.<cluster>]
observe_dsn = "..."            or observe_dsn_file; login hitl_observer
operate_dsn_file = "..."       login hitl_operator
ticket_dsn_file = "..."        optional; login hitl_ticket, for steps that set a password
environment = "production"     optional, see targets.py
record_queries = true          optional: records of a step may have the beginning of queries

[postgres.<cluster>.standby.<name>]    optional, for each standby that takes sessions; <name> is its
observe_dsn = "..."                    application_name at the primary
operate_dsn_file = "..."               the same logins: they are replicated

[postgres.<cluster>.pooler.<name>]     optional, for each pooler at which consumers sign in
address = "pooler.example:6432"
database = "orders"                    as consumers name it there
ca_file = "pooler-ca.pem"              TLS; only a pooler on this machine needs none
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Target
from remediation.executors.credentials import for_observing, for_operating
from remediation.executors.driver import Places
from remediation.executors.postgres_pooler import Pooler
from remediation.executors.section import Secret, Section, TargetsFileInvalid
from remediation.executors.targets import Targets

# Addresses of this machine: nobody else is on the way to them.
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class PostgresServer:
    """One server: a primary, or a standby of one."""

    observe_dsn: Secret
    operate_dsn: Secret

    def observe(self) -> str:
        """Return the read-only DSN. Raises TargetUnobservable."""
        return for_observing(self.observe_dsn)

    def operate(self, clearance: Clearance) -> str:
        """Return the DSN that can change roles. Raises ClearanceRefused, CredentialUnavailable."""
        return for_operating(clearance, self.operate_dsn)


@dataclass(frozen=True)
class PostgresTarget(PostgresServer):
    """One cluster: its primary, and those of its standbys that this worker can look at."""

    environment: str = ""
    # None: an administrator of the target opens each ticket by hand.
    ticket_dsn: Secret | None = None
    standbys: Mapping[str, PostgresServer] = field(default_factory=lambda: MappingProxyType({}))
    poolers: Mapping[str, Pooler] = field(default_factory=lambda: MappingProxyType({}))
    # Whether the traces of a step have the beginning of each session's query.
    record_queries: bool = False


@dataclass(frozen=True)
class Clusters(Places):
    """All clusters of a worker, by name."""

    provider: ClassVar[str] = "postgres"
    clusters: Mapping[str, PostgresTarget]

    def environment(self, target: Target) -> str:
        found = self.clusters.get(target.fields["cluster"])
        return found.environment if found is not None else ""


def read(section: Section) -> Clusters:
    return Clusters(section.each(_cluster))


def _cluster(section: Section, _: str) -> PostgresTarget:
    standbys = section.section("standby").each(_standby)
    return PostgresTarget(
        section.secret("observe_dsn"),
        section.secret_file("operate_dsn"),
        section.environment(),
        section.secret_file("ticket_dsn") if section.has("ticket_dsn_file") else None,
        standbys,
        section.section("pooler").each(_pooler),
        section.boolean("record_queries"),
    )


def _standby(section: Section, _: str) -> PostgresServer:
    return PostgresServer(section.secret("observe_dsn"), section.secret_file("operate_dsn"))


def _pooler(section: Section, name: str) -> Pooler:
    host, _, port = section.text("address").rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise TargetsFileInvalid(f"pooler {name}: address must be a host and a port")
    host = host.removeprefix("[").removesuffix("]")
    ca_file = section.path("ca_file") if section.has("ca_file") else None
    if ca_file is None and host not in LOOPBACK:
        # On the way somebody could use the proof of the old password to sign in.
        raise TargetsFileInvalid(f"pooler {name}: a pooler on another machine needs ca_file")
    return Pooler(host, int(port), section.text("database"), ca_file)


def cluster(targets: Targets, name: str) -> PostgresTarget:
    """Return a cluster. Raises TargetUnobservable if this worker does not have it."""
    places = targets.of(Clusters)
    if places is None or name not in places.clusters:
        raise TargetUnobservable(f"this worker has no credentials for cluster {name}")
    return places.clusters[name]
