"""Strange answers and odd names: an instance that is not surely the approved one is left alone.

moto, simulated; answers that it never gives are played.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from remediation.domain import traces
from remediation.domain.errors import BadValue, TargetUnobservable
from remediation.executors import aws_client, aws_instance_look
from remediation.executors.errors import NotApplied
from remediation.executors.run import run_apply, run_observe, run_traces
from remediation.executors.section import TargetsFileInvalid
from tests.executors import moto
from tests.executors.aws_instances import InstanceWorld
from tests.executors.contract import clearance, make_plan
from tests.executors.test_aws_trail import Answers

ISOLATE = "aws.instance.isolate"


@pytest.fixture
def world(simulator: moto.Moto, tmp_path: Path) -> InstanceWorld:
    return InstanceWorld(ISOLATE, tmp_path, simulator)


def is_untouched(world: InstanceWorld) -> bool:
    return world.groups()[world.interface] == world.earlier and not world.lines()


def play(monkeypatch: pytest.MonkeyPatch, played: Mapping[str, Any]) -> None:
    def client_of(*args: Any, **more: Any) -> Answers:
        return Answers(aws_client.client_of(*args, **more), played)

    monkeypatch.setattr(aws_instance_look, "client_of", client_of)


def test_an_instance_of_another_account_and_a_managed_interface_are_refused(
    world: InstanceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = world.ec2.describe_instances(InstanceIds=[world.name])
    answer["Reservations"][0]["OwnerId"] = moto.OTHER_ACCOUNT
    with monkeypatch.context() as only:
        play(only, {"describe_instances": answer})
        with pytest.raises(TargetUnobservable, match="another account"):
            run_observe(world.step, world.targets())
    own = [{"Name": "attachment.instance-id", "Values": [world.name]}]
    interfaces = world.ec2.describe_network_interfaces(Filters=own)
    interfaces["NetworkInterfaces"][0] |= {
        "RequesterManaged": True,
        "Ipv6Addresses": [{"Ipv6Address": "2001:db8::7"}, {"Ipv6Address": "<b>"}],
    }
    play(monkeypatch, {"describe_network_interfaces": interfaces})
    shown = run_observe(world.step, world.targets()).shown
    assert isinstance(shown["network_addresses"], list)
    assert "2001:db8::7" in shown["network_addresses"] and "<b>" not in shown["network_addresses"]
    with pytest.raises(NotApplied, match="manages an interface"):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert is_untouched(world)


def test_an_interface_with_branches_is_not_taken_for_the_whole(
    world: InstanceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Branch interfaces are attached to no instance, and have groups of their own."""
    own = [{"Name": "attachment.instance-id", "Values": [world.name]}]
    interfaces = world.ec2.describe_network_interfaces(Filters=own)
    interfaces["NetworkInterfaces"][0]["InterfaceType"] = "trunk"
    play(monkeypatch, {"describe_network_interfaces": interfaces})
    with pytest.raises(NotApplied, match="branches of a trunk"):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert is_untouched(world)


def test_what_it_was_is_on_record_without_its_user_data(world: InstanceWorld) -> None:
    scaling = {"Key": "aws:autoscaling:groupName", "Value": "orders <b>\n" + "x" * 300}
    hostile = {"Key": "note", "Value": "AKIAIOSFODNN7EXAMPLE\u202e"}
    world.ec2.create_tags(Resources=[world.name], Tags=[hostile])
    answer = world.ec2.describe_instances(InstanceIds=[world.name])
    answer["Reservations"][0]["Instances"][0]["Tags"].append(scaling)
    with pytest.MonkeyPatch.context() as only:
        play(only, {"describe_instances": answer})
        seen = run_observe(world.step, world.targets())
        found = traces.kept(run_traces(world.step, world.targets()))
    assert len(str(seen.shown["auto_scaling"])) == aws_instance_look.LONGEST
    text = json.dumps(found)
    assert "user-data" not in text and "team=orders" in text
    assert "\u202e" not in str(found["tags"])
    [one], [interface] = found["instances"], found["interfaces"]  # type: ignore[misc]
    assert isinstance(one, dict) and isinstance(interface, dict)
    assert one["image"] and one["launched"] and one["profile"] == world.profile
    assert interface["interface"] == world.interface and interface["network_addresses"]
    assert [each.split()[0] for each in interface["groups"]] == world.earlier  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "played",
    [
        {"describe_instances": {"Reservations": []}},
        {"describe_network_interfaces": {"NetworkInterfaces": []}},
        {"describe_security_groups": {"SecurityGroups": [], "NextToken": "more"}},
        {"describe_iam_instance_profile_associations": {}},
        {
            "describe_iam_instance_profile_associations": {
                "IamInstanceProfileAssociations": [
                    {
                        "AssociationId": "a", "InstanceId": "i-00000000", "State": "associated",
                        "IamInstanceProfile": {"Arn": "arn:aws:iam::1:instance-profile/<b>"},
                    }
                ]
            }
        },
    ],
)  # fmt: skip
def test_a_strange_answer_is_no_observation(
    world: InstanceWorld, monkeypatch: pytest.MonkeyPatch, played: dict[str, Any]
) -> None:
    play(monkeypatch, played)
    with pytest.raises(TargetUnobservable):
        run_observe(world.step, world.targets())
    with pytest.raises(NotApplied):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert is_untouched(world)


def test_names_that_ec2_does_not_have_are_refused(world: InstanceWorld) -> None:
    for odd in ("i-0123", "i-0123456789ABCDEF0", "i-0123456789abcdef0\n", "../i-01234567"):
        with pytest.raises(BadValue):
            make_plan(ISOLATE, {**world.target, "instance": odd}, world.parameters)
    world.isolation_groups = ["sg-12345678", "default"]
    with pytest.raises(TargetsFileInvalid, match="ids of the form sg-"):
        world.targets()
