"""The worker's two files are parsed again only when they may have changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from remediation.domain.errors import PolicyUnavailable, TargetUnobservable
from remediation.domain.gate.approvers import Approvers
from remediation.services import host_files

LONG_AGO = 1_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "file"
    found.write_bytes(b"one")
    return found


class Reader:
    """Count how often the file was parsed."""

    def __init__(self, path: Path) -> None:
        self.path, self.kept, self.times = path, host_files._Kept[bytes](), 0

    def get(self, *settings: object) -> bytes:
        return self.kept.get(self.path, self.parse, *settings)

    def parse(self) -> bytes:
        self.times += 1
        return self.path.read_bytes()


def at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every file look unchanged for a day."""
    import time

    now = time.time()
    monkeypatch.setattr(host_files.time, "time", lambda: now + 86_400)


def test_an_unchanged_file_is_parsed_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_rest(monkeypatch)
    reader = Reader(path)
    assert [reader.get() for _ in range(3)] == [b"one"] * 3
    assert reader.times == 1


def test_a_file_that_was_just_written_is_not_cached(path: Path) -> None:
    reader = Reader(path)
    assert reader.get() == b"one"
    assert reader.get() == b"one"
    assert reader.times == 2


def replace(path: Path) -> None:
    beside = path.with_name("beside")
    beside.write_bytes(b"two")
    beside.replace(path)


def rewrite(path: Path) -> None:
    path.write_bytes(b"two")


def rewrite_and_set_back(path: Path) -> None:
    before = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [replace, rewrite, rewrite_and_set_back])
def test_a_change_of_the_same_length_is_seen_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    os.utime(path, (LONG_AGO, LONG_AGO))
    at_rest(monkeypatch)
    reader = Reader(path)
    assert reader.get() == b"one"
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:  # the kernel's tick: 4 ms at the most
        change(path)
    assert reader.get() == b"two"


def test_a_file_that_cannot_be_parsed_is_not_cached(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_rest(monkeypatch)
    kept = host_files._Kept[bytes]()

    def refuse() -> bytes:
        raise ValueError("in doubt")

    assert kept.get(path, lambda: b"one") == b"one"
    path.chmod(0o600 if path.stat().st_mode & 0o077 else 0o640)
    for _ in range(2):
        with pytest.raises(ValueError, match="in doubt"):
            kept.get(path, refuse)


def test_another_setting_parses_the_file_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_rest(monkeypatch)
    reader = Reader(path)
    reader.get(frozenset({"portal"}))
    reader.get(frozenset({"portal", "other"}))
    assert reader.times == 2


def test_a_missing_file_approves_and_observes_nothing(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_rest(monkeypatch)
    monkeypatch.setattr(host_files, "portal_system_identifier", lambda: 1)
    approvers, targets = tmp_path / "approvers.json", tmp_path / "targets.toml"
    approvers.write_bytes(Approvers(()).dump())
    targets.write_text("", encoding="utf-8")
    settings.APPROVERS_FILE, settings.TARGETS_FILE = str(approvers), str(targets)
    assert host_files.approvers() is host_files.approvers()
    assert host_files.targets() is host_files.targets()
    approvers.unlink()
    targets.unlink()
    with pytest.raises(PolicyUnavailable):
        host_files.approvers()
    with pytest.raises(TargetUnobservable):
        host_files.targets()
