"""Read TLS's section of the targets file: who serves a certificate, and who trusts it.

[tls.<certificate>]
hostname = "orders.example.com"     the name that clients ask for, and the certificate's
openbao = "main"                    a server of the section [openbao]
mount = "pki"                       its PKI engine there
role = "web"                        the role of that engine that signs
ttl = "720h"                        optional: the life of a new certificate
trust_file = "company-ca.pem"       what clients trust
crl_urls = ["https://…"]            optional: where its readers fetch the list of revoked ones;
                                    without it the addresses in the certificate
crl_ca_file = "bao-ca.pem"          optional: what those readers trust at https addresses
environment = "production"          optional, see targets.py

[tls.<certificate>.server.<name>]   every server and replica that shows it, by its own address
address = "10.0.0.11:8443"

[tls.<certificate>.relying.<name>]  optional: clients with a trust of their own
trust_file = "billing-ca.pem"
pinned_keys = ["…"]                 optional: SHA-256 of the public keys that it takes, in hex
managed = true                      optional: the portal may write the trust file, which nobody
                                    else of this file may list: see _refuse_shared
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Target
from remediation.executors.driver import Places
from remediation.executors.section import Section, TargetsFileInvalid
from remediation.executors.targets import Targets

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_ADDRESS = re.compile(r"(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Relying:
    """A client with a trust of its own."""

    trust_file: Path
    pinned_keys: tuple[str, ...]
    managed: bool = False


@dataclass(frozen=True)
class Certificate:
    """One certificate, and everybody who serves or trusts it."""

    hostname: str
    openbao: str
    mount: str
    role: str
    ttl: str
    trust_file: Path
    crl_urls: tuple[str, ...]
    servers: Mapping[str, Address]
    relying: Mapping[str, Relying]
    environment: str = ""
    crl_ca_file: Path | None = None


@dataclass(frozen=True)
class Certificates(Places):
    """All certificates of a worker, by name."""

    provider: ClassVar[str] = "tls"
    certificates: Mapping[str, Certificate]

    def environment(self, target: Target) -> str:
        found = self.certificates.get(target.fields["certificate"])
        return found.environment if found is not None else ""


def read(section: Section) -> Certificates:
    found = section.each(_certificate)
    _refuse_shared(found)
    return Certificates(found)


def _refuse_shared(certificates: Mapping[str, Certificate]) -> None:
    """Refuse a file that the portal may write and that others trust, too.

    A change of trust asks the servers of its own certificate alone, and two clients are two
    targets, which two runs may change at once. A certificate's own trust may be the file of one of
    its clients: it has the same servers.
    """
    listed = list(_listed(certificates))
    for certificate_, client, path, managed in listed:
        others = [
            f"{whose} ({who})" if who else whose
            for whose, who, other, _ in listed
            if other == path
            and (whose, who) != (certificate_, client)
            and (whose, who) != (certificate_, "")
        ]
        if managed and others:
            raise TargetsFileInvalid(
                f"tls {certificate_}: the trust file of {client} is managed, and listed by"
                f" {', '.join(others)} too: give each a file of its own, or remove managed"
            )


def _listed(
    certificates: Mapping[str, Certificate],
) -> Iterator[tuple[str, str, Path, bool]]:
    """Return each trust file without links: its certificate, its client, and whether managed."""
    for name, one in certificates.items():
        yield name, "", one.trust_file.resolve(), False
        if one.crl_ca_file is not None:
            yield name, "crl_ca_file", one.crl_ca_file.resolve(), False
        for client, relying in one.relying.items():
            yield name, client, relying.trust_file.resolve(), relying.managed


def _certificate(section: Section, name: str) -> Certificate:
    if not _NAME.fullmatch(name):
        raise TargetsFileInvalid(f"{name!r} is not the name of a certificate")
    hostname = section.text("hostname")
    if not _HOST.fullmatch(hostname):
        raise TargetsFileInvalid(f"tls {name}: hostname is a name in lower case")
    servers = section.section("server").each(_server)
    if not servers:
        raise TargetsFileInvalid(f"tls {name}: no server is named")
    if len({str(one) for one in servers.values()}) < len(servers):
        raise TargetsFileInvalid(f"tls {name}: two servers have one address")
    return Certificate(
        hostname=hostname,
        openbao=section.text("openbao"),
        mount=section.text("mount"),
        role=section.text("role"),
        ttl=section.text("ttl") if section.has("ttl") else "720h",
        trust_file=section.path("trust_file"),
        crl_urls=section.texts("crl_urls") if section.has("crl_urls") else (),
        servers=servers,
        relying=section.section("relying").each(_relying),
        environment=section.environment(),
        crl_ca_file=section.path("crl_ca_file") if section.has("crl_ca_file") else None,
    )


def _server(section: Section, name: str) -> Address:
    found = address(section.text("address"))
    if found is None:
        raise TargetsFileInvalid(f"server {name}: address is host:port")
    return found


def _relying(section: Section, name: str) -> Relying:
    keys = section.texts("pinned_keys") if section.has("pinned_keys") else ()
    if not all(_KEY.fullmatch(one) for one in keys):
        raise TargetsFileInvalid(f"client {name}: pinned_keys are SHA-256 in hex")
    return Relying(section.path("trust_file"), keys, section.boolean("managed"))


def address(text: str) -> Address | None:
    """Read host:port; None for anything else."""
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found[2]) < 65536:
        return None
    return Address(found[1].strip("[]"), int(found[2]))


def certificate(targets: Targets, name: str) -> Certificate:
    """Return an entry. Raises TargetUnobservable if this worker does not have it."""
    places = targets.of(Certificates)
    if places is None or name not in places.certificates:
        raise TargetUnobservable(f"this worker has no map of certificate {name}")
    return places.certificates[name]
