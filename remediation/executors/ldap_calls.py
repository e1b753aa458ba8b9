"""Calls to LDAP servers: read an account at one, and lock or unlock it at the provider.

What the observer may not read must not look as if it were absent: for each attribute that decides
anything, a compare tells "there is none" from "you may not know".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors.base import Deadline
from remediation.executors.errors import (
    ClearanceRefused,
    CredentialUnavailable,
    NotApplied,
    OutcomeUnknown,
)
from remediation.executors.ldap_names import entry_of, first_value, in_filter
from remediation.executors.ldap_policy import Enforced, enforced
from remediation.executors.ldap_server import ANSWER_SECONDS, CONNECT_SECONDS, Directory, NotOpened

# The lock of an administrator, which never ends by itself (draft-behera-ldap-password-policy).
LOCK = "000001010000Z"
LOCKED_AT = "pwdAccountLockedTime"
EVERY = "(objectClass=*)"
MOST_ADDRESSES = 50
# Compare: false, true, and no such attribute. Each says that the right to know is there.
_TOLD = (5, 6, 16)
_NO_SUCH_ATTRIBUTE, _UNDEFINED, _CONSTRAINT, _EXISTS = 16, 17, 19, 20
_NO_SUCH_OBJECT = 32
# Time limit, busy, unavailable (a proxy whose server went away), other (RFC 4511, 4.1.9): the
# change may have been made.
_DOUBTFUL = frozenset({3, 51, 52, 80})
# The value changed between reading and changing: failed sign-ins write it, too.
_OVERTAKEN = (_NO_SUCH_ATTRIBUTE, _CONSTRAINT, _EXISTS)
_TRIES = 3
_ASSERTION = "1.3.6.1.1.12"
_UUID = re.compile(r"[0-9a-f-]{36}")
_READ = ("entryUUID", "entryDN", LOCKED_AT, "pwdFailureTime", "pwdPolicySubentry", "authTimestamp")
_READ_IF_THERE = ("pwdLastSuccess", "sshPublicKey")


@dataclass(frozen=True)
class Account:
    """An account at one server. `locked_at`: the raw value, "" for none."""

    entry: str
    locked_at: str
    lock: Enforced
    failed_binds: int = 0
    connections: int | None = None
    addresses: tuple[str, ...] = ()
    last_bind: str = ""
    ssh_keys: int | None = None

    @property
    def status(self) -> str:
        return "locked" if self.locked_at == LOCK else "open"


def read_account(at: Directory, server: str, name: str) -> Account | None:
    """Return the account at a server; None if it is not there. Raises TargetUnobservable."""
    entry = entry_of(at.name_attribute, name, at.base)
    with _observing(server), at.observing(server) as connection:
        found = _base(connection, entry, (at.name_attribute, *_READ, *_READ_IF_THERE))
        if found is None:
            if _base(connection, at.base, ("entryDN",)) is None:
                raise TargetUnobservable(f"{server}: the observer does not see {at.base}")
            return None
        _refuse_other_name(found, name)
        for attribute in (LOCKED_AT, "pwdPolicySubentry"):
            if not _may_know(connection, entry, attribute):
                raise TargetUnobservable(f"{server}: the observer may not read {attribute}")
        connections, addresses = _connections(connection, _one(found, "entryDN") or entry, at)
        return Account(
            entry=_one(found, "entryUUID"),
            locked_at=_one(found, LOCKED_AT),
            lock=enforced(connection, at, _one(found, "pwdPolicySubentry")),
            failed_binds=len(found.get("pwdFailureTime", ())),
            connections=connections,
            addresses=addresses,
            last_bind=max(_one(found, "pwdLastSuccess"), _one(found, "authTimestamp")),
            ssh_keys=_ssh_keys(connection, entry, found),
        )


def read_hashes(at: Directory, server: str, name: str) -> tuple[bytes, ...]:
    """Return the values of userPassword that the observer may read. Raises TargetUnobservable."""
    with _observing(server), at.observing(server) as connection:
        found = _base(
            connection, entry_of(at.name_attribute, name, at.base),
            (at.name_attribute, "userPassword"),
        )  # fmt: skip
        if found is None:
            return ()
        _refuse_other_name(found, name)
        return tuple(found.get("userPassword", ()))


def change(
    at: Directory,
    clearance: Clearance,
    name: str,
    entry: str,
    wanted: Mapping[str, str],
    deadline: Deadline,
) -> bool:
    """Give the lock of an entry another value at the provider; return whether that changed it.

    `wanted`: the new value ("" for none) by the value found; of any other value nothing is changed.
    `entry` is the id of the entry that people decided about: the server compares it in the same
    step, which is done whole or not at all. Raises NotApplied and OutcomeUnknown.
    """
    place = entry_of(at.name_attribute, name, at.base)
    with _changing(at.provider), at.operating(clearance) as connection:
        for left in reversed(range(_TRIES)):
            _require_time(deadline)
            old = _value(connection, place, entry)
            new = wanted.get(old, wanted.get("*", old))
            if new == old:
                return False
            if _modified(connection, at.provider, place, entry, old, new, again=left > 0):
                return True
    raise AssertionError("the last try returns or raises")


def _value(connection: Any, place: str, entry: str) -> str:
    """Return the value of the lock, for the operator. Raises NotApplied."""
    found = _base(connection, place, ("entryUUID", LOCKED_AT))
    if found is None or _one(found, "entryUUID") != entry or not _UUID.fullmatch(entry):
        raise NotApplied("the entry is not the one that was decided about")
    if not _may_know(connection, place, LOCKED_AT):
        raise NotApplied(f"the operator may not read {LOCKED_AT}")
    return _one(found, LOCKED_AT)


def _modified(
    connection: Any, server: str, place: str, entry: str, old: str, new: str, *, again: bool
) -> bool:
    """Replace exactly the old value, if the entry is still this one.

    False if the value was another one by then, and the caller tries `again`.
    """
    import ldap3

    changes = [(ldap3.MODIFY_DELETE, [old])] if old else []
    changes += [(ldap3.MODIFY_ADD, [new])] if new else []
    try:
        connection.modify(place, {LOCKED_AT: changes}, controls=[_only_if(entry)])
    except Exception as error:  # an answer that cannot be decoded raises any error
        raise OutcomeUnknown(f"{server}: no answer: {type(error).__name__}") from None
    code, said = connection.result["result"], connection.result["description"]
    if code in _DOUBTFUL:
        raise OutcomeUnknown(f"{server}: {said}")
    if code in _OVERTAKEN and again:
        return False
    if code != 0:
        raise NotApplied(f"the change is refused: {said}")
    return True


def _only_if(entry: str) -> tuple[str, bool, bytes]:
    """Return the assertion control (RFC 4528): entryUUID has this value."""
    inner = b"\x04\x09entryUUID\x04" + bytes([len(entry)]) + entry.encode()
    return (_ASSERTION, True, bytes([0xA3, len(inner)]) + inner)


def _base(
    connection: Any, name: str, attributes: tuple[str, ...]
) -> Mapping[str, list[bytes]] | None:
    """Return these attributes of one entry; None if there is no such entry.

    Raises TargetUnobservable if the server refuses, or says that another server knows.
    """
    connection.search(name, EVERY, "BASE", dereference_aliases="NEVER", attributes=[*attributes])
    code, said = connection.result["result"], connection.result["description"]
    if code == _NO_SUCH_OBJECT:
        return None
    found = [one for one in connection.response or () if one.get("type") == "searchResEntry"]
    if code != 0 or len(found) != 1:
        raise TargetUnobservable(f"the entry cannot be read: {said if code else 'no right'}")
    raw: Mapping[str, list[bytes]] = found[0]["raw_attributes"]
    return {**raw, "": [str(found[0]["dn"]).encode()]}


def _refuse_other_name(found: Mapping[str, list[bytes]], name: str) -> None:
    """LDAP takes several spellings for one name; only the directory's own is a target."""
    written = first_value(_one(found, ""))
    if written != name:
        raise TargetUnobservable(f"the directory writes this account {written[:100]!a}: name it so")


def _one(found: Mapping[str, list[bytes]], attribute: str) -> str:
    values = found.get(attribute) or [b""]
    return values[0].decode(errors="replace")


def _may_know(connection: Any, entry: str, attribute: str) -> bool:
    """Return whether the observer may know the attribute, also where it has no value."""
    value = LOCK if attribute == LOCKED_AT else "cn=none"
    connection.compare(entry, attribute, value)
    return connection.result["result"] in _TOLD


def _ssh_keys(connection: Any, entry: str, found: Mapping[str, list[bytes]]) -> int | None:
    held = found.get("sshPublicKey")
    if held:
        return len(held)
    connection.compare(entry, "sshPublicKey", "none")
    return 0 if connection.result["result"] in (*_TOLD, _UNDEFINED) else None


def _connections(connection: Any, name: str, at: Directory) -> tuple[int | None, tuple[str, ...]]:
    """Return the account's open connections at this server, and their addresses.

    None unless the observer sees a connection of its own there.
    """
    if not _monitored(connection, at.observer.name):
        return None, ()
    found = _monitored(connection, name)
    addresses = {_host(_one(each, "monitorConnectionPeerAddress")) for each in found}
    return len(found), tuple(sorted(addresses - {""})[:MOST_ADDRESSES])


def _monitored(connection: Any, name: str) -> list[Mapping[str, list[bytes]]]:
    connection.search(
        "cn=Connections,cn=Monitor",
        f"(monitorConnectionAuthzDN={in_filter(name)})",
        "LEVEL",
        attributes=["monitorConnectionPeerAddress"],
    )
    found = connection.response or ()
    return [one["raw_attributes"] for one in found if one.get("type") == "searchResEntry"]


def _host(address: str) -> str:
    """Return the host of IP=10.0.0.5:40312."""
    return address.removeprefix("IP=").rpartition(":")[0].strip("[]")[:100]


def _require_time(deadline: Deadline) -> None:
    if deadline.left < CONNECT_SECONDS + 2 * ANSWER_SECONDS:
        raise NotApplied("no time is left for the call")


@contextmanager
def _observing(server: str) -> Iterator[None]:
    """Turn every error of reading calls into TargetUnobservable, without the server's text."""
    try:
        yield
    except TargetUnobservable as error:
        named = error.detail if error.detail.startswith(server) else f"{server}: {error.detail}"
        raise TargetUnobservable(named) from None
    except NotOpened as error:
        raise TargetUnobservable(f"{server}: {error}") from None
    except Exception as error:  # ldap3's errors may quote what was sent
        raise TargetUnobservable(f"{server}: {type(error).__name__}") from None


@contextmanager
def _changing(server: str) -> Iterator[None]:
    """Turn errors before the change into NotApplied; `_modified` tells what came after it."""
    try:
        yield
    except (OutcomeUnknown, CredentialUnavailable, ClearanceRefused):
        raise
    except (NotApplied, TargetUnobservable) as error:
        raise NotApplied(f"{server}: {error.detail}") from None
    except NotOpened as error:
        raise NotApplied(f"{server}: {error}") from None
    except Exception as error:  # ldap3's errors may quote what was sent
        raise NotApplied(f"{server}: {type(error).__name__}") from None
