"""Read RabbitMQ's section of the targets file, and call its management API.

[rabbitmq.<server>]
url = "https://10.0.0.5:15671"               any node: users and limits are those of the cluster
ca_file = "rabbitmq-ca.pem"                  with https; http only to the loopback address
observe_user = "hitl_observe"
observe_password_file = "rabbitmq-observe.password"
operate_user = "hitl_operate"
operate_password_file = "rabbitmq-operate.password"
environment = "production"                   optional, see targets.py

The rights of both users stand in docs/rabbitmq.md.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Target
from remediation.executors.addresses import is_loopback, refuse_second_names
from remediation.executors.credentials import for_observing, for_operating
from remediation.executors.cut_after import Cuts
from remediation.executors.driver import Places
from remediation.executors.section import Secret, Section, TargetsFileInvalid
from remediation.executors.targets import Targets

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 8.0
MOST_BYTES = 16_000_000
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:]{2,45}\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[A-Za-z0-9_-]{1,60}){0,4})"
)


class NoAnswer(Exception):
    """The API gave no answer that can be read. `sent`: whether the request may have arrived."""

    def __init__(self, words: str, *, sent: bool) -> None:
        super().__init__(words)
        self.sent = sent


@dataclass(frozen=True)
class Answer:
    """An answer of the API. `body` is None without one; `at` is the server's time."""

    status: int
    body: Any
    at: datetime | None


class Api:
    """The management API with one login."""

    def __init__(self, url: str, session: Any, cuts: Cuts) -> None:
        self._url, self._session, self._cuts = url, session, cuts

    def ask(
        self, method: str, *path: str, body: Json = None, params: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request, once. Each part of the path may be any text. Raises NoAnswer."""
        import requests

        url = f"{self._url}/api/" + "/".join(quote(part, safe="") for part in path)
        request = self._session.prepare_request(requests.Request(method, url, json=body))
        # A library that takes dots or escapes for something else would ask about another object.
        if request.url != url:
            raise NoAnswer("the management API has no address for this name", sent=False)
        request.prepare_url(url, params or {})
        try:
            with (
                self._cuts.after(CONNECT_SECONDS + ANSWER_SECONDS),
                self._session.send(
                    request,
                    timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                    allow_redirects=False,
                    stream=True,
                ) as found,
            ):
                return Answer(found.status_code, _body(found), _at(found.headers.get("Date", "")))
        except requests.RequestException as error:
            # Its text may quote what was sent.
            raise NoAnswer(type(error).__name__, sent=not _unsent(error)) from None


def _unsent(error: Exception) -> bool:
    """Return whether the connection was never opened."""
    from requests.exceptions import ConnectTimeout
    from urllib3.exceptions import NewConnectionError

    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, ConnectTimeout) or isinstance(reason, NewConnectionError)


def _body(found: Any) -> Any:
    """Return the body of a success as JSON. Raises NoAnswer if it is too long, slow or no JSON."""
    if found.status_code != 200:
        return None
    text, until = bytearray(), time.monotonic() + ANSWER_SECONDS
    for chunk in found.iter_content(65_536):
        text += chunk
        if len(text) > MOST_BYTES or time.monotonic() > until:
            raise NoAnswer("the answer is too long", sent=True)
    try:
        return json.loads(text)
    except ValueError:
        raise NoAnswer("the answer is not JSON", sent=True) from None


def _at(date: str) -> datetime | None:
    try:
        return parsedate_to_datetime(date)
    except ValueError:
        return None


@dataclass(frozen=True)
class Login:
    """A user of the server, and its password."""

    user: str
    password: Secret


@dataclass(frozen=True)
class Server:
    """A cluster by one address of its management API, and the worker's two logins."""

    url: str
    observer: Login
    operator: Login
    ca_file: Path | None
    environment: str = ""

    @contextmanager
    def observing(self) -> Iterator[Api]:
        """Yield the API with the observer's login. Raises TargetUnobservable."""
        with self._open(self.observer.user, for_observing(self.observer.password)) as api:
            yield api

    @contextmanager
    def operating(self, clearance: Clearance) -> Iterator[Api]:
        """Yield the API with the operator's login.

        Raises ClearanceRefused and CredentialUnavailable.
        """
        with self._open(self.operator.user, for_operating(clearance, self.operator.password)) as it:
            yield it

    @contextmanager
    def _open(self, user: str, password: str) -> Iterator[Api]:
        try:
            import requests  # extra "rabbitmq"
        except ImportError as error:
            raise TargetUnobservable("requests is missing; install hitlportal[rabbitmq]") from error
        with requests.Session() as session, closing(Cuts(session)) as cuts:
            session.trust_env = False  # no proxy and no .netrc of the host
            # In bytes: a text would be sent in Latin-1.
            login: Any = (user.encode(), password.encode())
            session.auth = login
            session.verify = str(self.ca_file) if self.ca_file is not None else True
            yield Api(self.url, session, cuts)


@dataclass(frozen=True)
class Servers(Places):
    """All servers of a worker, by name."""

    provider: ClassVar[str] = "rabbitmq"
    servers: Mapping[str, Server]

    def environment(self, target: Target) -> str:
        found = self.servers.get(target.fields["server"])
        return found.environment if found is not None else ""

    def is_own(self, target: Target) -> bool:
        """Return whether the target is a login that this worker uses there."""
        found = self.servers.get(target.fields["server"])
        own = (found.observer.user, found.operator.user) if found is not None else ()
        return target.fields["user"] in own


def read(section: Section) -> Servers:
    found = section.each(_server)
    refuse_second_names("rabbitmq", {name: (at.url,) for name, at in found.items()})
    return Servers(found)


def server(targets: Targets, name: str) -> Server:
    """Return a server. Raises TargetUnobservable if this worker does not have it."""
    places = targets.of(Servers)
    if places is None or name not in places.servers:
        raise TargetUnobservable(f"this worker has no login for RabbitMQ {name}")
    return places.servers[name]


def _server(section: Section, name: str) -> Server:
    if not _NAME.fullmatch(name):
        raise TargetsFileInvalid(f"{name!r} is not the name of a server")
    url = section.text("url")
    ca_file = section.path("ca_file") if section.has("ca_file") else None
    _refuse_url(url, secured=ca_file is not None, at=f"rabbitmq {name}")
    return Server(
        url=url,
        observer=Login(section.text("observe_user"), section.secret("observe_password")),
        operator=Login(section.text("operate_user"), section.secret_file("operate_password")),
        ca_file=ca_file,
        environment=section.environment(),
    )


def _refuse_url(url: str, *, secured: bool, at: str) -> None:
    found = _URL.fullmatch(url)
    if found is None or not 0 < int(found["port"] or 1) < 65_536:
        raise TargetsFileInvalid(f"{at}: {url!r} is not http(s)://host:port")
    if found["scheme"] == "https" and not secured:
        raise TargetsFileInvalid(f"{at}: https needs ca_file")
    if found["scheme"] == "http" and (secured or not is_loopback(urlsplit(url).hostname or "")):
        raise TargetsFileInvalid(f"{at}: http sends a password in clear; use https and ca_file")
