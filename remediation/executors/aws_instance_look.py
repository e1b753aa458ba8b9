"""Read an instance of EC2: the groups of its interfaces, its profile, and the isolation group.

An interface that has exactly the isolation group is isolated; `security_groups` names the other
ones. The targets file names the isolation groups (`isolation_groups`), and that of the instance's
VPC counts. It must have no rule at all, in either direction: a new group lets everything out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws_instance import MOST_GROUPS, MOST_INTERFACES, PROFILE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_account import AwsTarget, account
from remediation.executors.aws_client import client_of, reading, uncut
from remediation.executors.aws_instance_groups import (
    MOST_VALUES,
    checked_id,
    groups_of,
    isolation,
    missing,
    rules,
    whole,
)
from remediation.executors.base import GONE
from remediation.executors.targets import Targets

ON = ("associating", "associated")
AUTO_SCALING = "aws:autoscaling:groupName"
LONGEST = 255
MOST_ADDRESSES = 40
STATUS = r"pending|running|shutting-down|terminated|stopping|stopped"
ROLE = r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,640}"


@dataclass(frozen=True)
class Association:
    """The profile that an instance has; the id stays the same when the profile is replaced."""

    id: str = ""
    profile: str = ""


@dataclass(frozen=True)
class Found:
    """The answers of EC2 about an instance."""

    instance: Mapping[str, Any]
    interfaces: tuple[Mapping[str, Any], ...]


def look_at_instance(step: Step, targets: Targets) -> Observation:
    """Read the instance. Raises TargetUnobservable."""
    target = account(targets, step.target.fields["account"])
    with reading(step):
        client = _client(step, target)
        found = find(step, client)
        if found is None:
            return GONE
        groups = groups_of(step, client, target)
        held = _association(step, client)
        role = _role(step, target, held.profile)
        vpc = _vpc(found)
        own, trouble = isolation(target, groups, vpc)
        interfaces = {
            checked_id(each["NetworkInterfaceId"], "eni"): each for each in found.interfaces
        }
        state: dict[str, Json] = {
            "security_groups": [*_open(interfaces, own)],
            "profile": held.profile,
            "interfaces": [*sorted(interfaces)],
            "isolation_group": own,
            "profile_role": role,
            "earlier_rules": rules(step, groups),
        }
        shown = _shown(found) | {
            "earlier_rules": state["earlier_rules"],
            "isolation_trouble": trouble or _trunks(found),
            "missing_groups": [*missing(step, groups, vpc)],
            "profile_role": role,
            "uncut": [*uncut(target)],
        }
    return Observation(
        True, {name: state[name] for name in step.spec.pin_fields}, shown, target.simulated
    )


def find(step: Step, client: Any) -> Found | None:
    """Return the instance and its interfaces; None if EC2 knows no such instance."""
    from botocore.exceptions import ClientError

    wanted = step.target.fields["instance"]
    try:
        lots = client.describe_instances(InstanceIds=[wanted])["Reservations"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidInstanceID.NotFound":
            raise
        return None
    [lot] = lots
    [instance] = lot["Instances"]
    # A subnet can be shared: what stands in it may belong to another account.
    if lot["OwnerId"] != step.target.fields["account"] or instance["InstanceId"] != wanted:
        raise TargetUnobservable("the instance belongs to another account")
    if not re.fullmatch(STATUS, instance["State"]["Name"]):
        raise TargetUnobservable("EC2 names a state that it does not have")
    own = [{"Name": "attachment.instance-id", "Values": [wanted]}]
    answer = client.describe_network_interfaces(Filters=own)
    interfaces = whole(answer, "NetworkInterfaces", MOST_INTERFACES)
    listed = {each["NetworkInterfaceId"] for each in instance.get("NetworkInterfaces", [])}
    if listed != {each["NetworkInterfaceId"] for each in interfaces}:
        raise TargetUnobservable("EC2's answers name different interfaces of the instance")
    return Found(instance, tuple(interfaces))


def association(step: Step, targets: Targets) -> Association:
    """Read only the profile, just before it is taken off. Raises TargetUnobservable."""
    target = account(targets, step.target.fields["account"])
    with reading(step):
        return _association(step, _client(step, target))


def read_client(step: Step, targets: Targets) -> Any:
    """Return a client of the observer."""
    return _client(step, account(targets, step.target.fields["account"]))


def _client(step: Step, target: AwsTarget, service: str = "ec2") -> Any:
    key_id, secret = target.observe()
    region = step.target.fields["region"] if service == "ec2" else ""
    return client_of(target, key_id, secret, service=service, region=region)


def _vpc(found: Found) -> str:
    """Return the VPC of all interfaces; "" if they are in several."""
    places = {str(each.get("VpcId", "")) for each in found.interfaces}
    return checked_id(places.pop(), "vpc") if len(places) == 1 else ""


def _trunks(found: Found) -> str:
    """Return why isolation would leave a part connected; "" if it would not.

    Branch interfaces (EKS, "Security groups for Pods") are associated with a trunk and attached to
    no instance. Each has groups of its own, which the trunk's do not replace.
    """
    trunks = (each for each in found.interfaces if each.get("InterfaceType") == "trunk")
    names = sorted(checked_id(each["NetworkInterfaceId"], "eni") for each in trunks)
    said = f"{', '.join(names)}: the branches of a trunk interface have groups of their own"
    return said if names else ""


def _open(interfaces: Mapping[str, Mapping[str, Any]], isolation: str) -> Iterable[str]:
    """Yield the groups of each interface that is not isolated."""
    for interface, held in sorted(interfaces.items()):
        groups = sorted(checked_id(each["GroupId"], "sg") for each in held["Groups"])
        if len(groups) > MOST_GROUPS:
            raise TargetUnobservable("an interface has more groups than EC2 takes")
        if not isolation or groups != [isolation]:
            yield f"{interface}: {','.join(groups) or 'none'}"


def _association(step: Step, client: Any) -> Association:
    own = [{"Name": "instance-id", "Values": [step.target.fields["instance"]]}]
    answer = client.describe_iam_instance_profile_associations(Filters=own)
    held = whole(answer, "IamInstanceProfileAssociations", MOST_VALUES)
    on = [each for each in held if each["State"] in ON]
    if not on:
        return Association()
    [one] = on
    arn = one["IamInstanceProfile"]["Arn"]
    if one["InstanceId"] != step.target.fields["instance"] or not re.fullmatch(PROFILE, arn):
        raise TargetUnobservable("EC2 names no profile of this instance")
    return Association(str(one["AssociationId"]), arn)


def _role(step: Step, target: AwsTarget, profile: str) -> str:
    """Return the ARN of the role of the profile that the plan names, or that it has; "" for none.

    Who may give a profile another role could get that one by a restoring of the profile.
    """
    named = str(step.parameters.get("earlier_profile", "")) or profile
    if not named:
        return ""
    client = _client(step, target, "iam")
    name = named.rpartition("/")[2]
    try:
        found = client.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    except client.exceptions.NoSuchEntityException:
        return ""
    if found["Arn"] != named:
        return ""
    roles = [str(each["Arn"]) for each in found["Roles"]]
    if len(roles) > 1 or not all(re.fullmatch(ROLE, each) for each in roles):
        raise TargetUnobservable("IAM names no single role of the instance profile")
    return roles[0] if roles else ""


def _shown(found: Found) -> dict[str, Json]:
    tags = {str(each["Key"]): str(each["Value"]) for each in found.instance.get("Tags", [])}
    managed = (each for each in found.interfaces if each.get("RequesterManaged"))
    return {
        "status": found.instance["State"]["Name"],
        "network_addresses": [*addresses(found.interfaces)][:MOST_ADDRESSES],
        "auto_scaling": tags.get(AUTO_SCALING, "")[:LONGEST],
        "managed_interfaces": [
            *sorted(checked_id(each["NetworkInterfaceId"], "eni") for each in managed)
        ],
    }


def addresses(interfaces: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the addresses of interfaces, public ones too."""
    found: set[str] = set()
    for each in interfaces:
        for one in each.get("PrivateIpAddresses", []):
            found |= {one.get("PrivateIpAddress", ""), _public(one)}
        found |= {each.get("PrivateIpAddress", ""), _public(each)}
        found |= {str(one["Ipv6Address"]) for one in each.get("Ipv6Addresses", [])}
    return sorted(one for one in found if re.fullmatch(r"[0-9a-fA-F.:]{2,45}", one))


def _public(holder: Mapping[str, Any]) -> str:
    return str((holder.get("Association") or {}).get("PublicIp", ""))
