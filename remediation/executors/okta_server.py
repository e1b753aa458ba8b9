"""Read Okta's section of the targets file.

[okta.<organisation>]                 a name of your own for it, in small letters
url = "https://acme.okta.example"     the organisation's address
ca_file = "okta-ca.pem"               optional: the authority of its certificate
observe_client_id = "0oaObserve"      the service app that only reads
observe_key_file = "okta-observe.pem" its private key (RSA)
observe_key_id = "k1"                 optional: needed if the app has more than one key
operate_client_id = "0oaOperate"      the service app that suspends users and clears sessions
operate_key_file = "okta-operate.pem"
operate_key_id = "k1"
simulated = false                     true: the address is a simulator, and pages say so
environment = "production"            optional, see targets.py

The scopes and admin roles of both apps stand in docs/okta.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Target
from remediation.executors.addresses import is_loopback
from remediation.executors.driver import Places
from remediation.executors.section import Secret, Section, TargetsFileInvalid
from remediation.executors.targets import Targets

_ORG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Login:
    """A service app with its private key."""

    client_id: str
    key: Secret
    key_id: str = ""


@dataclass(frozen=True)
class Organisation:
    """An organisation, and the worker's two apps there."""

    name: str
    url: str
    observer: Login
    operator: Login
    ca_file: Path | None = None
    simulated: bool = False
    environment: str = ""


@dataclass(frozen=True)
class Organisations(Places):
    """All organisations of a worker, by name. Its own logins are apps, never users."""

    provider: ClassVar[str] = "okta"
    organisations: Mapping[str, Organisation]

    def environment(self, target: Target) -> str:
        found = self.organisations.get(target.fields["org"])
        return found.environment if found is not None else ""


def read(section: Section) -> Organisations:
    found = section.each(_organisation)
    # A lease is held by name, and a section has its environment: no second name for one place.
    if len({at.url.lower() for at in found.values()}) < len(found):
        raise TargetsFileInvalid("okta: two names for one organisation")
    return Organisations(found)


def organisation(targets: Targets, name: str) -> Organisation:
    """Return an organisation. Raises TargetUnobservable if this worker does not have it."""
    places = targets.of(Organisations)
    if places is None or name not in places.organisations:
        raise TargetUnobservable(f"this worker has no login in Okta organisation {name}")
    return places.organisations[name]


def _organisation(section: Section, name: str) -> Organisation:
    if not _ORG.fullmatch(name):
        raise TargetsFileInvalid(f"{name!r} is not a name of an organisation, in small letters")
    url, simulated = section.text("url"), False
    if section.has("simulated"):
        simulated = section.boolean("simulated")
    _refuse_address(url, name, simulated)
    observer, operator = _login(section, "observe", name), _login(section, "operate", name)
    if observer.client_id == operator.client_id:
        raise TargetsFileInvalid(f"okta {name}: the observer is an app of its own")
    return Organisation(
        name=name,
        url=url.rstrip("/"),
        observer=observer,
        operator=operator,
        ca_file=section.path("ca_file") if section.has("ca_file") else None,
        simulated=simulated,
        environment=section.environment(),
    )


def _login(section: Section, who: str, at: str) -> Login:
    client, key_id = section.text(f"{who}_client_id"), ""
    if section.has(f"{who}_key_id"):
        key_id = section.text(f"{who}_key_id")
    if not _ID.fullmatch(client) or (key_id and not _ID.fullmatch(key_id)):
        raise TargetsFileInvalid(f"okta {at}: {who}_client_id or {who}_key_id is none")
    return Login(client, section.secret_file(f"{who}_key"), key_id)


def _refuse_address(address: str, at: str, simulated: bool) -> None:
    try:
        where = urlsplit(address)
        here = is_loopback(where.hostname or "")
        usable = bool(where.hostname) and where.port != 0 and "@" not in where.netloc
    except ValueError:
        where, here, usable = urlsplit(""), False, False
    usable = usable and where.path in ("", "/") and not where.query and not where.fragment
    if not usable or not (where.scheme == "https" or (where.scheme == "http" and here)):
        raise TargetsFileInvalid(f"okta {at}: url is an https address, since logins go there")
    if simulated and not here:
        raise TargetsFileInvalid(f"okta {at}: simulated, but the address is not on this host")
