"""Read OAuth's section of the targets file.

[oauth.<issuer>]
introspection_endpoint = "https://login.example/introspect"    http only on the loopback address
revocation_endpoint = "https://login.example/revoke"
ca_file = "login-ca.pem"                optional: the authority of the provider's certificate
tokens_dir = "leaked-tokens"            where operators put reported tokens, see oauth_kept.py
observe_client_id = "hitl-observe"      may introspect
observe_client_secret_file = "oauth-observe.secret"
client_auth = "basic"                   optional; "post": the secret goes in the body
environment = "production"              optional, see targets.py

[oauth.<issuer>.clients.web-shop]       a provider lets only the client itself revoke its tokens
operate_client_secret_file = "oauth-web-shop.secret"
[oauth.<issuer>.clients.app]
public = true                           a client without a secret
[oauth.<issuer>.clients."*"]            optional: a client that may revoke each client's tokens
client_id = "hitl-operate"
operate_client_secret_file = "oauth-operate.secret"

Instead of the observer's client: `observe_token_file`, a bearer token that may introspect.
How a client that registered itself is deleted: oauth_registration.py.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from remediation.domain.catalogue.oauth_client import CLIENT
from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Target
from remediation.executors.credentials import for_observing
from remediation.executors.driver import Places
from remediation.executors.oauth_registration import Registration, is_origin, registration
from remediation.executors.section import Secret, Section, TargetsFileInvalid
from remediation.executors.targets import Targets

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# RFC 6749, appendix A. Without a bound a provider could name anything.
_CLIENT = re.compile(r"[\x20-\x7e]{1,200}")
ANY_CLIENT = "*"


@dataclass(frozen=True)
class Login:
    """A client of the provider. `secret` None: it is public. `client_id` "": a bearer token."""

    client_id: str
    secret: Secret | None
    auth: str = "basic"


@dataclass(frozen=True)
class Issuer:
    """One provider, and the worker's logins there."""

    name: str
    introspection: str
    revocation: str
    tokens: Path
    observer: Login
    clients: Mapping[str, Login]
    registered: Mapping[str, Registration] = field(default_factory=dict)
    ca_file: Path | None = None
    environment: str = ""

    def login_for(self, client_id: str) -> Login | None:
        """Return the login that can revoke a token of this client; None if there is none."""
        return self.clients.get(client_id) or self.clients.get(ANY_CLIENT)

    @property
    def own_clients(self) -> frozenset[str]:
        """Return the clients that are the portal's own, and nobody else's."""
        any_client = self.clients.get(ANY_CLIENT)
        own = {self.observer.client_id, any_client.client_id if any_client is not None else ""}
        return frozenset(own - {""})


@dataclass(frozen=True)
class Issuers(Places):
    """All providers of a worker, by name."""

    provider: ClassVar[str] = "oauth"
    issuers: Mapping[str, Issuer]

    def environment(self, target: Target) -> str:
        found = self.issuers.get(target.fields["issuer"])
        return found.environment if found is not None else ""

    def is_own(self, target: Target) -> bool:
        """Return whether the target is what this worker observes with: its client or its token."""
        found = self.issuers.get(target.fields["issuer"])
        if target.kind == CLIENT.kind:
            return found is not None and target.fields["client_id"] in found.own_clients
        if found is None or found.observer.client_id or found.observer.secret is None:
            return False
        try:
            own = for_observing(found.observer.secret)
        except TargetUnobservable:
            return False
        return hashlib.sha256(own.encode()).hexdigest() == target.fields["sha256"]


def read(section: Section) -> Issuers:
    return Issuers(section.each(_issuer))


def issuer(targets: Targets, name: str) -> Issuer:
    """Return a provider. Raises TargetUnobservable if this worker does not have it."""
    places = targets.of(Issuers)
    if places is None or name not in places.issuers:
        raise TargetUnobservable(f"this worker has no login for OAuth provider {name}")
    return places.issuers[name]


def _issuer(section: Section, name: str) -> Issuer:
    if not _NAME.fullmatch(name):
        raise TargetsFileInvalid(f"{name!r} is not the name of an OAuth provider")
    auth = section.text("client_auth") if section.has("client_auth") else "basic"
    if auth not in ("basic", "post"):
        raise TargetsFileInvalid(f"oauth {name}: client_auth is basic or post")
    introspection = _address(section, "introspection_endpoint", name)
    origins = (introspection, *_origin(section, name))
    clients = section.section("clients").each(lambda one, key: _client(one, key, auth, origins))
    return Issuer(
        name=name,
        introspection=introspection,
        revocation=_address(section, "revocation_endpoint", name),
        tokens=section.path("tokens_dir"),
        observer=_observer(section, auth),
        clients={key: login for key, (login, _) in clients.items() if login is not None},
        registered={key: one for key, (_, one) in clients.items() if one is not None},
        ca_file=section.path("ca_file") if section.has("ca_file") else None,
        environment=section.environment(),
    )


def _observer(section: Section, auth: str) -> Login:
    if section.has("observe_client_id"):
        client_id = section.text("observe_client_id")
        return Login(client_id, section.secret_file("observe_client_secret"), auth)
    return Login("", section.secret_file("observe_token"))


def _origin(section: Section, at: str) -> tuple[str, ...]:
    if not section.has("registration_origin"):
        return ()
    origin = _address(section, "registration_origin", at)
    if not is_origin(origin):
        raise TargetsFileInvalid(f"oauth {at}: registration_origin is a scheme and a host alone")
    return (origin,)


def _client(
    section: Section, key: str, auth: str, origins: tuple[str, ...]
) -> tuple[Login | None, Registration | None]:
    """Return how the worker signs in as a client, and how it deletes it; one of them at least."""
    client_id = section.text("client_id") if key == ANY_CLIENT else key
    if not _CLIENT.fullmatch(client_id):
        raise TargetsFileInvalid(f"{client_id!r} is not the id of an OAuth client")
    if key == ANY_CLIENT or not section.has("client_configuration_endpoint"):
        return _login(section, client_id, auth), None
    endpoint = _address(section, "client_configuration_endpoint", client_id)
    deletes = registration(section, client_id, endpoint, origins)
    names = ("public", "operate_client_secret_file", "operate_client_secret_from")
    signs_in = any(section.has(name) for name in names)
    return _login(section, client_id, auth) if signs_in else None, deletes


def _login(section: Section, client_id: str, auth: str) -> Login:
    if section.boolean("public"):
        return Login(client_id, None, "none")
    return Login(client_id, section.secret_file("operate_client_secret"), auth)


def _address(section: Section, name: str, at: str) -> str:
    address = section.text(name)
    try:
        where = urlsplit(address)
        local = where.scheme == "http" and _is_loopback(where.hostname or "")
        usable = bool(where.hostname) and where.port != 0 and "@" not in where.netloc
    except ValueError:
        local = usable = False
        where = urlsplit("")
    if not usable or not (where.scheme == "https" or local) or where.fragment:
        raise TargetsFileInvalid(
            f"oauth {at}: {name} is an https address, since tokens are sent to it"
        )
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
