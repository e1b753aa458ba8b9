"""Find who made a call: the credential or identity in a record's ``userIdentity``.

In: a record. Out: a `Principal` of the account, or None where AWS itself acted: an AWS service, a
service-linked role, or a service that forwards a request (``invokedBy``). Those use no credential
of the account's owner and cannot be contained. Source: CloudTrail User Guide, "userIdentity".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from hitlportal.demo.agent.records import Json, Record

# IAM User Guide, "Unique identifiers": AKIA is a long-term access key, ASIA a temporary one.
LONG_TERM = "AKIA"
SERVICE_ROLE_PATH = ":role/aws-service-role/"
SERVICE_ROLE_NAME = "AWSServiceRoleFor"
SERVICE_DOMAIN = ".amazonaws.com"
# The role session of an EC2 instance is named by the instance id.
INSTANCE = re.compile(r"i-[0-9A-Fa-f]{8,17}")
ACCOUNT = re.compile(r"[0-9]{12}")


class Kind(StrEnum):
    """Kinds of compromised principals; the value is the name used in sentences."""

    KEY = "access key"
    USER = "console user"
    SESSION = "role session"
    ROOT = "root user"


@dataclass(frozen=True, order=True)
class Principal:
    """``name`` is the user's or role's name; ``key_id`` is "" for the console and for root."""

    kind: Kind
    account: str
    name: str
    key_id: str = ""
    arn: str = ""

    @property
    def who(self) -> str:
        """The principal's name at the start of a sentence."""
        if self.kind is Kind.KEY:
            return f"Access key {self.key_id} of user {self.name}"
        if self.kind is Kind.SESSION:
            return f"Session {self.arn.rpartition('/')[2]} ({self.key_id}) of role {self.name}"
        if self.kind is Kind.USER:
            return f"User {self.name} (console or temporary credentials)"
        return f"The root user of account {self.account}"

    def target(self) -> dict[str, Json]:
        """The principal as a target object of the portal's API."""
        if self.kind is Kind.KEY:
            return key_target(self.account, self.name, self.key_id)
        if self.kind is Kind.SESSION:
            return {"kind": "aws.iam.role", "account": self.account, "role": self.name}
        if self.kind is Kind.USER:
            return {"kind": "aws.iam.user", "account": self.account, "user": self.name}
        return {"kind": "aws.iam.root", "account": self.account}

    @property
    def locator(self) -> str:
        """The target in one line."""
        kind, *fields = (str(value) for value in self.target().values())
        return f"{kind}:{'/'.join(fields)}"


def key_target(account: str, user: str, key_id: str) -> dict[str, Json]:
    """Return the target object of an IAM user's access key."""
    return {
        "kind": "aws.iam.access_key",
        "account": account,
        "user": user,
        "access_key_id": key_id,
    }


def instance_of(principal: Principal) -> str:
    """Return the EC2 instance of a role session, "" for other sessions."""
    name = principal.arn.rpartition("/")[2]
    return name if principal.kind is Kind.SESSION and INSTANCE.fullmatch(name) else ""


def account_of(record: Record) -> str:
    """Return the caller's account; "" if the record does not contain it."""
    for path in (("userIdentity", "accountId"), ("recipientAccountId",)):
        if ACCOUNT.fullmatch(record.text(*path)):
            return record.text(*path)
    return ""


def by_aws(record: Record) -> bool:
    """Return whether AWS itself made the call, without a credential of the account."""
    issuer = record.text("userIdentity", "sessionContext", "sessionIssuer", "arn")
    arn = record.text("userIdentity", "arn")
    return bool(
        record.text("userIdentity", "invokedBy")
        or record.address.endswith(SERVICE_DOMAIN)
        or SERVICE_ROLE_PATH in issuer
        or f":assumed-role/{SERVICE_ROLE_NAME}" in arn
    )


def principal_of(record: Record) -> Principal | None:
    """Return the account's principal that made the call; None for AWS and other accounts."""
    account = account_of(record)
    if by_aws(record) or not account:
        return None
    kind = record.text("userIdentity", "type")
    if kind == "Root":
        return Principal(Kind.ROOT, account, "root")
    if kind == "IAMUser":
        return _user(record, account)
    if kind == "AssumedRole":
        return _session(record, account)
    if kind == "FederatedUser":
        issuer = record.text("userIdentity", "sessionContext", "sessionIssuer", "userName")
        return Principal(Kind.USER, account, issuer) if issuer else None
    return None


def _user(record: Record, account: str) -> Principal | None:
    arn = record.text("userIdentity", "arn")
    name = record.text("userIdentity", "userName") or arn.rpartition("/")[2]
    key_id = record.text("userIdentity", "accessKeyId")
    if not name:
        return None
    if key_id.startswith(LONG_TERM):
        return Principal(Kind.KEY, account, name, key_id)
    return Principal(Kind.USER, account, name)


def _session(record: Record, account: str) -> Principal | None:
    arn = record.text("userIdentity", "arn")
    issuer = record.text("userIdentity", "sessionContext", "sessionIssuer", "userName")
    parts = arn.split("/")
    name = issuer or (parts[1] if len(parts) > 1 else "")
    if not name:
        return None
    return Principal(Kind.SESSION, account, name, record.text("userIdentity", "accessKeyId"), arn)
