"""Read Kubernetes' section of the targets file, and open its API with one of the two tokens.

[kubernetes.<cluster>]
server = "https://10.0.0.5:6443"             the API server; plain http only on the loopback address
ca_file = "k8s-ca.pem"                       the cluster's own authority; no other one is trusted
observe_token_file = "k8s-observe.token"     read at each call: a kubelet or a cron job renews it
operate_token_file = "k8s-operate.token"
own_namespaces = ["hitlportal"]              optional: where the portal runs; no plan may name them
simulated = false                            true: the address is a simulator, and pages say so
environment = "production"                   optional, see targets.py

No kubeconfig and no variable of the environment is read, proxies included. The rights of both
accounts stand in docs/kubernetes.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Target
from remediation.executors.addresses import is_loopback, refuse_second_names
from remediation.executors.credentials import for_observing, for_operating
from remediation.executors.driver import Places
from remediation.executors.kubernetes_calls import Api
from remediation.executors.section import Secret, Section, TargetsFileInvalid
from remediation.executors.targets import Targets

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class Cluster:
    """A cluster's API server, and the worker's two accounts there."""

    server: str
    ca_file: Path | None
    observer: Secret
    operator: Secret
    own_namespaces: tuple[str, ...] = ()
    simulated: bool = False
    environment: str = ""

    @contextmanager
    def observing(self) -> Iterator[Api]:
        """Yield the API with an account that can only read. Raises TargetUnobservable."""
        with self._open(for_observing(self.observer)) as api:
            yield api

    @contextmanager
    def operating(self, clearance: Clearance) -> Iterator[Api]:
        """Yield the API with an account that can change something.

        Raises ClearanceRefused, CredentialUnavailable and TargetUnobservable.
        """
        with self._open(for_operating(clearance, self.operator)) as api:
            yield api

    @contextmanager
    def _open(self, token: str) -> Iterator[Api]:
        api = Api.open(self.server, self.ca_file, token)
        try:
            yield api
        finally:
            api.close()


@dataclass(frozen=True)
class Clusters(Places):
    """All clusters of a worker, by name."""

    provider: ClassVar[str] = "kubernetes"
    clusters: Mapping[str, Cluster]

    def environment(self, target: Target) -> str:
        found = self.clusters.get(target.fields["cluster"])
        return found.environment if found is not None else ""

    def is_own(self, target: Target) -> bool:
        """Return whether the target is in a namespace where the portal itself runs."""
        found = self.clusters.get(target.fields["cluster"])
        return found is not None and target.fields["namespace"] in found.own_namespaces


def read(section: Section) -> Clusters:
    found = section.each(_cluster)
    refuse_second_names("kubernetes", {name: (at.server,) for name, at in found.items()})
    return Clusters(found)


def cluster(targets: Targets, name: str) -> Cluster:
    """Return a cluster. Raises TargetUnobservable if this worker does not have it."""
    places = targets.of(Clusters)
    if places is None or name not in places.clusters:
        raise TargetUnobservable(f"this worker has no account in Kubernetes {name}")
    return places.clusters[name]


def _cluster(section: Section, name: str) -> Cluster:
    if not _NAME.fullmatch(name):
        raise TargetsFileInvalid(f"{name!r} is not the name of a cluster")
    server, simulated = section.text("server"), section.boolean("simulated")
    ca_file = section.path("ca_file") if section.has("ca_file") else None
    _refuse_address(server, ca_file, simulated, at=f"kubernetes {name}")
    return Cluster(
        server=server.rstrip("/"),
        ca_file=ca_file,
        observer=section.secret("observe_token"),
        operator=section.secret_file("operate_token"),
        own_namespaces=section.texts("own_namespaces") if section.has("own_namespaces") else (),
        simulated=simulated,
        environment=section.environment(),
    )


def _refuse_address(server: str, ca_file: Path | None, simulated: bool, *, at: str) -> None:
    """Refuse what would send a token in clear, or a real cluster that is called simulated."""
    try:
        address = urlsplit(server)
        host, _ = address.hostname or "", address.port
    except ValueError as error:
        raise TargetsFileInvalid(f"{at}: server is no address") from error
    plain = f"{address.scheme}://{address.netloc}"
    if address.scheme not in ("http", "https") or not host or "@" in address.netloc:
        raise TargetsFileInvalid(f"{at}: server must be https://host:port")
    if server.rstrip("/") != plain:
        raise TargetsFileInvalid(f"{at}: server is an address without a path")
    here = is_loopback(host)
    if address.scheme == "http" and not here:
        raise TargetsFileInvalid(f"{at}: {host} needs https, since a token is sent to it")
    if (address.scheme == "https") != (ca_file is not None):
        raise TargetsFileInvalid(f"{at}: give ca_file with https, and only there")
    if simulated and not here:
        raise TargetsFileInvalid(f"{at}: simulated, but the address is not on this host")
