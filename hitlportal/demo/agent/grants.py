"""Decide what a call grants: predicates over the request of one CloudTrail record.

Each takes a record and returns a bool; none contains an account, a name or an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hitlportal.demo.agent.policies import is_foreign, own_accounts, strings
from hitlportal.demo.agent.records import Json, Record, find

# Ports of public web services; all others belong to administrators or databases.
PUBLIC_PORTS = frozenset({80, 443})
# EC2 User Guide, "Instance types": accelerated and very large memory families, which resource
# hijackers choose; then sizes that few accounts launch.
HUNGRY_FAMILY = re.compile(r"^(p|g|inf|trn|dl|vt|f|x|u-)\d")
HUNGRY_SIZE = re.compile(r"\.(metal|(2[4-9]|[3-9]\d|\d{3})xlarge)")
MANY_INSTANCES = 10
ADMIN_POLICIES = ("/AdministratorAccess", "/IAMFullAccess", "/PowerUserAccess")
# Logs that expire within a week are deleted before most investigations start.
SHORT_LIFE_DAYS = 7


def invocation_opened(record: Record) -> bool:
    """Lambda AddPermission for everyone or another account (a service principal is neither)."""
    principal = record.text("requestParameters", "principal")
    restricted = record.text("requestParameters", "principalOrgID")
    return is_foreign(principal, own_accounts(record)) and not restricted


def shared_outside(record: Record) -> bool:
    """A snapshot or image was shared with everyone or with another account."""
    own = own_accounts(record)
    granted = strings(record.value("requestParameters", "valuesToAdd"))
    for kind in ("createVolumePermission", "launchPermission"):
        items = record.value("requestParameters", kind, "add", "items")
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict):
                granted += strings(item.get("userId")) + strings(item.get("group"))
    return any(who == "all" or is_foreign(who, own) for who in granted)


def open_to_the_world(record: Record) -> bool:
    """An ingress rule for every address, on other ports than those of a public web service."""
    request = record.value("requestParameters")
    rules: list[Json] = [request]
    items = record.value("requestParameters", "ipPermissions", "items")
    rules += items if isinstance(items, list) else []
    return any(
        isinstance(rule, dict) and any(_everyone(c) for c in _ranges(rule)) and not _public(rule)
        for rule in rules
    )


def _ranges(rule: dict[str, Json]) -> Iterator[str]:
    yield from _member(rule, "cidrIp") + _member(rule, "cidrIpv6")
    for group in ("ipRanges", "ipv6Ranges"):
        inner = rule.get(group)
        items = inner.get("items") if isinstance(inner, dict) else None
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict):
                yield from _member(item, "cidrIp") + _member(item, "cidrIpv6")


def _member(rule: dict[str, Json], name: str) -> list[str]:
    """A member whose spelling differs between services (cidrIp, cIDRIP)."""
    found = find(rule, (name,))
    return strings(found[1]) if found else []


def _everyone(cidr: str) -> bool:
    return cidr.endswith("/0")


def _public(rule: dict[str, Json]) -> bool:
    first, last = rule.get("fromPort"), rule.get("toPort")
    return isinstance(first, int) and first == last and first in PUBLIC_PORTS


def hungry_instances(record: Record) -> bool:
    """RunInstances of accelerated or very large types, or of many at once."""
    kind = record.text("requestParameters", "instanceType")
    if HUNGRY_FAMILY.match(kind) or HUNGRY_SIZE.search(kind):
        return True
    count = record.value("requestParameters", "instancesSet", "items", 0, "maxCount")
    return isinstance(count, int | str) and str(count).isdigit() and int(count) >= MANY_INSTANCES


def admin_policy(record: Record) -> bool:
    """A managed policy that gives the whole account or all of IAM."""
    return record.text("requestParameters", "policyArn").endswith(ADMIN_POLICIES)


def for_somebody_else(record: Record) -> bool:
    """The request names another user than the caller."""
    named = record.text("requestParameters", "userName")
    return bool(named) and named != record.text("userIdentity", "userName")


def lasting_password_for_another(record: Record) -> bool:
    """A password for another user without a forced change at the first sign-in."""
    resets = record.value("requestParameters", "passwordResetRequired")
    return for_somebody_else(record) and resets is not True


def user_for_itself(record: Record) -> bool:
    """The request is for the calling user, by name or by leaving the name out."""
    return not root_for_itself(record) and not for_somebody_else(record)


def root_for_itself(record: Record) -> bool:
    """The root user asks for the root user."""
    is_root = record.text("userIdentity", "type") == "Root"
    return is_root and not record.text("requestParameters", "userName")


def trail_blinded(record: Record) -> bool:
    """No event selector records management events, or none records writes."""
    selectors = record.value("requestParameters", "eventSelectors")
    return isinstance(selectors, list) and all(
        isinstance(s, dict)
        and (s.get("includeManagementEvents") is False or s.get("readWriteType") == "ReadOnly")
        for s in selectors
    )


def short_life(record: Record) -> bool:
    """A bucket's lifecycle rule deletes objects within a few days."""
    rules = record.value("requestParameters", "LifecycleConfiguration", "Rule")
    for rule in rules if isinstance(rules, list) else [rules]:
        expiry = rule.get("Expiration") if isinstance(rule, dict) else None
        days = expiry.get("Days") if isinstance(expiry, dict) else None
        enabled = isinstance(rule, dict) and rule.get("Status") == "Enabled"
        if enabled and isinstance(days, int) and days <= SHORT_LIFE_DAYS:
            return True
    return False


def by_a_person(record: Record) -> bool:
    """A user's own credential made the call, not a role as deployment pipelines do."""
    return record.text("userIdentity", "type") in ("IAMUser", "Root", "FederatedUser")


def runs_a_shell(record: Record) -> bool:
    """Systems Manager ran shell text of the caller's choice."""
    document = record.text("requestParameters", "documentName")
    return document.endswith(("RunShellScript", "RunPowerShellScript"))


def has_layers(record: Record) -> bool:
    """A function's configuration has layers: code that runs before its own."""
    parts = ("requestParameters", "responseElements")
    return any(record.value(part, "layers") for part in parts)


def encrypted_by_caller(record: Record) -> bool:
    """Server-side encryption with a key from the caller, which AWS does not keep."""
    return bool(record.text("requestParameters", "x-amz-server-side-encryption-customer-algorithm"))


def detector_switched_off(record: Record) -> bool:
    """GuardDuty's UpdateDetector with ``enable`` false."""
    return record.value("requestParameters", "enable") is False
