"""Tell from OpenBao's audit log who signed in to an AppRole with which secret id.

The portal's secret ids have the version's name in their metadata, which OpenBao writes into each
record of a token; a secret id without it, or with another one, counts as an old one. A record has
the client's address. Accessors are hashed, each always to the same text, so that later uses of a
token are known by the sign-in that minted it. A use of a token whose sign-in is not in the file
counts for each role of that name, whatever its mount: rather too many uses of the old than too few.

The file is read only up to its last 64 MiB, and covers the time since the first record there.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from remediation.domain.conditions import Consumer, ConsumerSeen, Sighting, Use
from remediation.domain.plan import Step
from remediation.executors.base import Question
from remediation.executors.openbao_server import observing, server
from remediation.executors.openbao_tokens import moment
from remediation.executors.targets import Targets

MOST_BYTES = 64 * 1024 * 1024
# How long the observer's own call may take to stand in the file.
DELAY_S = 5
PAUSE_SECONDS = 0.1
MOST_OTHERS = 20
VERSION_KEY = "hitl_version"
NO_LOG = "this worker has no audit log of the server: nobody can tell who signs in with what"


@dataclass(frozen=True)
class Used:
    """One use of a token of the role, or the sign-in that minted it."""

    at: datetime
    address: str
    version: str  # "" for a secret id that the portal did not make
    metadata: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """What a file says: the uses of one role, since when it has any, and the observer's call."""

    uses: tuple[Used, ...]
    covers_since: datetime | None
    alive_at: datetime | None


def look(question: Question, step: Step, targets: Targets) -> Sighting:
    """Return what the audit log shows for a condition. Raises TargetUnobservable."""
    fields = step.target.fields
    at = server(targets, fields["server"])
    if at.audit_log is None:
        return _sighting(question, step, Record((), None, None), NO_LOG)
    with observing(step.target.locator), at.observing() as api:
        request = api.probe()
    try:
        record = _wait_for(at.audit_log, request, fields["mount"], fields["role"])
    except OSError as error:
        return _sighting(
            question, step, Record((), None, None), f"audit log: {type(error).__name__}"
        )
    return _sighting(question, step, record, "")


def read(path: Path, request: str, mount: str, role: str) -> Record:
    """Read the file's last records. Raises OSError."""
    lines = _records(path)
    uses, minted, first, alive = [], dict[str, str | None](), None, None
    for line in lines:
        when = _time(line)
        if when is None:
            continue
        first = first or when
        if _text(line, "request", "id") == request:
            alive = when
        use = _use(line, when, mount, role, minted)
        if use is not None:
            uses.append(use)
    return Record(tuple(uses), first, alive)


def _wait_for(path: Path, request: str, mount: str, role: str) -> Record:
    give_up = time.monotonic() + DELAY_S
    while True:
        record = read(path, request, mount, role)
        if record.alive_at is not None or time.monotonic() > give_up:
            return record
        time.sleep(PAUSE_SECONDS)


def _records(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the records of the file's end; what is cut or damaged is left out."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - MOST_BYTES))
        for line in file:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict) and value.get("type") == "response":
                yield value


def _use(
    line: Mapping[str, Any], when: datetime, mount: str, role: str, minted: dict[str, str | None]
) -> Used | None:
    """Return the use of this role that a record tells; None for any other record."""
    if line.get("error") or _text(line, "auth", "metadata", "role_name") == "":
        return None
    accessor = _text(line, "auth", "accessor")
    if _text(line, "request", "path").endswith("/login"):
        minted[accessor] = _text(line, "request", "path")
    at_login = minted.get(accessor, f"auth/{mount}/login")
    if _text(line, "auth", "metadata", "role_name") != role or at_login != f"auth/{mount}/login":
        return None
    metadata = line["auth"]["metadata"]
    values = tuple(str(value) for name, value in metadata.items() if name != "role_name")
    version = str(metadata.get(VERSION_KEY, ""))
    return Used(when, _text(line, "request", "remote_address"), version, values)


def _sighting(question: Question, step: Step, record: Record, why: str) -> Sighting:
    version = question.made.get("version", "")
    old = [one for one in record.uses if one.version != version]
    named = [one for one in question.consumers if one.seen_as]
    others = sorted(
        {one.address for one in old if not any(_is(consumer, one) for consumer in named)}
    )
    return Sighting(
        condition=question.condition,
        step=step.index,
        at=datetime.now(UTC),
        alive_at=record.alive_at,
        covers_since=record.covers_since,
        resolution_s=1,
        delay_s=DELAY_S,
        consumers=tuple(_seen(one, record.uses, version) for one in question.consumers),
        old_used_at=max((one.at for one in old), default=None),
        others=tuple(others[:MOST_OTHERS]),
        why=why or ("" if record.alive_at else "the audit log did not show the observer's call"),
    )


def _seen(consumer: Consumer, uses: Iterable[Used], version: str) -> ConsumerSeen:
    its = [one for one in uses if _is(consumer, one)]
    last_new = max((one.at for one in its if one.version == version), default=None)
    last_old = max((one.at for one in its if one.version != version), default=None)
    return ConsumerSeen(
        service=consumer.service,
        use=Use.MOVED if last_new is not None else Use.NOT_SEEN,
        last_old=last_old,
        last_new=last_new,
        detail="" if consumer.seen_as else "the inventory does not say by which address it is seen",
    )


def _is(consumer: Consumer, use: Used) -> bool:
    """Return whether the use is this consumer's: by its address, network, or metadata."""
    if not consumer.seen_as:
        return False
    if consumer.seen_as in (use.address, *use.metadata):
        return True
    try:
        network = ipaddress.ip_network(consumer.seen_as, strict=False)
        return ipaddress.ip_address(use.address) in network
    except ValueError:
        return False


def _time(line: Mapping[str, Any]) -> datetime | None:
    try:
        return moment(str(line["time"]))
    except (KeyError, ValueError):
        return None


def _text(line: Any, *names: str) -> str:
    for name in names:
        line = line.get(name) if isinstance(line, dict) else None
    return line if isinstance(line, str) else ""
