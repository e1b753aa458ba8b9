"""The store of files, on real files with real accounts."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors.base import Deadline
from remediation.executors.secret import SecretValue
from remediation.executors.stores.file import FileStore
from remediation.executors.stores.store import (
    Staged,
    StoreUnavailable,
)

FIRST, SECOND = "hitl-0123456789ab-0", "hitl-ba9876543210-1"
PATH = "orders/database"
OLD, NEW = SecretValue({"password": "old-password"}), SecretValue({"password": "new-password"})


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    directory = tmp_path / "credentials"
    directory.mkdir(mode=0o711)
    return FileStore("apps", directory, mode=0o440)


def soon() -> Deadline:
    return Deadline.within(20)


def deliver(store: FileStore, given: Clearance, version: str, value: SecretValue) -> None:
    store.stage(given, PATH, Staged(version, "proposal"), value, soon())
    store.promote(given, PATH, version, soon())


def read(store: FileStore) -> str:
    """Return what a consumer reads."""
    return (store.directory / PATH / "current" / "password").read_text()


def test_a_directory_that_others_can_write_is_not_used(store: FileStore, given: Clearance) -> None:
    store.directory.chmod(0o775)
    with pytest.raises(StoreUnavailable, match="nobody else may write"):
        store.stage(given, PATH, Staged(FIRST, "p"), NEW, soon())
    with pytest.raises(TargetUnobservable, match="nobody else may write"):
        store.look(PATH)


def test_an_empty_or_missing_version_is_not_promoted(store: FileStore, given: Clearance) -> None:
    deliver(store, given, FIRST, OLD)
    (store.directory / PATH / "staged").symlink_to(f"versions/{SECOND}")
    found = store.read_staged(given, PATH, soon())
    assert found is not None and found[0] == Staged(SECOND, "") and found[1].is_empty
    with pytest.raises(StoreUnavailable, match="empty"):
        store.promote(given, PATH, SECOND, soon())
    assert read(store) == "old-password"


def test_the_previous_version_can_come_back_and_older_ones_are_deleted(
    store: FileStore, given: Clearance
) -> None:
    third = "hitl-cccccccccccc-0"
    for version, value in ((FIRST, OLD), (SECOND, NEW), (third, SecretValue({"password": "3"}))):
        deliver(store, given, version, value)
    versions = (each.name for each in (store.directory / PATH / "versions").iterdir())
    assert {name.partition(".")[0] for name in versions} == {SECOND, third}
    store.promote(given, PATH, SECOND, soon())
    assert read(store) == "new-password"


def test_a_path_cannot_leave_the_place_or_use_its_links(store: FileStore, given: Clearance) -> None:
    for path in ("orders/current", "versions/a", "staged"):
        with pytest.raises(StoreUnavailable, match="reserved"):
            store.stage(given, path, Staged(FIRST, "p"), NEW, soon())
    with pytest.raises(StoreUnavailable):
        store.stage(given, PATH, Staged(FIRST, "p"), SecretValue({"../x": "12345678"}), soon())


def test_a_file_that_is_no_text_is_not_quoted(store: FileStore, given: Clearance) -> None:
    store.stage(given, PATH, Staged(FIRST, "p"), NEW, soon())
    held = store.directory / PATH / "staged" / "password"
    held.chmod(0o600)
    held.write_bytes(b"\xffsecret")
    with pytest.raises(StoreUnavailable) as caught:
        store.read_staged(given, PATH, soon())
    assert "secret" not in str(caught.value) and caught.value.__cause__ is None


def _as(account: str, *command: str | Path) -> int:
    """Return the exit code of a command that another account runs."""
    return subprocess.run(
        [str(part) for part in command], user=account, group="nogroup", extra_groups=[],
        capture_output=True, check=False, cwd="/",
    ).returncode  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another account")
def test_the_consumers_account_can_read_and_nobody_else_and_it_cannot_write(
    given: Clearance,
) -> None:
    directory = Path("/var/lib") / f"hitlportal-store-{os.getpid()}"
    directory.mkdir(mode=0o711)
    try:
        store = FileStore("apps", directory, owner="nobody", mode=0o400)
        deliver(store, given, FIRST, OLD)
        file = directory / PATH / "current" / "password"
        assert stat.S_IMODE(file.stat().st_mode) == 0o400
        assert store.look(PATH).fetched_at is None
        assert _as("daemon", "cat", file) == 1
        time.sleep(0.02)  # the kernel's clock for files has ticks of 4 ms
        assert _as("nobody", "cat", file) == 0
        if not os.statvfs(directory).f_flag & os.ST_NOATIME:
            assert store.look(PATH).fetched_at is not None
        assert _as("nobody", "ls", directory / PATH / "versions") != 0
        for command in (("touch", file.parent / "new"), ("rm", file), ("sh", "-c", f">{file}")):
            assert _as("nobody", *command) != 0, command
    finally:
        shutil.rmtree(directory)
