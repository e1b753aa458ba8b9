"""The security groups of an instance's network: those of isolation, and those that a plan names.

What a plan names must be there. What it lets through is pinned where a step gives it back: a rule
that comes afterwards would give access that nobody saw.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws_instance import HEX
from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Step
from remediation.executors.aws_account import AwsTarget

# "You can specify up to 200 values for a filter" (EC2 API, "Filtering").
MOST_VALUES = 200
Groups = Mapping[str, Mapping[str, Any]]


def parsed(groups: Json) -> dict[str, list[str]]:
    """Return the groups by interface, from the texts of `security_groups` or `earlier_groups`."""
    assert isinstance(groups, list)
    pairs = (str(each).partition(": ") for each in groups)
    return {interface: named.split(",") for interface, _, named in pairs}


def groups_of(step: Step, client: Any, target: AwsTarget) -> dict[str, Mapping[str, Any]]:
    """Return the isolation groups and those that the plan names, as far as they exist."""
    ids = sorted({*target.isolation_groups, *_named(step)})
    if not ids:
        return {}
    if len(ids) > MOST_VALUES:
        raise TargetUnobservable("more groups are named than EC2 looks up at once")
    # By a filter: an unknown id is left out, and not an error of the whole call.
    answer = client.describe_security_groups(Filters=[{"Name": "group-id", "Values": ids}])
    found = whole(answer, "SecurityGroups", MOST_VALUES)
    return {each["GroupId"]: each for each in found if each["GroupId"] in ids}


def _named(step: Step) -> Iterable[str]:
    """Yield the groups that the plan names; a look has no plan, and names none."""
    earlier = step.parameters.get("earlier_groups", [])
    return (group for held in parsed(earlier).values() for group in held)


def isolation(target: AwsTarget, groups: Groups, vpc: str) -> tuple[str, str]:
    """Return the isolation group, and why it cannot be used; "" for none."""
    if not target.isolation_groups:
        return "", "the targets file names no isolation_groups"
    if not vpc:
        return "", "its interfaces are in no VPC, or in several"
    own = [each for each in target.isolation_groups if groups.get(each, {}).get("VpcId") == vpc]
    if len(own) != 1:
        how = "none" if not own else "more than one"
        return "", f"{how} of the isolation_groups is in its network ({vpc})"
    [group] = own
    rules = len(groups[group]["IpPermissions"]) + len(groups[group]["IpPermissionsEgress"])
    return group, f"isolation group {group} has {rules} rules and must have none" if rules else ""


def missing(step: Step, groups: Groups, vpc: str) -> Iterable[str]:
    """Yield the groups that the plan names and that the instance's VPC does not have."""
    return sorted(each for each in {*_named(step)} if groups.get(each, {}).get("VpcId") != vpc)


def rules(step: Step, groups: Groups) -> str:
    """Return a digest of what the groups that the plan names let through; "" if it names none.

    EC2 promises no order, so texts of the rules are sorted.
    """
    named = sorted({*_named(step)} & groups.keys())
    ways = ("IpPermissions", "IpPermissionsEgress")
    held = [
        _sorted({"group": group, **{way: groups[group][way] for way in ways}}) for group in named
    ]
    return f"sha256:{sha256(_text(held).encode()).hexdigest()}" if named else ""


def _sorted(value: Any) -> Any:
    """Return a rule with its lists in one order."""
    if isinstance(value, dict):
        return {name: _sorted(one) for name, one in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(one) for one in value), key=_text)
    return value


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def whole(answer: Mapping[str, Any], name: str, most: int) -> list[Any]:
    """Return a list of EC2 that came whole."""
    found: list[Any] = answer[name]
    if answer.get("NextToken") or len(found) > most:
        raise TargetUnobservable(f"EC2 lists more than {most} {name}")
    return found


def checked_id(value: object, kind: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(rf"{kind}-{HEX}", value):
        raise TargetUnobservable(f"EC2 names something that is no id ({kind}-)")
    return value
