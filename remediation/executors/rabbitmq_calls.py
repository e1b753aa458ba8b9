"""Calls to the management API of RabbitMQ: read a user, set its limit, end its connections.

What is open is read in two lists. The list by user is exact at once, and has no more than names.
The details of a connection (since when, from where, its state) come with the server's statistics,
up to 5 seconds later (measured with 3.10). A client that does not answer when it is cut stays in
both lists for 30 seconds, as `closed`: the server takes nothing from it, so it is not counted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.errors import Refused, TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors.base import Deadline
from remediation.executors.errors import NotApplied, OutcomeUnknown
from remediation.executors.rabbitmq_server import (
    ANSWER_SECONDS,
    CONNECT_SECONDS,
    Answer,
    Api,
    NoAnswer,
    Server,
)

LIMIT = "max-connections"
OFF = 0
# Up to so many connections are asked for one by one; for more, the list of all is cheaper.
FEW = 50
_COLUMNS = (
    "name,user,state,connected_at,peer_host,protocol,channels,vhost,ssl,user_provided_name,"
    "client_properties.product"
)
_STREAM = "stream"
_ENDED = ("closed", "closing")
# What reading an answer of another shape raises.
_UNEXPECTED = (AttributeError, KeyError, TypeError, ValueError)


@dataclass(frozen=True)
class Opened:
    """An open connection. Without details it is so young that statistics do not have it yet."""

    name: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def since(self) -> datetime | None:
        at = self.details.get("connected_at")
        return datetime.fromtimestamp(at / 1000, UTC) if isinstance(at, int) else None

    def is_older(self, moment: datetime) -> bool | None:
        """Return whether it began before; None if that is not known yet."""
        return None if self.since is None else self.since < moment


@dataclass(frozen=True)
class Account:
    """A user of the server. `limit`: None if it has none. `tags`: None if they may not be read."""

    exists: bool
    limit: int | None = None
    opened: tuple[Opened, ...] = ()
    tags: tuple[str, ...] | None = None
    stream_listeners: tuple[str, ...] = ()


def read_account(at: Server, user: str) -> Account:
    """Return a user as the observer sees it. Raises TargetUnobservable."""
    with _observing(), at.observing() as api:
        found = api.ask("GET", "user-limits", user)
        if found.status == 404:
            return Account(False)
        return Account(
            True,
            _limit(_success(found)),
            _opened(api, user),
            _tags(api, user),
            _stream_listeners(api),
        )


def read_hash(at: Server, user: str) -> tuple[str, str] | None:
    """Return the user's hash and its algorithm; None if the observer may not read them.

    Raises TargetUnobservable.
    """
    with _observing(), at.observing() as api:
        found = api.ask("GET", "users", user)
        if found.status in (401, 403):
            # The same answer as for a wrong password.
            _success(api.ask("GET", "whoami"))
            return None
        held = _success(found)
        return str(held.get("password_hash", "")), str(held.get("hashing_algorithm", ""))


def _limit(limits: Any) -> int | None:
    """Return the limit of connections; the API writes none as -1, or leaves it out."""
    for one in _list(limits):
        value = one["value"].get(LIMIT)
        if isinstance(value, int) and value >= 0:
            return value
    return None


def _tags(api: Api, user: str) -> tuple[str, ...] | None:
    found = api.ask("GET", "users", user)
    return _tags_in(_success(found)) if found.status == 200 else None


def _tags_in(body: Any) -> tuple[str, ...]:
    """Return tags, which servers before 3.9 write in one text."""
    tags = body["tags"]
    found = tags.split(",") if isinstance(tags, str) else tags
    return tuple(sorted(str(one) for one in found))


def _stream_listeners(api: Api) -> tuple[str, ...]:
    listeners = _success(api.ask("GET", "overview"))["listeners"]
    return tuple(
        sorted(
            f"{one.get('node', '')} port {one.get('port', '')}"
            for one in listeners
            if str(one.get("protocol", "")).startswith(_STREAM)
        )
    )


def _opened(api: Api, user: str) -> tuple[Opened, ...]:
    """Return the user's open connections, without those that only wait for their client's end."""
    listed = _list(_success(api.ask("GET", "connections", "username", user)))
    details = _details(api, user, [str(one["name"]) for one in listed])
    return tuple(
        Opened(name, one) for name, one in details.items() if one.get("state") not in _ENDED
    )


def _details(api: Api, user: str, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Return by name what statistics have of these connections; {} of those not there yet."""
    found: dict[str, Mapping[str, Any]] = {name: {} for name in names}
    if len(names) > FEW:
        # All of the cluster: too many may not come in time. Without them all still count as open.
        with contextlib.suppress(NoAnswer):
            every = _success(api.ask("GET", "connections", params={"columns": _COLUMNS}))
            held = {one.get("name"): one for one in every if one.get("user") == user}
            return {name: held.get(name, {}) for name in names}
        return found
    for name in names:
        answer = api.ask("GET", "connections", name, params={"columns": _COLUMNS})
        if answer.status != 404:
            found[name] = _success(answer)
    return found


class Operating:
    """The API with the operator's login, after it was seen that it may do everything."""

    def __init__(self, api: Api, user: str, deadline: Deadline) -> None:
        self._api, self._user, self._deadline = api, user, deadline
        tags = _tags_in(_success(self._ask("GET", "whoami")))
        if "administrator" not in tags:
            raise NotApplied("the operator's user has not the tag administrator")

    def limit(self) -> int | None:
        """Return the user's limit. Raises NotApplied if there is no such user."""
        found = self._ask("GET", "user-limits", self._user)
        if found.status == 404:
            raise NotApplied(f"user {self._user!r} does not exist")
        return _limit(_success(found))

    def set_limit(self, limit: int | None) -> bool:
        """Set the user's limit, or none; return whether that changed anything."""
        if self.limit() == limit:
            return False
        path = ("user-limits", self._user, LIMIT)
        if limit is None:
            self._change("DELETE", *path)
        else:
            self._change("PUT", *path, body={"value": limit})
        return True

    def opened(self) -> tuple[Opened, ...]:
        return _opened(self._api, self._user)

    def server_time(self) -> datetime | None:
        return self._ask("GET", "whoami").at

    def end_all(self) -> int:
        """End every connection of the user; return how many there were."""
        count = len(_list(_success(self._ask("GET", "connections", "username", self._user))))
        if count:
            self._change("DELETE", "connections", "username", self._user)
        return count

    def end_one(self, opened: Opened) -> bool:
        """End a connection; return False if it has gone by itself."""
        return self._change("DELETE", "connections", opened.name, gone=True)

    def _ask(self, method: str, *path: str, body: Json = None) -> Answer:
        if self._deadline.left < CONNECT_SECONDS + ANSWER_SECONDS:
            raise NotApplied("no time is left for the call")
        return self._api.ask(method, *path, body=body)

    def _change(self, method: str, *path: str, body: Json = None, gone: bool = False) -> bool:
        """Send a change, once. Raises NotApplied and OutcomeUnknown."""
        try:
            found = self._ask(method, *path, body=body)
        except NoAnswer as error:
            raise (OutcomeUnknown if error.sent else NotApplied)(f"RabbitMQ: {error}") from None
        if gone and found.status == 404:
            return False
        if found.status >= 500:
            raise OutcomeUnknown(f"RabbitMQ answered {found.status}")
        if found.status not in (200, 201, 202, 204):
            raise NotApplied(f"RabbitMQ answered {found.status}")
        return True


@contextmanager
def operating(
    at: Server, clearance: Clearance, user: str, deadline: Deadline
) -> Iterator[Operating]:
    """Yield the operator's calls for one user. What only reads and fails is NotApplied.

    Raises NotApplied before anything is changed if the operator may not do all of it.
    """
    try:
        with at.operating(clearance) as api:
            yield Operating(api, user, deadline)
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from None
    except NoAnswer as error:
        raise NotApplied(f"RabbitMQ: {error}") from None
    except _UNEXPECTED as error:
        raise NotApplied(f"RabbitMQ: {type(error).__name__} in an answer") from None


@contextmanager
def _observing() -> Iterator[None]:
    """Turn every error of reading calls into TargetUnobservable."""
    try:
        yield
    except Refused:
        raise
    except NoAnswer as error:
        raise TargetUnobservable(f"RabbitMQ: {error}") from None
    except _UNEXPECTED as error:
        raise TargetUnobservable(f"RabbitMQ: {type(error).__name__} in an answer") from None


def _success(found: Answer) -> Any:
    """Return the body of a success. Raises NoAnswer: what was asked changes nothing."""
    if found.status != 200:
        raise NoAnswer(f"answered {found.status}", sent=True)
    return found.body


def _list(body: Any) -> list[Any]:
    """Return a list as it is. Raises TypeError for anything else: an empty object is no answer."""
    if not isinstance(body, list):
        raise TypeError(type(body).__name__)
    return body
