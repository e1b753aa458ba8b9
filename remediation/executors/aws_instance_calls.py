"""The changing calls for an instance of EC2: groups of its interfaces, and its profile.

Each change has a session of its own, cut to one kind of call on what it changes. What was changed
before a refusal is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_account import account
from remediation.executors.aws_client import (
    CONNECT_SECONDS,
    READ_SECONDS,
    changing,
    operating_client,
)
from remediation.executors.aws_instance_groups import parsed
from remediation.executors.aws_instance_look import association
from remediation.executors.base import Deadline, Outcome, Snapshot
from remediation.executors.errors import NotApplied, PartlyApplied
from remediation.executors.targets import Targets


class Change:
    """The calls of one step, after a look that allows them."""

    def __init__(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        found: Observation,
        deadline: Deadline,
    ) -> None:
        self._of = (clearance, step, targets)
        self._step, self._state, self._deadline = step, found.state, deadline
        self._done: list[str] = []

    def bring(self, wanted: Snapshot) -> Outcome:
        """Change what is not as wanted. Raises NotApplied, PartlyApplied or OutcomeUnknown."""
        try:
            self._set_groups(
                parsed(self._state["security_groups"]), parsed(wanted["security_groups"])
            )
            if self._state["profile"] != wanted["profile"]:
                self._set_profile(str(wanted["profile"]))
        except NotApplied as error:
            if self._done:
                raise PartlyApplied(f"{', '.join(self._done)} changed; {error.detail}") from error
            raise
        detail: dict[str, Json] = {**wanted, "changed": bool(self._done)}
        return Outcome(detail)

    def _set_groups(self, held: Mapping[str, list[str]], wanted: Mapping[str, list[str]]) -> None:
        isolated = [str(self._state["isolation_group"])]
        interfaces = self._state["interfaces"]
        assert isinstance(interfaces, list)
        changes = {
            name: wanted.get(name, isolated)
            for name in map(str, interfaces)
            if held.get(name, isolated) != wanted.get(name, isolated)
        }
        if not changes:
            return
        groups = sorted({group for each in changes.values() for group in each})
        resources = [
            *(self._arn("network-interface", each) for each in changes),
            *(self._arn("security-group", each) for each in groups),
            # EC2 lists it as a resource of the call, too; moto cannot show whether it asks for it.
            self._arn("instance", str(self._step.target.fields["instance"])),
        ]
        client = self._client("ec2:ModifyNetworkInterfaceAttribute", resources)
        for name, each in changes.items():
            self._refuse_late()
            with changing():
                client.modify_network_interface_attribute(NetworkInterfaceId=name, Groups=each)
            self._done.append(name)

    def _set_profile(self, wanted: str) -> None:
        instance = self._step.target.fields["instance"]
        whole = [self._arn("instance", instance)]
        if wanted:
            role = str(self._state["profile_role"])
            client = self._client("ec2:AssociateIamInstanceProfile", whole, passes=role)
            profile = {"Arn": wanted}
            with changing():
                client.associate_iam_instance_profile(
                    InstanceId=instance, IamInstanceProfile=profile
                )
        else:
            client = self._client("ec2:DisassociateIamInstanceProfile", whole)
            held = self._still_held()
            if held:
                self._refuse_late()  # the role and the read took their time
                with changing():
                    client.disassociate_iam_instance_profile(AssociationId=held)
        self._done.append("the profile")

    def _still_held(self) -> str:
        """Return the id of the association; "" if somebody else took the profile off."""
        try:
            now = association(self._step, self._of[2])
        except TargetUnobservable as error:
            raise NotApplied(f"the profile was not read again: {error.detail}") from error
        if now.profile not in ("", self._state["profile"]):
            raise NotApplied(f"the profile was replaced by {now.profile} since the look")
        return now.id

    def _refuse_late(self) -> None:
        if self._deadline.left < CONNECT_SECONDS + READ_SECONDS:
            raise NotApplied("no time is left for the call")

    def _client(self, action: str, resources: list[str], passes: str = "") -> Any:
        region = self._step.target.fields["region"]
        return operating_client(
            *self._of, action, self._deadline,
            service="ec2", region=region, resources=resources, passes=passes,
        )  # fmt: skip

    def _arn(self, noun: str, name: str) -> str:
        fields = self._step.target.fields
        role = account(self._of[2], fields["account"]).operate_role_arn
        partition = role.split(":")[1] if role else "aws"
        return f"arn:{partition}:ec2:{fields['region']}:{fields['account']}:{noun}/{name}"
