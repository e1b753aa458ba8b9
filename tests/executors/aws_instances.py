"""Instances of EC2 in the simulated AWS (moto), which runs no machine and cuts no traffic."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from audit.tlog.canonical import Json
from tests.executors import moto
from tests.executors.aws_policies import DeniedUserWorld, document

_NUMBERS = itertools.count()
REGION = "us-east-1"
# moto knows the images that it lists; this is one of them.
IMAGE = "ami-12c6146b"
CHANGING = ("ec2:Modify", "ec2:Associate", "ec2:Disassociate")


class InstanceWorld(DeniedUserWorld):
    """An instance with one interface in two groups, a profile, and an isolation group beside it."""

    calls = 2

    def __init__(self, action: str, directory: Path, simulator: moto.Moto) -> None:
        super().__init__(action, directory, simulator)
        self.ec2, self.iam = self.moto.admin("ec2"), self.moto.admin()
        self.vpc, self.subnet = self.network()
        self.isolation = self.group("isolation", egress=False)
        self.earlier = sorted(self.group(name) for name in ("web", "ssh"))
        self.role, self.profile = self.new_profile()
        self.isolation_groups = [self.isolation]
        # Without groups: moto never takes off those of the launch.
        made = self.ec2.run_instances(
            ImageId=IMAGE, MinCount=1, MaxCount=1, SubnetId=self.subnet,
            UserData="password=user-data-is-not-read",
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "orders"}]}
            ],
        )["Instances"][0]  # fmt: skip
        self.name: str = made["InstanceId"]
        self.interface: str = made["NetworkInterfaces"][0]["NetworkInterfaceId"]
        self._parameters: dict[str, Json] = {
            "earlier_groups": [f"{self.interface}: {','.join(self.earlier)}"],
            "earlier_profile": self.profile,
        }
        self.reset()
        self._begins = len(self.moto.lines())

    def new_user(self) -> moto.User:
        return moto.User("", "", "")

    def network(self) -> tuple[str, str]:
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        return vpc, subnet

    def group(self, name: str, *, egress: bool = True, vpc: str = "") -> str:
        """Make a group; without `egress`, the rule that lets everything out is taken away."""
        made: str = self.ec2.create_security_group(
            GroupName=f"{name}-{next(_NUMBERS)}", Description=name, VpcId=vpc or self.vpc
        )["GroupId"]
        if not egress:
            everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
            self.ec2.revoke_security_group_egress(GroupId=made, IpPermissions=[everything])
        return made

    def let_in(self, group: str) -> None:
        rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
        ranges = {"IpRanges": [{"CidrIp": "192.0.2.0/24"}]}
        self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule | ranges])

    def new_profile(self) -> tuple[str, str]:
        """Make a role and a profile with it; return their ARNs."""
        name = f"instance-{next(_NUMBERS)}"
        service = {"Service": "ec2.amazonaws.com"}
        trust = document({"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"})
        role = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        made = self.iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Arn"]
        self.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
        return role, made

    def attach(self, profile: str) -> None:
        self.ec2.associate_iam_instance_profile(
            IamInstanceProfile={"Arn": profile}, InstanceId=self.name
        )

    def detach(self) -> None:
        for each in self._associations():
            self.ec2.disassociate_iam_instance_profile(AssociationId=each["AssociationId"])

    def replace_profile(self, profile: str) -> None:
        [held] = self._associations()
        self.ec2.replace_iam_instance_profile_association(
            IamInstanceProfile={"Arn": profile}, AssociationId=held["AssociationId"]
        )

    def add_interface(self) -> str:
        """Give the instance one more interface, in the first of its groups."""
        made: str = self.ec2.create_network_interface(
            SubnetId=self.subnet, Groups=self.earlier[:1]
        )["NetworkInterface"]["NetworkInterfaceId"]
        self.ec2.attach_network_interface(
            NetworkInterfaceId=made, InstanceId=self.name, DeviceIndex=1
        )
        return made

    def set_groups(self, interface: str, groups: list[str]) -> None:
        self.ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=groups)

    def reset(self) -> None:
        """Give the instance the state that it began with."""
        restoring = self.action.endswith(".restore")
        self.set_groups(self.interface, [self.isolation] if restoring else self.earlier)
        self.detach()
        if not restoring:
            self.attach(self.profile)

    def groups(self) -> dict[str, list[str]]:
        """Return the groups of each interface, asked by the administrator."""
        own = [{"Name": "attachment.instance-id", "Values": [self.name]}]
        found = self.ec2.describe_network_interfaces(Filters=own)["NetworkInterfaces"]
        return {
            each["NetworkInterfaceId"]: sorted(one["GroupId"] for one in each["Groups"])
            for each in found
        }

    def held(self) -> list[str]:
        """Return the profiles that the instance has, asked by the administrator."""
        return [each["IamInstanceProfile"]["Arn"] for each in self._associations()]

    def _associations(self) -> list[dict[str, Any]]:
        own = [{"Name": "instance-id", "Values": [self.name]}]
        found: list[dict[str, Any]] = self.ec2.describe_iam_instance_profile_associations(
            Filters=own
        )["IamInstanceProfileAssociations"]
        return found

    @property
    def parameters(self) -> dict[str, Json]:
        return self._parameters

    @property
    def target(self) -> dict[str, Json]:
        return {
            "kind": "aws.instance", "account": moto.ACCOUNT, "region": REGION, "instance": self.name
        }  # fmt: skip

    @property
    def gone(self) -> dict[str, Json]:
        return {**self.target, "instance": "i-0123456789abcdef0"}

    def toml(self, port: int | None = None) -> str:
        text = super().toml(port)
        named = ", ".join(f'"{each}"' for each in self.isolation_groups)
        return f"{text}isolation_groups = [{named}]\n" if named else text

    def resources_of(self, line: dict[str, Any]) -> list[str]:
        at, given = f"arn:aws:ec2:{REGION}:{moto.ACCOUNT}", line["parameters"]
        if not line["call"].startswith("ec2:Modify"):
            return [f"{at}:instance/{self.name}"]
        groups = [given[name] for name in given if name.startswith("SecurityGroupId.")]
        interface = f"{at}:network-interface/{given['NetworkInterfaceId']}"
        attached = f"{at}:instance/{self.name}"
        return [interface, *(f"{at}:security-group/{each}" for each in groups), attached]

    def look(self) -> object:
        return self.groups(), self.held()

    def lines(self) -> list[dict[str, Any]]:
        """Return the portal's changing calls since this world began: one test runs at a time."""
        return [
            line
            for line in self.moto.lines()[self._begins :]
            if line["key"] != moto.ADMIN["id"] and line["call"].startswith(CHANGING)
        ]
