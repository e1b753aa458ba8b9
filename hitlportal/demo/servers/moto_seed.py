"""Put a seed file's users, keys and roles into moto, and keep keys over a restart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from moto.iam.models import AccessKey, AccessKeyLastUsed, IAMBackend, iam_backends
from moto.s3.models import s3_backends

PARTITION, REGION = "aws", "us-east-1"  # IAM is global, but moto needs a region
READS = [
    "iam:GetUser",
    "iam:ListAccessKeys",
    "iam:GetAccessKeyLastUsed",
    "iam:GetLoginProfile",
    "iam:ListUserPolicies",
    "iam:ListAttachedUserPolicies",
    "iam:GetUserPolicy",
    "iam:GetRole",
    "iam:ListRolePolicies",
    "iam:ListAttachedRolePolicies",
    "iam:GetRolePolicy",
    *("cloudtrail:LookupEvents", "cloudtrail:DescribeTrails"),
    *("cloudtrail:GetTrailStatus", "cloudtrail:GetEventSelectors"),
    "secretsmanager:DescribeSecret",
    *("s3:GetBucketLocation", "s3:GetBucketPublicAccessBlock", "s3:GetBucketPolicyStatus"),
    *("ec2:DescribeInstances", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups"),
    *("ec2:DescribeIamInstanceProfileAssociations", "iam:GetInstanceProfile"),
    *("s3:GetBucketPolicy", "s3:GetBucketAcl", "s3:GetBucketWebsite"),
]
KEY_CHANGES = ["iam:UpdateAccessKey", "iam:CreateAccessKey", "iam:DeleteAccessKey"]
POLICY_CHANGES = [
    *("iam:PutUserPolicy", "iam:DeleteUserPolicy"),
    *("iam:PutRolePolicy", "iam:DeleteRolePolicy"),
    "iam:DeleteLoginProfile",
]
TRAIL_CHANGES = ["cloudtrail:StartLogging", "cloudtrail:PutEventSelectors"]
BUCKET_CHANGES = ["s3:PutBucketPublicAccessBlock"]
INSTANCE_CHANGES = [
    *("ec2:ModifyNetworkInterfaceAttribute", "ec2:DisassociateIamInstanceProfile"),
    *("ec2:AssociateIamInstanceProfile", "iam:PassRole"),
]
ROLE_CHANGES = [
    *(*KEY_CHANGES, *POLICY_CHANGES, *TRAIL_CHANGES, *BUCKET_CHANGES),
    *INSTANCE_CHANGES,
]
CHANGES = [
    *ROLE_CHANGES,
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
]
ASSUMES = ["sts:AssumeRole"]
LOGINS = {"observer": READS, "operator": CHANGES, "assumer": ASSUMES, "admin": ["*"]}
ROLE = "hitl-operator"

Kept = Mapping[str, Mapping[str, str]]


def seed(accounts: Iterable[dict[str, Any]], kept: Kept | None) -> None:
    """Put users and keys into moto's backends.

    `kept` is the state file of an earlier start: a key that is not in it was deleted, and one
    that the seed does not have was made.
    """
    seen: set[str] = set()
    for account in accounts:
        backend = iam_backends[account["account"]][PARTITION]
        _add_role(backend, account["account"])
        for name in account.get("buckets", []):
            s3_backends[account["account"]][PARTITION].create_bucket(name, REGION)
        for user in account.get("users", []):
            _add_user(backend, user, user["keys"], [], kept, seen)
        for login, actions in LOGINS.items():
            if login in account:
                _add_user(backend, account[login], [account[login]], actions, kept, seen)
        for key_id, known in (kept or {}).items():
            if known.get("account") == account["account"] and key_id not in seen:
                _add_key(backend, known["user"], {**known, "id": key_id}, kept, seen)


def _add_role(backend: IAMBackend, account: str) -> None:
    """Add the role that an assumer may take on; a session policy cuts it to one step."""
    principal = {"AWS": f"arn:aws:iam::{account}:user/hitl-assumer"}
    allowed = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [allowed]}
    backend.create_role(ROLE, json.dumps(trust), "/", None, "", [], "3600")
    backend.put_role_policy(ROLE, "hitlportal", json.dumps(_policy(ROLE_CHANGES)))


def _add_user(
    backend: IAMBackend,
    entry: dict[str, Any],
    keys: list[dict[str, str]],
    actions: list[str],
    kept: Kept | None,
    seen: set[str],
) -> None:
    name = entry["user"]
    tags = [{"Key": key, "Value": value} for key, value in entry.get("tags", {}).items()]
    backend.create_user(REGION, name, tags=tags)
    granted = [*actions, *entry.get("may", [])]
    if granted:
        backend.put_user_policy(name, "hitlportal", json.dumps(_policy(granted)))
    for key in keys:
        if key["id"] in seen:  # moto could not find the caller's account
            raise SystemExit(f"seed: key {key['id']} occurs twice")
        if kept is None or key["id"] in kept:
            _add_key(backend, name, key, kept, seen)
        seen.add(key["id"])


def _add_key(
    backend: IAMBackend, user: str, entry: Mapping[str, str], kept: Kept | None, seen: set[str]
) -> None:
    seen.add(entry["id"])
    key = backend.get_user(user).create_access_key("AKIA")
    known = {**entry, **(kept or {}).get(entry["id"], {})}
    key.access_key_id = entry["id"]
    key.secret_access_key = known.get("secret") or key.secret_access_key
    key.status = known.get("status", "Active")
    if "created" in known:
        key.create_date = _time(known["created"])
    if known.get("last_used"):
        key.last_used = AccessKeyLastUsed(_time(known["last_used"]), "s3", REGION)
    backend.access_keys[entry["id"]] = key


def _policy(actions: list[str]) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def ids(accounts: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the ids of the keys of a seed."""
    for account in accounts:
        yield from (key["id"] for user in account.get("users", []) for key in user["keys"])
        yield from (account[login]["id"] for login in LOGINS if login in account)


def all_keys() -> Iterator[tuple[str, AccessKey]]:
    """Yield every key of every account, with the account's number."""
    for number, account in list(iam_backends.items()):
        for user in list(account[PARTITION].users.values()):
            for key in user.access_keys:
                yield number, key


def state(seeded: frozenset[str]) -> dict[str, dict[str, str]]:
    """Return what the state file keeps of each key: its secret only if it was made here."""
    return {key.access_key_id: _kept(number, key, seeded) for number, key in all_keys()}


def _kept(number: str, key: AccessKey, seeded: frozenset[str]) -> dict[str, str]:
    held = {"status": key.status, "created": f"{key.create_date.isoformat()}Z"}
    if key.access_key_id not in seeded:
        held |= {"account": number, "user": str(key.user_name), "secret": key.secret_access_key}
    return held
