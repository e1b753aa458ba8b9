"""No server has two names in the targets file."""

from __future__ import annotations

from pathlib import Path

import pytest

from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets

LOGINS = {
    "kubernetes": 'observe_token_file = "a"\noperate_token_file = "b"\nserver = "{}"',
    "rabbitmq": (
        'observe_user = "a"\noperate_user = "b"\nobserve_password_file = "a"\n'
        'operate_password_file = "b"\nurl = "{}"'
    ),
    "valkey": (
        'observe_user = "a"\noperate_user = "b"\nobserve_password_file = "a"\n'
        'operate_password_file = "b"\nnodes = ["{}"]'
    ),
    "openbao": 'observe_token_file = "a"\noperate_token_file = "b"\naddress = "{}"',
}
FORMS = [
    ("{}127.0.0.1:8443", "{}localhost:8443"),
    ("{}[::1]:8443", "{}127.0.0.2:8443"),
]


@pytest.mark.parametrize("provider", LOGINS)
@pytest.mark.parametrize(("first", "second"), FORMS)
def test_two_names_for_one_server_are_refused(
    tmp_path: Path, provider: str, first: str, second: str
) -> None:
    """A lease is held by name: by two names two runs would work on one target at once."""
    scheme = "" if provider == "valkey" else "http://"
    with pytest.raises(TargetsFileInvalid, match="one and two lead to the same server"):
        load(tmp_path, provider, first.format(scheme), second.format(scheme))


@pytest.mark.parametrize("provider", LOGINS)
def test_two_servers_of_one_host_are_two(tmp_path: Path, provider: str) -> None:
    scheme = "" if provider == "valkey" else "http://"
    load(tmp_path, provider, f"{scheme}127.0.0.1:8443", f"{scheme}127.0.0.1:8444")


def test_a_name_and_the_default_port_are_compared_as_they_are_reached(tmp_path: Path) -> None:
    ca = '"\nca_file = "ca.pem'
    with pytest.raises(TargetsFileInvalid, match="lead to the same server"):
        load(
            tmp_path, "rabbitmq", f"https://Broker.example{ca}", f"https://broker.example.:443{ca}"
        )


def load(directory: Path, provider: str, *addresses: str) -> Targets:
    path = directory / "targets.toml"
    path.write_text(
        "".join(
            f"[{provider}.{name}]\n{LOGINS[provider].format(address)}\n"
            for name, address in zip(("one", "two"), addresses, strict=True)
        )
    )
    return Targets.load(path, portal_system_identifier=None)
