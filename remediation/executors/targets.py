"""The targets file: where a worker's targets are, and by which credentials it reaches them.

TOML on the worker's host. Every key not named here is refused.

    [postgres.<cluster>]
    observe_dsn = "..."            or observe_dsn_file; login hitl_observer
    operate_dsn_file = "..."       login hitl_operator

    environment = "production"     optional, in each section: the least that its targets count
                                   as, whatever the inventory (which the web process writes) says

    [aws."<account, 12 digits>"]
    region = "eu-central-1"
    endpoint_url = "..."           optional
    simulated = false              true: the endpoint is a simulator, and people are told so
    observe_access_key_id = "..."
    observe_secret_access_key = "..."         or observe_secret_access_key_file
    operate_access_key_id = "..."
    operate_secret_access_key_file = "..."

    [test]                         only where test.noop may run
    file = "..."                   one JSON line for each call that changes something
    state_dir = "..."              one JSON file for each target name
    [test.inject.<name>]           failures to play; see noop.py

Credentials that can change something are named by file alone, never inline: their file is opened
by `operate`, which takes a clearance. Until then they are not in this process.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import ENVIRONMENTS, Target
from remediation.executors.errors import ClearanceRefused, CredentialUnavailable
from remediation.executors.section import Secret, Section, Table, TargetsFileInvalid


def _for_observing(secret: Secret) -> str:
    try:
        return secret.read()
    except (OSError, ValueError) as error:
        raise TargetUnobservable(f"{secret.file}: {type(error).__name__}") from error


def _for_operating(clearance: Clearance, secret: Secret) -> str:
    if type(clearance) is not Clearance:
        raise ClearanceRefused("credentials that can change a target need a clearance")
    try:
        return secret.read()
    except (OSError, ValueError) as error:
        raise CredentialUnavailable(f"{secret.file}: {type(error).__name__}") from error


@dataclass(frozen=True)
class PostgresTarget:
    """One cluster."""

    observe_dsn: Secret
    operate_dsn: Secret
    environment: str = ""

    def observe(self) -> str:
        """The read-only DSN. Raises TargetUnobservable."""
        return _for_observing(self.observe_dsn)

    def operate(self, clearance: Clearance) -> str:
        """The DSN that can change roles. Raises ClearanceRefused, CredentialUnavailable."""
        return _for_operating(clearance, self.operate_dsn)


@dataclass(frozen=True)
class AwsTarget:
    """One account."""

    region: str
    endpoint_url: str | None
    simulated: bool
    observe_access_key_id: str
    observe_secret: Secret
    operate_access_key_id: str
    operate_secret: Secret
    environment: str = ""

    def observe(self) -> tuple[str, str]:
        """The read-only key id and secret. Raises TargetUnobservable."""
        return self.observe_access_key_id, _for_observing(self.observe_secret)

    def operate(self, clearance: Clearance) -> tuple[str, str]:
        """The key id and secret that can change keys. Raises as PostgresTarget.operate."""
        return self.operate_access_key_id, _for_operating(clearance, self.operate_secret)


@dataclass(frozen=True)
class NoopTarget:
    """Where test.noop keeps its record and its targets' states."""

    file: Path
    state_dir: Path
    inject: Mapping[str, Table]
    environment: str = ""


@dataclass(frozen=True)
class Targets:
    """All targets of a worker, and what it needs to know of the portal to stay away from it."""

    clusters: Mapping[str, PostgresTarget]
    accounts: Mapping[str, AwsTarget]
    test: NoopTarget | None
    # pg_control_system().system_identifier of the portal's cluster; None: the portal has none.
    portal_system_identifier: int | None
    protected_clusters: frozenset[str]

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        portal_system_identifier: int | None,
        protected_clusters: frozenset[str] = frozenset(),
    ) -> Targets:
        """Read the file; relative paths in it start from its directory.

        Opens no credential file. Raises TargetsFileInvalid.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TargetsFileInvalid(f"{path}: {error}") from error
        top = Section(table, str(path), path.parent)
        targets = cls(
            clusters=top.each("postgres", _postgres),
            accounts=top.each("aws", _aws),
            test=_test(top.section("test")) if "test" in table else None,
            portal_system_identifier=portal_system_identifier,
            protected_clusters=protected_clusters,
        )
        top.refuse_unknown()
        return targets

    @property
    def own_keys(self) -> frozenset[str]:
        """The access keys by which the portal itself reaches its accounts."""
        return frozenset(
            key
            for account in self.accounts.values()
            for key in (account.observe_access_key_id, account.operate_access_key_id)
        )

    def environment(self, target: Target) -> str:
        """What this host says the target is, whatever the inventory says; "" for nothing."""
        place: PostgresTarget | AwsTarget | NoopTarget | None = self.test
        if target.kind == "postgres.role":
            place = self.clusters.get(target.fields["cluster"])
        elif "account" in target.fields:
            place = self.accounts.get(target.fields["account"])
        return place.environment if place is not None else ""

    def cluster(self, name: str) -> PostgresTarget:
        """Raises TargetUnobservable for a cluster that this worker does not have."""
        if name not in self.clusters:
            raise TargetUnobservable(f"this worker has no credentials for cluster {name}")
        return self.clusters[name]

    def account(self, number: str) -> AwsTarget:
        """Raises TargetUnobservable for an account that this worker does not have."""
        if number not in self.accounts:
            raise TargetUnobservable(f"this worker has no credentials for AWS account {number}")
        return self.accounts[number]


def _environment(section: Section) -> str:
    if not section.has("environment"):
        return ""
    found = section.text("environment")
    if found not in ENVIRONMENTS:
        raise TargetsFileInvalid(f"environment is one of {', '.join(ENVIRONMENTS)}")
    return found


def _postgres(section: Section, _: str) -> PostgresTarget:
    target = PostgresTarget(
        section.secret("observe_dsn"), section.secret_file("operate_dsn"), _environment(section)
    )
    section.refuse_unknown()
    return target


def _aws(section: Section, number: str) -> AwsTarget:
    if not re.fullmatch(r"[0-9]{12}", number):
        raise TargetsFileInvalid(f"{number!r} is not the number of an AWS account")
    endpoint = section.text("endpoint_url") if section.has("endpoint_url") else None
    target = AwsTarget(
        region=section.text("region"),
        endpoint_url=endpoint,
        simulated=section.boolean("simulated"),
        observe_access_key_id=section.text("observe_access_key_id"),
        observe_secret=section.secret("observe_secret_access_key"),
        operate_access_key_id=section.text("operate_access_key_id"),
        operate_secret=section.secret_file("operate_secret_access_key"),
        environment=_environment(section),
    )
    section.refuse_unknown()
    _refuse_false_label(number, target)
    return target


def _refuse_false_label(number: str, target: AwsTarget) -> None:
    """What people read as simulated must not be the real AWS, and the real one needs TLS."""
    address = urlsplit(target.endpoint_url or "https://iam.amazonaws.com")
    real = (address.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn", ".aws"))
    if target.simulated and (real or target.endpoint_url is None):
        raise TargetsFileInvalid(f"account {number}: simulated, but the endpoint is AWS itself")
    if not target.simulated and address.scheme != "https":
        raise TargetsFileInvalid(f"account {number}: an endpoint that is not simulated needs https")


def _test(section: Section) -> NoopTarget:
    target = NoopTarget(
        section.path("file"),
        section.path("state_dir"),
        section.tables("inject"),
        _environment(section),
    )
    section.refuse_unknown()
    return target
