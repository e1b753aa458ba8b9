"""Read the targets independently of the portal: separate clients, logins, the targets' logs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import psycopg
from botocore.config import Config
from botocore.exceptions import ClientError

from hitlportal.demo.agent import pglog
from hitlportal.demo.servers.cloud import Cloud, Key
from hitlportal.demo.settings import REGION

READS = re.compile(
    r"\s*((SELECT|SET|SHOW|BEGIN|COMMIT|ROLLBACK)\b"
    r"|WITH\b(?!.*\b(INSERT|UPDATE|DELETE|MERGE)\b))",
    re.IGNORECASE | re.DOTALL,
)
CALL = re.compile(r"SELECT hitl_ops\.(disable|enable)\(")
GIVEN = re.compile(r"arameters: \$1 = '(.*)'")
STATEMENT = re.compile(r"(?:statement|execute [^:]*): (.*)", re.DOTALL)


@dataclass(frozen=True)
class Touches:
    """One login in the target's log: its lines, its statements that change, its first line."""

    lines: int
    changes: tuple[str, ...]
    first: datetime | None


def touches(log: Path, login: str, about: str = "") -> Touches:
    """Read a PostgreSQL log for one login; ``about``: only its lines with this text."""
    lines = pglog.read(log).lines
    mine = [line for line in lines if line.user == login and about in line.message]
    statements = [found[1] for line in mine if (found := STATEMENT.match(line.message))]
    changes = tuple(statement for statement in statements if not READS.match(statement))
    first = datetime.fromisoformat(mine[0].time.replace(" UTC", "+00:00")) if mine else None
    return Touches(len(mine), changes, first)


def changes_of_roles(log: Path, login: str) -> list[tuple[str, str]]:
    """Return the role changes that this login requested, in the order of the target's log."""
    found, verb = [], ""
    for line in pglog.read(log).lines:
        if line.user != login:
            continue
        if line.severity == "LOG":
            called = CALL.search(line.message)
            verb = called[1] if called else ""
        elif line.severity == "DETAIL" and verb and (given := GIVEN.search(line.message)):
            found.append((verb, given[1]))
            verb = ""
    return found


def login_refused(dsn: str) -> str:
    """Return why the server refuses this login; "" when it accepts it."""
    try:
        psycopg.connect(dsn, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        return str(error).strip().splitlines()[-1]
    return ""


def key_status(cloud: Cloud, key: Key) -> str:
    """Return the key's status, read with the account's observer."""
    answer = client(cloud, "iam", *cloud.credentials("observer")).list_access_keys(
        UserName=key.user
    )
    held = {item["AccessKeyId"]: item["Status"] for item in answer["AccessKeyMetadata"]}
    return str(held.get(key.id, "missing"))


def key_works(cloud: Cloud, key: Key) -> bool:
    """Return whether a call signed with the key's secret succeeds."""
    try:
        client(cloud, "sts", key.id, cloud.secret_of(key.id)).get_caller_identity()
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidClientTokenId":
            return False
        raise
    return True


def client(cloud: Cloud, service: str, key_id: str, secret: str) -> Any:
    """Return a client for one service of the simulated account."""
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=cloud.url,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5),
    )
