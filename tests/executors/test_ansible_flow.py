"""A playbook from the report to its effect, by the real Ansible on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from remediation import models as m
from tests.executors.ansible import AnsibleWorld
from tests.executors.flow import Rotation


class Played(Rotation):
    """One step: a playbook takes a key out of a file."""

    ansible: AnsibleWorld

    def begin(self, ansible: AnsibleWorld) -> None:
        self.ansible, self.order = ansible, "none"
        path = ansible.directory / "targets.toml"
        path.write_text(ansible.toml(), encoding="utf-8")
        self.identity = ansible.target
        self.steps = [
            {
                "action": ansible.action,
                "target": ansible.target,
                "parameters": ansible.parameters,
            }
        ]
        self.at(path, ansible.target, consumers=["pay"])


@pytest.fixture
def world(
    db: None, tmp_path: Path, settings: Settings, django_capture_on_commit_callbacks: object
) -> Iterator[Played]:
    (tmp_path / "ansible").mkdir()
    made = Played(tmp_path, settings, ("here",), "production")
    made.begin(AnsibleWorld(directory=tmp_path / "ansible"))
    yield made


def test_a_playbook_runs_after_people_saw_its_diff_and_is_seen_to_have_nothing_left(
    world: Played,
) -> None:
    ansible = world.ansible
    proposal_id = world.in_review()
    shown = m.Assessment.objects.filter(proposal=proposal_id).latest("pk").observation
    assert b"-ssh-ed25519 AAAA1 deploy-2024" in bytes(shown)
    world.decide("alice", proposal_id)
    assert ansible.changes() == 0
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert ansible.keys.read_text() == "ssh-ed25519 AAAA2 other\n"
    # Nobody looked at the identity itself.
    moves = m.IncidentTransition.objects.filter(incident=world.get(proposal_id).incident)
    assert "contained" not in moves.values_list("to_state", flat=True)
