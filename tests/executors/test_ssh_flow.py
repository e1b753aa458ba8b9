"""A leaked SSH key from the report to its removal at a real sshd, and back by a reversal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from remediation.services.execution import reverse_run
from tests.executors.flow import Rotation
from tests.executors.ssh import SshPlace, SshWorld
from tests.factories import WEB
from tests.flows.world import acts


class TakenOut(Rotation):
    """One step: the key out of its files, and its sessions ended."""

    ssh: SshWorld

    def begin(self, ssh: SshWorld) -> None:
        self.ssh, self.order = ssh, "none"
        path = ssh.directory / "targets.toml"
        path.write_text(ssh.toml(), encoding="utf-8")
        self.identity = ssh.target
        self.steps = [
            {
                "action": "ssh.authorized_key.remove",
                "target": ssh.target,
                "parameters": {"end_sessions": True},
            }
        ]
        self.at(path, ssh.target, consumers=["ci"])


@pytest.fixture
def world(
    db: None,
    tmp_path: Path,
    settings: Settings,
    ssh_place: SshPlace,
    django_capture_on_commit_callbacks: object,
) -> Iterator[TakenOut]:
    (tmp_path / "ssh").mkdir()
    ssh_place.configure()
    ssh = SshWorld("ssh.authorized_key.remove", tmp_path / "ssh", ssh_place)
    made = TakenOut(tmp_path, settings, (ssh.pair.fingerprint,), "production")
    made.begin(ssh)
    yield made


def test_a_leaked_key_is_taken_out_after_people_decided_and_put_back_by_others(
    world: TakenOut,
) -> None:
    ssh = world.ssh
    world.approve_keys_of("alice", "bob", "mallory")
    held = ssh.place.connect(ssh.pair)
    first = world.in_review()
    assert ssh.changes() == 0 and held.get_transport().is_active()
    world.decide("alice", first)
    world.decide("bob", first)
    world.execute(first)
    assert world.state_of(first) == "succeeded", world.phases(first)
    assert ssh.pair.line.encode() not in ssh.place.files[0].read_bytes()
    assert not ssh.place.lets_in(ssh.pair) and ssh.place.lets_in(ssh.other)
    held.get_transport().join(10)
    assert not held.get_transport().is_active()
    held.close()

    with acts(WEB):
        why = "It belongs to the nightly build."
        back = reverse_run.propose(actor=world.people["alice"].user, proposal_id=first, reason=why)
    world.assess(back)
    world.decide("mallory", back)
    world.execute(back)
    assert not ssh.place.lets_in(ssh.pair)
    world.decide("bob", back)
    world.execute(back)
    assert world.state_of(back) == "succeeded", world.phases(back)
    assert ssh.place.files[0].read_bytes() == ssh.before and ssh.place.lets_in(ssh.pair)
    # The log of sshd names the operator's key once for each of the two changes.
    assert ssh.changes() == 2
