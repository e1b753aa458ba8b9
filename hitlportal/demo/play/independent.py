"""Looking at the targets past the portal: own clients, own logins, the targets' own logs."""

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

READS = re.compile(r"\s*(SELECT|SET|SHOW|BEGIN|COMMIT|ROLLBACK)\b", re.IGNORECASE)
CALL = re.compile(r"SELECT hitl_ops\.(disable|enable)\(")
GIVEN = re.compile(r"arameters: \$1 = '(.*)'")
STATEMENT = re.compile(r"(?:statement|execute [^:]*): (.*)", re.DOTALL)


@dataclass(frozen=True)
class Touches:
    """What the target's log says of one login: lines, statements that change, the first line."""

    lines: int
    changes: tuple[str, ...]
    first: datetime | None


def touches(log: Path, login: str) -> Touches:
    """Read a PostgreSQL log for one login."""
    mine = [line for line in pglog.read(log).lines if line.user == login]
    said = [found[1] for line in mine if (found := STATEMENT.match(line.message))]
    changes = tuple(statement for statement in said if not READS.match(statement))
    first = datetime.fromisoformat(mine[0].time.replace(" UTC", "+00:00")) if mine else None
    return Touches(len(mine), changes, first)


def changes_of_roles(log: Path, login: str) -> list[tuple[str, str]]:
    """What this login asked of which role, in the order in which the target's log has it."""
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
    """Why the server refuses this login; "" when it does not."""
    try:
        psycopg.connect(dsn, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        return str(error).strip().splitlines()[-1]
    return ""


def key_status(cloud: Cloud, key: Key) -> str:
    """What the account says about the key, asked with the account's observer."""
    answer = client(cloud, "iam", *cloud.credentials("observer")).list_access_keys(
        UserName=key.user
    )
    held = {item["AccessKeyId"]: item["Status"] for item in answer["AccessKeyMetadata"]}
    return str(held.get(key.id, "missing"))


def key_works(cloud: Cloud, key: Key) -> bool:
    """Whether somebody who holds the key's secret can make a call with it."""
    try:
        client(cloud, "sts", key.id, cloud.secret_of(key.id)).get_caller_identity()
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidClientTokenId":
            return False
        raise
    return True


def client(cloud: Cloud, service: str, key_id: str, secret: str) -> Any:
    """A client of one service of the simulated account."""
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=cloud.url,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5),
    )
