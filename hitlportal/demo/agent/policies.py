"""Evaluate policy documents in a request: who gets access, and to what.

A document is an object or JSON text anywhere in the request. Source: IAM User Guide, "IAM JSON
policy elements".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from hitlportal.demo.agent.records import Json, Record

ACCOUNT_IN_PRINCIPAL = re.compile(r"(?:^|:)([0-9]{12})(?::|$)")
# IAM User Guide, "Global condition keys": those that distinguish callers.
NARROWING = frozenset(
    {"aws:principalorgid", "aws:principalarn", "aws:principalaccount", "aws:sourceaccount"}
    | {"aws:sourcearn", "aws:sourceip", "aws:sourcevpc", "aws:sourcevpce", "aws:userid"}
)


def own_accounts(record: Record) -> frozenset[str]:
    """The accounts that the call itself belongs to."""
    texts = (record.text("userIdentity", "accountId"), record.text("recipientAccountId"))
    return frozenset(text for text in texts if text)


def is_foreign(principal: str, own: frozenset[str]) -> bool:
    """A policy's principal outside ``own``: everyone, or another account."""
    if principal == "*":
        return True
    match = ACCOUNT_IN_PRINCIPAL.search(principal)
    return match is not None and match[1] not in own


def policy_opened(record: Record) -> bool:
    """A policy in the request allows everyone, unconditionally, or another account."""
    own = own_accounts(record)
    return any(
        is_foreign(principal, own) and not (principal == "*" and _restricted(statement))
        for statement in _statements(record.value("requestParameters"))
        if statement.get("Effect") == "Allow"
        for principal in _principals(statement.get("Principal"))
    )


def _restricted(statement: dict[str, Json]) -> bool:
    """A condition restricts the caller or the address. An external id alone does not."""
    condition = statement.get("Condition")
    tests = condition.values() if isinstance(condition, dict) else ()
    names = (name.lower() for test in tests if isinstance(test, dict) for name in test)
    return any(name in NARROWING for name in names)


def policy_allows_all(record: Record) -> bool:
    """An inline or managed policy in the request allows every action."""
    return any(
        statement.get("Effect") == "Allow" and "*" in strings(statement.get("Action"))
        for statement in _statements(record.value("requestParameters"))
    )


def _statements(value: Json) -> Iterator[dict[str, Json]]:
    """Every statement of every policy document in ``value``, as object or as JSON text."""
    if isinstance(value, str) and '"Statement"' in value:
        try:
            value = json.loads(value)
        except ValueError:
            return
    if isinstance(value, dict):
        if "Statement" in value:
            inner = value["Statement"]
            many = inner if isinstance(inner, list) else [inner]
            yield from (statement for statement in many if isinstance(statement, dict))
            return
        for member in value.values():
            yield from _statements(member)


def _principals(value: Json) -> Iterator[str]:
    """The AWS principals of a statement; services and federations are not accounts."""
    yield from strings(value.get("AWS") if isinstance(value, dict) else value)


def strings(value: Json) -> list[str]:
    many = value if isinstance(value, list) else [value]
    return [item for item in many if isinstance(item, str)]
