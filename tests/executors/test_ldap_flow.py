"""A misused LDAP account from the report to its lock at a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.executors.flow import Rotation
from tests.executors.ldap import LOCK, LdapPlace, LdapWorld
from tests.executors.slapd import LDAPException


class Locked(Rotation):
    """One step: the account locked."""

    ldap: LdapWorld

    def begin(self, ldap: LdapWorld) -> None:
        self.ldap, self.order = ldap, "none"
        path = ldap.directory / "targets.toml"
        path.write_text(ldap.toml(), encoding="utf-8")
        self.identity = ldap.target
        self.steps = [{"action": "ldap.account.lock", "target": ldap.target, "parameters": {}}]
        self.at(path, ldap.target, consumers=["cart"])


@pytest.fixture
def world(
    db: None,
    tmp_path: Path,
    settings: Settings,
    ldap_place: LdapPlace,
    django_capture_on_commit_callbacks: object,
) -> Iterator[Locked]:
    (tmp_path / "ldap").mkdir()
    ldap = LdapWorld("ldap.account.lock", tmp_path / "ldap", ldap_place)
    made = Locked(tmp_path, settings, (ldap.name,), "production")
    made.begin(ldap)
    yield made
    ldap.close()


def test_a_misused_account_is_locked_after_people_decided(world: Locked) -> None:
    ldap = world.ldap
    proposal_id = world.in_review()
    assert ldap.changes() == 0 and ldap.locked_at() == ""
    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert (ldap.locked_at(), ldap.changes()) == (LOCK, 1)
    with pytest.raises(LDAPException):
        ldap.connect()
