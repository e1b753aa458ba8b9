"""The simulator: key ids in given accounts, real refusals, a log, a clean shutdown."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from boto3.session import Session
from botocore.exceptions import ClientError

from tests.executors import moto
from tests.executors.moto import ACCOUNT, OTHER_ACCOUNT, Moto, running

# From real CloudTrail records; moto would derive other accounts from these ids.
SEED = {
    "accounts": [
        {
            "account": ACCOUNT,
            "users": [{"user": "one", "keys": [{"id": "AKIATFQR7NSC8Q4X20BJ", "secret": "one"}]}],
            **moto.logins("1"),
        },
        {
            "account": OTHER_ACCOUNT,
            "users": [{"user": "two", "keys": [{"id": "AKIAAM80VXLJF8NPK4VC", "secret": "two"}]}],
            **moto.logins("2"),
        },
    ]
}


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Moto]:
    with running(tmp_path, SEED) as started:
        yield started


def client(simulator: Moto, key: str, secret: str, service: str = "iam") -> Any:
    session = Session(key, secret, region_name="eu-west-1")
    return session.client(service, endpoint_url=simulator.url)


def login(simulator: Moto, name: str, digit: str, service: str = "iam") -> Any:
    entry = moto.logins(digit)[name]
    return client(simulator, entry["id"], entry["secret"], service)


def test_each_key_is_in_its_own_account_under_its_given_id(simulator: Moto) -> None:
    for key, secret, account, user, digit in (
        ("AKIATFQR7NSC8Q4X20BJ", "one", ACCOUNT, "one", "1"),
        ("AKIAAM80VXLJF8NPK4VC", "two", OTHER_ACCOUNT, "two", "2"),
    ):
        identity = client(simulator, key, secret, "sts").get_caller_identity()
        assert identity["Arn"] == f"arn:aws:iam::{account}:user/{user}"
        listed = login(simulator, "observer", digit).list_access_keys(UserName=user)
        assert [entry["AccessKeyId"] for entry in listed["AccessKeyMetadata"]] == [key]
    with pytest.raises(ClientError, match="NoSuchEntity"):
        login(simulator, "observer", "1").list_access_keys(UserName="two")


def test_the_log_holds_every_call_with_time_caller_account_and_answer(simulator: Moto) -> None:
    login(simulator, "observer", "2").list_access_keys(UserName="two")
    with pytest.raises(ClientError):
        client(simulator, "AKIANOBODYKNOWSTHIS0", "x", "sts").get_caller_identity()
    first, second = simulator.lines()
    assert first.pop("at").endswith("Z")
    assert first == {
        "account": OTHER_ACCOUNT,
        "key": moto.logins("2")["observer"]["id"],
        "call": "iam:ListAccessKeys",
        "parameters": {"UserName": "two"},
        "status": 200,
        "simulated": True,
    }
    assert (second["account"], second["call"], second["status"]) == (
        "",
        "sts:GetCallerIdentity",
        403,
    )


def test_the_log_names_the_interface_and_every_group_of_a_change_in_ec2(tmp_path: Path) -> None:
    account = {"account": ACCOUNT, "users": [], "admin": moto.ADMIN, **moto.logins("1")}
    with running(tmp_path, {"accounts": [account]}) as simulator:
        ec2 = simulator.admin("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/24")["Subnet"]["SubnetId"]
        groups = [
            ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
            for name in ("one", "two")
        ]
        made = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
        interface = made["NetworkInterfaceId"]
        ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=groups)
        changed = simulator.lines()[-1]
        with pytest.raises(ClientError, match="AccessDenied"):
            login(simulator, "observer", "1", "ec2").modify_network_interface_attribute(
                NetworkInterfaceId=interface, Groups=groups[:1]
            )
    assert changed["call"] == "ec2:ModifyNetworkInterfaceAttribute"
    assert changed["parameters"] == {
        "NetworkInterfaceId": interface,
        "SecurityGroupId.1": groups[0],
        "SecurityGroupId.2": groups[1],
    }


def test_a_restart_keeps_what_was_changed(tmp_path: Path) -> None:
    with running(tmp_path, SEED) as first:
        login(first, "operator", "1").update_access_key(
            UserName="one", AccessKeyId="AKIATFQR7NSC8Q4X20BJ", Status="Inactive"
        )
        before = first.keys()
    with running(tmp_path, SEED) as second:
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            client(second, "AKIATFQR7NSC8Q4X20BJ", "one", "sts").get_caller_identity()
        assert second.keys() == before


def test_no_other_service_answers_and_authentication_cannot_be_switched_off(
    simulator: Moto,
) -> None:
    for path in ("/moto-api/reset", "/moto-api/reset-auth", "/"):
        request = urllib.request.Request(simulator.url + path, data=b"0", method="POST")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=5)
        assert refused.value.code == 403
        refused.value.close()
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        client(simulator, "AKIATFQR7NSC8Q4X20BJ", "one", "sns").list_topics()
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        client(simulator, "AKIATFQR7NSC8Q4X20BJ", "guessed", "sts").get_caller_identity()


def test_it_listens_on_one_loopback_address_and_ends_when_told(simulator: Moto) -> None:
    port = urlsplit(simulator.url).port or 0
    socket.create_connection(("127.0.0.1", port), 5).close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), 5)
    simulator.process.send_signal(signal.SIGTERM)
    assert simulator.process.wait(20) == 0


def test_a_key_that_is_seeded_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seed.json").write_text(
        json.dumps({"accounts": [{**account, **moto.logins("1")} for account in SEED["accounts"]]})
    )
    command = [sys.executable, "-m", "hitlportal.demo.servers.moto_server", "--port", "0", "--seed"]
    done = subprocess.run(
        [*command, tmp_path / "seed.json"],
        cwd=moto.ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode != 0 and "occurs twice" in done.stderr
