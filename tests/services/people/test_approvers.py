"""The approvers file: changed atomically, by an operator who types the whole fingerprint."""

from __future__ import annotations

import fcntl
import os
import stat
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain.errors import (
    AlreadyExists,
    BadValue,
    NoSuchObject,
    PolicyUnavailable,
    Refused,
    RoleConflict,
    UnknownFingerprint,
    WrongState,
)
from remediation.domain.events import Event
from remediation.domain.gate.approvers import Approver, Approvers
from remediation.services import approvers_file
from remediation.services.actors import ProcessActor
from remediation.services.clock import database_now
from remediation.services.people import approvers
from tests import factories
from tests.conftest import AsLogin
from tests.factories import WEB, WORKER, Person
from tests.passkey import SoftPasskey

pytestmark = pytest.mark.django_db

OPERATOR = ProcessActor("operator:root@host")


def second_passkey(someone: Person) -> SoftPasskey:
    """Enrol another passkey of the person, as the web process does."""
    passkey = SoftPasskey.create()
    with factories.acting(WEB):
        m.PasskeyEnrolment.objects.create(
            person=someone.id,
            credential_id=passkey.credential_id,
            cose_key=passkey.cose_key,
            entry=factories.entry(Event.PERSON_PASSKEY_ENROLLED, someone.actor, someone.actor),
        )
    return passkey


def person(name: str = "alice", *roles: str, **said: Any) -> Person:
    return factories.person(name, roles=roles or ["security"], **said)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "approvers.json"


def add(path: Path, someone: Person, **said: Any) -> Approver:
    call = {
        "actor": OPERATOR,
        "path": path,
        "username": someone.user.username,
        "key": someone.passkey.fingerprint,
        "roles": ("security",),
    }
    with factories.acting(WORKER):
        return approvers.add(**{**call, **said})


def remove(path: Path, username: str, **said: Any) -> list[Approver]:
    with factories.acting(WORKER):
        return approvers.remove(actor=OPERATOR, path=path, username=username, **said)


def approving(path: Path) -> list[Approver]:
    """Return who may approve now."""
    now = datetime.now(UTC)
    return [entry for entry in approvers_file.load(path).entries if entry.valid(now)]


def entries() -> list[Any]:
    return [
        e.data
        for e in Entry.objects.order_by("id")
        if e.data["action"].startswith("operator:approver")
    ]


# ---- adding --------------------------------------------------------------------------------------


def test_an_entry_holds_what_the_gate_needs(path: Path, settings: Settings) -> None:
    alice = person()
    before = database_now()
    add(path, alice, roles=("security", "service_owner"))

    (entry,) = approvers_file.load(path).entries
    assert entry.person == str(alice.id)
    assert entry.key == alice.passkey.cose_key
    assert entry.fingerprint == alice.passkey.fingerprint
    assert (entry.rp_id, entry.origin) == (settings.RP_ID, settings.ORIGIN)
    assert entry.roles == ("security", "service_owner")
    assert before <= entry.since <= database_now()
    assert entry.until is None


def test_the_entry_of_the_log_names_the_whole_entry_of_the_file(path: Path) -> None:
    alice = person()
    added = add(path, alice)
    (entry,) = entries()
    assert (entry["action"], entry["actor"]) == ("operator:approver:added", OPERATOR.ref)
    assert entry["object"] == f"person:{alice.id}"
    known = {**added.to_json(), "fingerprint": added.fingerprint}
    del known["person"]
    assert entry["data"] == known


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    add(path, person())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == [path.name]


def test_a_groups_right_to_read_is_kept_and_nobody_else_gets_it(path: Path) -> None:
    add(path, person())
    path.chmod(0o640)
    add(path, person("bob"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o644)
    add(path, person("carol"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("spelled", [str.upper, lambda f: f.replace(" ", ""), lambda f: f" {f} "])
def test_a_fingerprint_is_read_in_any_grouping(path: Path, spelled: Any) -> None:
    alice = person()
    add(path, alice, key=spelled(alice.passkey.fingerprint))


def test_a_mistyped_fingerprint_is_refused(path: Path) -> None:
    alice = person()
    right = alice.passkey.fingerprint
    wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
    with pytest.raises(UnknownFingerprint):
        add(path, alice, key=wrong)
    assert not path.exists()
    assert entries() == []


@pytest.mark.parametrize("length", [0, 4, 31, 33])
def test_a_part_of_a_fingerprint_is_refused(path: Path, length: int) -> None:
    alice = person()
    key = (alice.passkey.fingerprint.replace(" ", "") + "0")[:length]
    with pytest.raises(BadValue):
        add(path, alice, key=key)


def test_a43_the_passkey_of_another_person_is_refused(path: Path) -> None:
    """An attacker with write access enrols a key; the operator typed another person's name."""
    alice, mallory = person(), person("mallory")
    with pytest.raises(UnknownFingerprint):
        add(path, alice, key=mallory.passkey.fingerprint)


def test_a_key_nobody_enrolled_is_refused(path: Path) -> None:
    alice = person()
    with pytest.raises(UnknownFingerprint):
        add(path, alice, key=SoftPasskey.create().fingerprint)


def test_one_person_may_have_two_passkeys_each_listed_once(path: Path) -> None:
    alice = person()
    second = second_passkey(alice)
    add(path, alice)
    add(path, alice, key=second.fingerprint, roles=("service_owner",))
    assert [e.roles for e in approvers_file.load(path).entries] == [
        ("security",),
        ("service_owner",),
    ]
    with pytest.raises(AlreadyExists):
        add(path, alice)
    assert len(entries()) == 2


@pytest.mark.parametrize("roles", [(), ("auditor",), ("security", "security"), ("any",)])
def test_an_unknown_or_repeated_role_is_refused(path: Path, roles: tuple[str, ...]) -> None:
    with pytest.raises(BadValue):
        add(path, person(), roles=roles)


def test_an_end_in_the_past_is_refused(path: Path) -> None:
    alice = person()
    with pytest.raises(BadValue):
        add(path, alice, until=datetime.now(UTC) - timedelta(hours=1))
    until = datetime(2099, 1, 31, tzinfo=UTC)
    assert add(path, alice, until=until).until == until


@pytest.mark.parametrize("power", ["agent_admin", "user_admin"])
def test_a11_an_account_that_administers_is_not_added(path: Path, power: str) -> None:
    """Also when the groups were written around the service that refuses it."""
    with pytest.raises(RoleConflict):
        add(path, person("both", "security", power))
    assert not path.exists()


def test_a13_a_superuser_is_not_added(path: Path) -> None:
    alice = person()
    m.User.objects.filter(pk=alice.user.pk).update(is_superuser=True)
    with pytest.raises(RoleConflict):
        add(path, alice)


def test_an_inactive_or_unknown_account_is_not_added(path: Path) -> None:
    with pytest.raises(WrongState):
        add(path, person("gone", active=False))
    alice = person()
    with pytest.raises(NoSuchObject):
        add(path, alice, username="nobody")


# ---- removing ------------------------------------------------------------------------------------


def test_one_entry_is_removed_or_all_of_a_person(path: Path) -> None:
    alice, bob = person(), person("bob", "service_owner")
    second = second_passkey(alice)
    third = second_passkey(alice)
    add(path, bob)
    for key in (alice.passkey, second, third):
        add(path, alice, key=key.fingerprint)

    gone = remove(path, "alice", key=second.fingerprint)
    assert [e.fingerprint for e in gone] == [second.fingerprint]
    assert len(remove(path, "alice")) == 2

    assert [e.person for e in approving(path)] == [str(bob.id)]
    removed = [e for e in entries() if e["action"] == "operator:approver:removed"]
    assert [e["data"]["fingerprint"] for e in removed] == [
        second.fingerprint,
        alice.passkey.fingerprint,
        third.fingerprint,
    ]


def test_removing_an_unknown_entry_is_refused(path: Path) -> None:
    add(path, person())
    person("bob")
    for username, key in (("bob", ""), ("alice", SoftPasskey.create().fingerprint)):
        with pytest.raises(UnknownFingerprint):
            remove(path, username, key=key)
    with pytest.raises(NoSuchObject):
        remove(path, "nobody")
    assert len(approvers_file.load(path).entries) == 1


def test_entries_of_an_account_that_is_gone_are_removed_by_the_opaque_person(path: Path) -> None:
    alice = person()
    add(path, alice)
    m.User.objects.filter(pk=alice.user.pk).update(username="renamed")
    assert len(remove(path, str(alice.id))) == 1
    assert approving(path) == []


def test_an_ended_entry_stays_and_verifies_what_was_signed_before(path: Path) -> None:
    alice = person()
    added = add(path, alice)
    remove(path, "alice")
    (kept,) = approvers_file.load(path).entries
    assert kept.valid(added.since)
    assert not kept.valid(datetime.now(UTC))
    with pytest.raises(UnknownFingerprint):
        remove(path, "alice")


def test_a_passkey_whose_entry_ended_can_be_added_again(path: Path) -> None:
    alice = person()
    add(path, alice)
    remove(path, "alice")
    add(path, alice)
    assert [e.person for e in approving(path)] == [str(alice.id)]


# ---- the file ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_approves_nothing(path: Path, mode: int) -> None:
    add(path, person())
    path.chmod(mode)
    with pytest.raises(PolicyUnavailable, match="written by"):
        approvers_file.load(path)
    with pytest.raises(PolicyUnavailable):
        add(path, person("bob"))


def test_a_doubtful_file_is_neither_read_nor_changed(path: Path) -> None:
    path.write_bytes(b'{"type": "hitlportal-approvers/v1", "approvers": [')
    with pytest.raises(PolicyUnavailable):
        approvers_file.load(path)
    with pytest.raises(PolicyUnavailable):
        add(path, person())
    assert path.read_bytes().endswith(b"[")


def test_a_missing_file_or_directory_is_named(path: Path) -> None:
    with pytest.raises(PolicyUnavailable, match="No such file"):
        approvers_file.load(path)
    with pytest.raises(PolicyUnavailable, match="No such file"):
        add(path.parent / "nowhere" / "approvers.json", person())


def test_a51_without_its_entry_the_file_stays_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(path, person())
    before = path.read_bytes()
    bob = person("bob")

    def broken(**_: Any) -> None:
        raise Refused("the log is gone")

    monkeypatch.setattr("remediation.services.people.approvers.log.append", broken)
    with pytest.raises(Refused):
        add(path, bob)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_the_entry_is_committed_before_the_file_changes(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between the two leaves an entry without effect; repeating the command repairs it."""
    alice = person()

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("remediation.services.people.approvers.os.replace", crash)
        # The command runs without a surrounding transaction, and so does this test.
        with pytest.raises(KeyboardInterrupt):
            approvers.add(
                actor=OPERATOR,
                path=path,
                username="alice",
                key=alice.passkey.fingerprint,
                roles=("security",),
            )
    assert len(entries()) == 1
    assert os.listdir(path.parent) == []
    add(path, alice)
    assert len(approvers_file.load(path).entries) == 1


def test_a_reader_never_sees_a_partial_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the new content is written, the old file stays whole and no second operator writes."""
    add(path, person())
    bob = person("bob", "service_owner")
    seen: list[int] = []
    write = approvers_file.write_beside

    def looking(target: Path, content: bytes) -> Path:
        written = write(target, content)
        seen.append(len(Approvers.parse(path.read_bytes()).entries))
        directory = os.open(path.parent, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(directory)
        return written

    monkeypatch.setattr(approvers_file, "write_beside", looking)
    add(path, bob)
    assert seen == [1]
    assert len(approvers_file.load(path).entries) == 2


def test_a43_the_web_login_cannot_run_it(path: Path) -> None:
    alice = person()
    with pytest.raises(DatabaseError, match="may not write"), factories.acting(WEB):
        approvers.add(
            actor=OPERATOR,
            path=path,
            username="alice",
            key=alice.passkey.fingerprint,
            roles=("security",),
        )
    assert not path.exists()


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def host(settings: Settings, path: Path) -> Path:
    settings.PROCESS = "worker"
    settings.APPROVERS_FILE = str(path)
    return path


def run(as_login: AsLogin, *arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    with as_login(WORKER):
        call_command("approver", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_command_adds_lists_and_removes(as_login: AsLogin, host: Path) -> None:
    alice = person()
    fingerprint = alice.passkey.fingerprint
    out, err = run(
        as_login, "add", "alice", "--key", *fingerprint.split(), "--role", "security",
        "--until", "2099-01-31",
    )  # fmt: skip
    assert out.startswith(f"added: alice  {fingerprint}  security  since 20")
    assert "until 2099-01-31T00:00:00Z" in out
    assert err == ""
    assert run(as_login, "list")[0].startswith(f"alice  {fingerprint}  security")
    out, _ = run(as_login, "remove", "alice", "--key", fingerprint)
    assert out.startswith(f"removed: alice  {fingerprint}")
    assert " until 20" in run(as_login, "list")[0]


def test_the_command_says_when_the_database_takes_the_role_away(
    as_login: AsLogin, host: Path
) -> None:
    alice = person()
    _, err = run(
        as_login, "add", "alice", "--key", alice.passkey.fingerprint,
        "--role", "security", "--role", "service_owner",
    )  # fmt: skip
    assert "alice cannot approve yet: not in the group service_owner" in err


def test_a_refusal_of_the_command_is_on_record(as_login: AsLogin, host: Path) -> None:
    person()
    with pytest.raises(CommandError, match="unknown_fingerprint"):
        run(as_login, "add", "alice", "--key", "0" * 32, "--role", "security")
    entry: Any = Entry.objects.order_by("-id")[0].data
    assert entry["action"] == "operator:request:refused"
    assert entry["data"]["refusal"] == "unknown_fingerprint"


def test_the_command_names_an_unknown_role_and_a_missing_file(
    as_login: AsLogin, settings: Settings, host: Path
) -> None:
    with pytest.raises(CommandError, match="invalid choice"):
        run(as_login, "add", "alice", "--key", "0" * 32, "--role", "root")
    with pytest.raises(CommandError, match="policy_unavailable"):
        run(as_login, "list")
    settings.APPROVERS_FILE = ""
    with pytest.raises(CommandError, match="HITL_APPROVERS_FILE"):
        run(as_login, "list")


def test_the_web_process_has_no_such_command(as_login: AsLogin, settings: Settings) -> None:
    settings.PROCESS = "web"
    with pytest.raises(CommandError, match="HITL_PROCESS=worker"):
        run(as_login, "list")
