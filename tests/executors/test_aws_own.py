"""The portal does not isolate the instance that it runs on."""

from __future__ import annotations

from pathlib import Path

import pytest

from remediation.domain.plan import parse_target
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets

ACCOUNT, OWN, OTHER = "123456789012", "i-0123456789abcdef0", "i-0fedcba9876543210"
SECTION = """\
[aws."{account}"]
region = "eu-central-1"
observe_access_key_id = "AKIAIOSFODNN7EXAMPLE"
observe_secret_access_key = "x"
operate_access_key_id = "AKIAI44QH8DHBEXAMPLE"
operate_secret_access_key_file = "x"
own_instances = [{own}]
"""


@pytest.mark.parametrize(("instance", "own"), [(OWN, True), (OTHER, False)])
def test_an_instance_that_the_operator_named_is_the_portals_own(
    tmp_path: Path, instance: str, own: bool
) -> None:
    target = {
        "kind": "aws.instance",
        "account": ACCOUNT,
        "region": "eu-central-1",
        "instance": instance,
    }
    assert load(tmp_path, f'"{OWN}"').is_own(parse_target(target)) is own


def test_what_is_no_id_of_an_instance_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetsFileInvalid, match="own_instances are at most 50 ids"):
        load(tmp_path, '"portal"')


def load(directory: Path, own: str) -> Targets:
    path = directory / "targets.toml"
    path.write_text(SECTION.format(account=ACCOUNT, own=own))
    return Targets.load(path, portal_system_identifier=None)
