"""Real records for the labelled set: CloudTrail cases, and the log of a PostgreSQL server."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

from hitlportal.demo.agent.pglog import Line, parse
from tests.agent.cases import reading

Body = dict[str, Any]
INVICTUS = "invictus-account-stream-1"
PANTHER = "panther-compromised-root-creds"
BERT_JAN = "AKIATFQR7NSC8Q4X20BJ"
# Two characters away from bert-jan's: real keys of one account.
BENJAMIN = "AKIATFQZ7NSC8Q4X21BJ"
LOG = Path(__file__).parent / "orders_server.log"


@cache
def _bodies(name: str) -> tuple[Body, ...]:
    return tuple(record.body for record in reading(name).records)


def case(name: str) -> list[Body]:
    """All records of a case in order of time, free to be changed."""
    full = name if name in (INVICTUS, PANTHER) else f"stratus-{name}"
    return copy.deepcopy(list(_bodies(full)))


def of(records: list[Body], event: str, **where: str) -> list[Body]:
    """Records of one event (the API date of Lambda left aside), by key, error, … if given."""
    return [
        record
        for record in records
        if str(record["eventName"]).startswith(event)
        and all(_said(record, name) == value for name, value in where.items())
    ]


def by_key(records: list[Body], key: str) -> list[Body]:
    return [record for record in records if _said(record, "key") == key]


def _said(record: Body, name: str) -> str:
    who = record.get("userIdentity", {})
    return str(
        {"key": who.get("accessKeyId"), "user": who.get("userName")}.get(name, record.get(name))
    )


@cache
def lines(role: str) -> tuple[Line, ...]:
    """The lines of a role in the server's log."""
    log = parse(LOG.name, LOG.read_bytes())
    return tuple(line for line in log.lines if line.user == role)
