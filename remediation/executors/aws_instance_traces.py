"""What an instance is and has before it is isolated. No user data: it often holds secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.plan import Step
from remediation.domain.secrets.masking import mask_text
from remediation.executors.aws_client import reading
from remediation.executors.aws_instance_look import LONGEST, Found, addresses, find, read_client
from remediation.executors.targets import Targets

MOST_TAGS = 50
FIELDS = {
    "type": "InstanceType", "image": "ImageId", "key_pair": "KeyName", "network": "VpcId",
    "subnet": "SubnetId", "root_device": "RootDeviceName",
}  # fmt: skip


def traces(step: Step, targets: Targets) -> dict[str, Json]:
    """Return the instance, its tags and its interfaces. Raises TargetUnobservable."""
    with reading(step):
        found = find(step, read_client(step, targets))
        return {} if found is None else _described(found)


def _described(found: Found) -> dict[str, Json]:
    one = found.instance
    launched = one.get("LaunchTime")
    about: dict[str, Json] = {name: _text(one.get(key)) for name, key in FIELDS.items()}
    about |= {
        "status": _text(one["State"]["Name"]),
        "launched": launched.isoformat() if launched is not None else "",
        "profile": _text((one.get("IamInstanceProfile") or {}).get("Arn")),
    }
    tags = [f"{each['Key']}={each['Value']}" for each in one.get("Tags", [])]
    return {
        "instances": [about],
        "tags": [_text(each) for each in sorted(tags)[:MOST_TAGS]],
        "interfaces": [_interface(each) for each in found.interfaces],
    }


def _interface(one: Mapping[str, Any]) -> dict[str, Json]:
    groups = sorted(f"{each['GroupId']} {each.get('GroupName', '')}" for each in one["Groups"])
    return {
        "interface": _text(one["NetworkInterfaceId"]),
        "groups": [_text(each) for each in groups],
        "network_addresses": [*addresses([one])],
    }


def _text(value: object) -> str:
    # Masked before it is cut: a half of a secret is not found.
    return mask_text(str(value or ""))[:LONGEST]
