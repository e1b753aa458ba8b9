"""Read GitHub's section of the targets file.

[github.<organisation>]                  its login at GitHub, in small letters
api = "https://api.github.com"           optional; of a server of your own: https://<host>/api/v3
ca_file = "ghe-ca.pem"                   optional: the authority of its certificate
observe_client_id = "Iv23liObserve"      the App that only reads
observe_installation = "50000001"        its installation in the organisation
observe_key_file = "github-observe.pem"  its private key
operate_client_id = "Iv23liOperate"      the App that deletes keys and takes access
operate_installation = "50000002"
operate_key_file = "github-operate.pem"
simulated = false                        true: the address is a simulator, and pages say so
environment = "production"               optional, see targets.py

[github.<organisation>.apps.<slug>]      an App whose installation may be suspended
client_id = "Iv23liDeployBot"
operate_key_file = "github-deploy-bot.pem"

Only the App itself can suspend its installation, so the worker needs its private key for that. The
rights of both Apps stand in docs/github.md.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Target
from remediation.executors.addresses import is_loopback
from remediation.executors.driver import Places
from remediation.executors.secret import watch
from remediation.executors.section import Secret, Section, TargetsFileInvalid
from remediation.executors.targets import Targets

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

PUBLIC = "https://api.github.com"
_ORG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?")
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
# GitHub allows 10 minutes; a minute in the past, for clocks that differ.
LIFE_SECONDS, PAST_SECONDS = 300, 60


@dataclass(frozen=True)
class App:
    """An App, and its private key."""

    client_id: str
    key: Secret

    def signed(self, pem: str) -> str:
        """Return a token (JWT) with which the App signs in. Raises TargetUnobservable."""
        now = int(time.time())
        claims = {"iss": self.client_id, "iat": now - PAST_SECONDS, "exp": now + LIFE_SECONDS}
        said = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}"
        token = f"{said}.{_base64(_signature(pem, said.encode()))}"
        watch(token)
        return token


@dataclass(frozen=True)
class Login:
    """An App in an organisation."""

    app: App
    installation: str


@dataclass(frozen=True)
class Organisation:
    """An organisation, and the worker's Apps there."""

    name: str
    api: str
    observer: Login
    operator: Login
    apps: Mapping[str, App] = field(default_factory=dict)
    ca_file: Path | None = None
    simulated: bool = False
    environment: str = ""


@dataclass(frozen=True)
class Organisations(Places):
    """All organisations of a worker, by name."""

    provider: ClassVar[str] = "github"
    organisations: Mapping[str, Organisation]

    def environment(self, target: Target) -> str:
        found = self.organisations.get(target.fields["org"])
        return found.environment if found is not None else ""

    def is_own(self, target: Target) -> bool:
        """Return whether the target is the installation of one of the worker's own Apps."""
        found = self.organisations.get(target.fields["org"])
        number = target.fields.get("installation_id")
        if found is None or number is None:
            return False
        return number in (found.observer.installation, found.operator.installation)


def read(section: Section) -> Organisations:
    return Organisations(section.each(_organisation))


def organisation(targets: Targets, name: str) -> Organisation:
    """Return an organisation. Raises TargetUnobservable if this worker does not have it."""
    places = targets.of(Organisations)
    if places is None or name not in places.organisations:
        raise TargetUnobservable(f"this worker has no login in GitHub organisation {name}")
    return places.organisations[name]


def _organisation(section: Section, name: str) -> Organisation:
    if not _ORG.fullmatch(name):
        raise TargetsFileInvalid(f"{name!r} is not the name of an organisation, in small letters")
    api, simulated = section.text("api") if section.has("api") else PUBLIC, False
    if section.has("simulated"):
        simulated = section.boolean("simulated")
    _refuse_address(api, name, simulated)
    return Organisation(
        name=name,
        api=api.rstrip("/"),
        observer=_login(section, "observe", name),
        operator=_login(section, "operate", name),
        apps=section.section("apps").each(_app),
        ca_file=section.path("ca_file") if section.has("ca_file") else None,
        simulated=simulated,
        environment=section.environment(),
    )


def _login(section: Section, who: str, at: str) -> Login:
    client, number = section.text(f"{who}_client_id"), section.text(f"{who}_installation")
    if not _CLIENT.fullmatch(client) or not _NUMBER.fullmatch(number):
        raise TargetsFileInvalid(f"github {at}: {who}_client_id or {who}_installation is none")
    return Login(App(client, section.secret_file(f"{who}_key")), number)


def _app(section: Section, slug: str) -> App:
    client = section.text("client_id")
    if not _SLUG.fullmatch(slug) or not _CLIENT.fullmatch(client):
        raise TargetsFileInvalid(f"{slug!r} is not the slug of an App, or its client_id is none")
    return App(client, section.secret_file("operate_key"))


def _refuse_address(address: str, at: str, simulated: bool) -> None:
    try:
        where = urlsplit(address)
        here = is_loopback(where.hostname or "")
        usable = bool(where.hostname) and where.port != 0 and "@" not in where.netloc
    except ValueError:
        where, here, usable = urlsplit(""), False, False
    plain = where.scheme == "http" and here
    if not usable or not (where.scheme == "https" or plain) or where.query or where.fragment:
        raise TargetsFileInvalid(f"github {at}: api is an https address, since logins go there")
    if simulated and not here:
        raise TargetsFileInvalid(f"github {at}: simulated, but the address is not on this host")


def _part(value: dict[str, object]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _signature(pem: str, said: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    return _rsa_key(pem).sign(said, PKCS1v15(), SHA256())


def _rsa_key(pem: str) -> RSAPrivateKey:
    """Return the key. It is not kept: it would live longer than the clearance that read it."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except Exception:  # of many classes; their words may quote the key
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise TargetUnobservable("the file of an App's private key has no RSA key")
    return key
