"""Read OpenBao's section of the targets file, and call a server.

[openbao.<server>]
address, ca_file, …                       the server and both logins: openbao_client.py
audit_log = "/var/log/openbao/audit.log"  optional: the file of an audit device that this host can
                                          read; without it nobody can tell who moved, or is quiet
environment = "production"                optional, see targets.py

[openbao.<server>.database."<mount>/<connection>"]   optional: the database that a connection leads
observe_dsn_file = "orders-observer.dsn"             to; a login with pg_read_all_stats
operate_dsn_file = "orders-operator.dsn"             a login with pg_signal_backend, too

[openbao.<server>.token_roles]                       optional: the token role that makes the token
"<mount>/<role>" = "make-orders"                     for one credential of a database role

The rights that both tokens need stand in docs/openbao.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLCertVerificationError
from types import MappingProxyType
from typing import Any, ClassVar

from audit.tlog.canonical import Json
from remediation.domain.errors import Refused, TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Target
from remediation.executors.addresses import refuse_second_names
from remediation.executors.base import Deadline
from remediation.executors.driver import Places
from remediation.executors.errors import NotApplied, OutcomeUnknown
from remediation.executors.libraries import HVAC
from remediation.executors.openbao_client import CALL_SECONDS, BaoServer, read_server
from remediation.executors.section import Secret, Section, TargetsFileInvalid
from remediation.executors.targets import Targets

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_TOKEN_ROLE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class Database:
    """The database behind a connection of OpenBao's database engine (PostgreSQL)."""

    observe_dsn: Secret
    operate_dsn: Secret


@dataclass(frozen=True)
class Server:
    """One server, or one namespace of it."""

    at: BaoServer
    audit_log: Path | None
    databases: Mapping[str, Database]
    environment: str = ""
    # By mount and role of the database engine.
    token_roles: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @contextmanager
    def observing(self) -> Iterator[Api]:
        """Yield calls with the read-only login. Raises TargetUnobservable, and hvac's errors."""
        with self.at.observing() as client:
            yield Api(lambda: nullcontext(client))

    def with_token(self, token: str) -> Api:
        """Return calls with a token that the operator's login made."""
        return Api(lambda: nullcontext(self.at.client(token, CALL_SECONDS)))

    def operator(self, clearance: Clearance) -> Api:
        """Return calls with the login that can change something; each signs in if it has to.

        The calls raise ClearanceRefused, CredentialUnavailable, and hvac's errors.
        """
        return Api(lambda: self.at.operating(clearance))


@dataclass(frozen=True)
class Servers(Places):
    """All servers of a worker, by name."""

    provider: ClassVar[str] = "openbao"
    servers: Mapping[str, Server]

    def environment(self, target: Target) -> str:
        found = self.servers.get(target.fields["server"])
        return found.environment if found is not None else ""


def read(section: Section) -> Servers:
    found = section.each(_server)
    for namespace in {each.at.namespace for each in found.values()}:
        refuse_second_names(
            "openbao",
            {
                name: (each.at.address,)
                for name, each in found.items()
                if each.at.namespace == namespace
            },
        )
    return Servers(found)


def _server(section: Section, name: str) -> Server:
    if not _NAME.fullmatch(name):
        raise TargetsFileInvalid(f"{name!r} is not the name of a server")
    token_roles = section.section("token_roles")
    return Server(
        at=read_server(section, f"openbao {name}"),
        audit_log=section.path("audit_log") if section.has("audit_log") else None,
        databases=section.section("database").each(_database),
        environment=section.environment(),
        token_roles={each: _token_role(token_roles, each) for each in token_roles.names()},
    )


def _token_role(section: Section, name: str) -> str:
    value = section.text(name)
    if not _TOKEN_ROLE.fullmatch(value):
        raise TargetsFileInvalid(f"{value!r} is not the name of a token role")
    return value


def _database(section: Section, _: str) -> Database:
    return Database(section.secret("observe_dsn"), section.secret_file("operate_dsn"))


def server(targets: Targets, name: str) -> Server:
    """Return a server. Raises TargetUnobservable if this worker does not have it."""
    places = targets.of(Servers)
    if places is None or name not in places.servers:
        raise TargetUnobservable(f"this worker has no token for OpenBao {name}")
    return places.servers[name]


Answer = dict[str, Any]


class Api:
    """Calls to one server with one login; each is made once, and follows no redirect."""

    def __init__(self, opened: Callable[[], AbstractContextManager[Any]]) -> None:
        self._opened = opened

    def get(self, path: str) -> dict[str, Any] | None:
        """Return the data of a read; None for 404. Raises hvac's and requests' errors."""
        return self._ask("GET", path)

    def list(self, path: str) -> list[str]:
        """Return the keys of a list; none for 404."""
        found = self._ask("LIST", path) or {}
        return [str(key) for key in found.get("keys", [])]

    def post(self, path: str, body: Mapping[str, Json]) -> dict[str, Any] | None:
        """Return the data of the answer; None if it has none, or for 404."""
        return self._ask("POST", path, body)

    def secret(self, method: str, path: str, body: Mapping[str, Json] | None = None) -> Answer:
        """Return an answer whole, which has a token or a lease."""
        given = {} if body is None else {"json": dict(body)}
        with self._opened() as client:
            answer = client.adapter.request(method, f"/v1/{path}", **given)
        return answer if isinstance(answer, dict) else {}

    def probe(self) -> str:
        """Ask who the token is, and return the id of the request, which audit devices write."""
        with self._opened() as client:
            answer = client.adapter.request("GET", "/v1/auth/token/lookup-self")
        return str(answer.get("request_id", "")) if isinstance(answer, dict) else ""

    def require_rights(self, paths: Sequence[str], *, sudo: bool = False) -> None:
        """Raise NotApplied unless the token may update each path: nothing is done by halves.

        `sudo`: the server asks for that right, too, at these paths.
        """
        with refusing():
            asked = self.post("sys/capabilities-self", {"paths": list(paths)}) or {}
        for path in paths:
            found = asked.get(path)
            held = set(found) if isinstance(found, list) else set()
            enough = {"update", "sudo"} <= held if sudo else "update" in held
            if not enough and "root" not in held:
                raise NotApplied(f"the operator's token may not update {path}")

    def _ask(
        self, method: str, path: str, body: Mapping[str, Json] | None = None
    ) -> dict[str, Any] | None:
        from hvac.exceptions import InvalidPath

        given = {} if body is None else {"json": dict(body)}
        try:
            with self._opened() as client:
                answer = client.adapter.request(method, f"/v1/{path}", **given)
        except InvalidPath:
            return None
        if not isinstance(answer, dict):
            return None
        data = answer.get("data")
        return data if isinstance(data, dict) else None


@contextmanager
def observing(what: str) -> Iterator[None]:
    """Turn every error of reading calls into TargetUnobservable."""
    try:
        yield
    except Refused:
        raise
    except ImportError as error:
        raise TargetUnobservable(HVAC.missing) from error
    except Exception as error:
        raise TargetUnobservable(f"{what}: {words(error)}") from None


@contextmanager
def refusing() -> Iterator[None]:
    """Turn every error of calls that change nothing into NotApplied."""
    try:
        yield
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from error
    except Refused:
        raise
    except Exception as error:
        raise NotApplied(words(error)) from None


@contextmanager
def changing() -> Iterator[None]:
    """Turn errors of a changing call into NotApplied or OutcomeUnknown."""
    try:
        yield
    except Refused:
        raise
    except Exception as error:
        raise (NotApplied if _not_done(error) else OutcomeUnknown)(words(error)) from None


def _not_done(error: Exception) -> bool:
    """Return whether the error says that nothing was changed: not sent, or refused."""
    from hvac import exceptions as hvac
    from requests import exceptions as requests
    from urllib3.exceptions import NewConnectionError

    refused = (
        hvac.InvalidRequest,
        hvac.Unauthorized,
        hvac.Forbidden,
        hvac.InvalidPath,
        hvac.RateLimitExceeded,
        hvac.VaultNotInitialized,
    )
    if isinstance(error, (*refused, requests.ConnectTimeout)):
        return True
    reason = getattr(error.args[0], "reason", None) if error.args else None
    # Another error of TLS can come after the call was sent.
    inner = reason.args[0] if reason is not None and reason.args else None
    return isinstance(reason, NewConnectionError) or isinstance(inner, SSLCertVerificationError)


def words(error: Exception) -> str:
    """Return what failed, without the text of a request: it may hold a secret."""
    from hvac.exceptions import VaultError

    if isinstance(error, VaultError):
        said = "; ".join(str(one) for one in error.errors or ())
        return " ".join(f"OpenBao: {type(error).__name__} {said}".split())[:300]
    return type(error).__name__


def require_time(deadline: Deadline) -> None:
    """Raise NotApplied if a call could end after the deadline."""
    if deadline.left < CALL_SECONDS:
        raise NotApplied("no time is left for the call")
