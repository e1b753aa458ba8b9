"""What every store does: files, a real OpenBao, and Secrets Manager SIMULATED by moto."""

from __future__ import annotations

import time
from typing import cast

import pytest

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors.base import Deadline
from remediation.executors.errors import ClearanceRefused
from remediation.executors.secret import SecretValue
from remediation.executors.stores.store import (
    PromotedByOther,
    Staged,
    StagedByOther,
    StoreUnavailable,
)
from tests.executors.stores.worlds import StoreWorld

FIRST, SECOND, THIRD = (f"hitl-{digit * 12}-{n}" for n, digit in enumerate("abc"))
OLD, NEW = SecretValue({"password": "old-password"}), SecretValue({"password": "new-password"})


def soon() -> Deadline:
    return Deadline.within(20)


def deliver(kept: StoreWorld, given: Clearance, version: str, value: SecretValue) -> None:
    kept.store.stage(given, kept.path, Staged(version, "proposal"), value, soon())
    kept.store.promote(given, kept.path, version, soon())


def test_nothing_is_changed_or_read_without_a_clearance(kept: StoreWorld) -> None:
    none, store, path = cast("Clearance", None), kept.store, kept.path
    for call in (
        lambda: store.stage(none, path, Staged(FIRST, "p"), NEW, soon()),
        lambda: store.read_staged(none, path, soon()),
        lambda: store.read(none, path, FIRST, soon()),
        lambda: store.promote(none, path, FIRST, soon()),
        lambda: store.discard(none, path, FIRST, soon()),
    ):
        with pytest.raises(ClearanceRefused):
            call()
    assert kept.store.look(path).staged is None


def test_staged_is_not_promoted(kept: StoreWorld, given: Clearance) -> None:
    store, path = kept.store, kept.path
    deliver(kept, given, FIRST, OLD)
    store.stage(given, path, Staged(SECOND, "p-2"), NEW, soon())
    assert kept.consumer_reads() == {"password": "old-password"}
    held = store.look(path)
    assert (held.promoted, held.staged) == (FIRST, Staged(SECOND, "p-2"))
    found = store.read_staged(given, path, soon())
    assert found is not None and found[0] == Staged(SECOND, "p-2") and found[1].has(NEW)
    assert cast("SecretValue", store.read(given, path, SECOND, soon())).has(NEW)
    for _ in range(2):  # a repeated call changes nothing
        store.promote(given, path, SECOND, soon())
        assert kept.consumer_reads() == {"password": "new-password"}
        held = store.look(path)
        assert (held.promoted, held.staged, held.previous) == (SECOND, None, FIRST)
    assert store.read_staged(given, path, soon()) is None


def test_the_first_delivery_and_fields_that_are_kept(kept: StoreWorld, given: Clearance) -> None:
    kept.by_hand({"username": "orders", "password": "by hand"})
    deliver(kept, given, FIRST, NEW)
    assert kept.consumer_reads() == {"username": "orders", "password": "new-password"}


@pytest.mark.parametrize("theirs", [{"password": "theirs-theirs"}, None])
def test_a_version_staged_by_somebody_else_is_kept(
    kept: StoreWorld, given: Clearance, theirs: dict[str, str] | None
) -> None:
    kept.by_hand({"password": "by hand"})
    kept.stage_by_hand(theirs)
    with pytest.raises(StagedByOther):
        kept.store.stage(given, kept.path, Staged(FIRST, "ours"), NEW, soon())
    found = kept.store.read_staged(given, kept.path, soon())
    assert found is not None and found[0].made_by == "" and found[0].version != FIRST
    assert found[1].reveal_all() == (theirs or {})
    held = kept.store.look(kept.path)
    assert held.staged is not None and held.staged.made_by == ""
    assert kept.consumer_reads() == {"password": "by hand"}


def test_a_second_value_does_not_replace_the_staged_one(kept: StoreWorld, given: Clearance) -> None:
    kept.store.stage(given, kept.path, Staged(FIRST, "p"), OLD, soon())
    with pytest.raises(StagedByOther):
        kept.store.stage(given, kept.path, Staged(FIRST, "p"), NEW, soon())
    found = kept.store.read_staged(given, kept.path, soon())
    assert found is not None and found[1].has(OLD)


def test_what_somebody_promoted_since_is_not_replaced(kept: StoreWorld, given: Clearance) -> None:
    deliver(kept, given, FIRST, OLD)
    kept.store.stage(given, kept.path, Staged(SECOND, "p"), NEW, soon())
    theirs = kept.by_hand({"password": "by hand"})
    with pytest.raises(PromotedByOther):
        kept.store.promote(given, kept.path, SECOND, soon())
    assert kept.consumer_reads() == {"password": "by hand"}
    assert kept.store.look(kept.path).promoted == theirs


def test_a_version_that_is_not_there_is_not_promoted(kept: StoreWorld, given: Clearance) -> None:
    deliver(kept, given, FIRST, OLD)
    with pytest.raises(StoreUnavailable):
        kept.store.promote(given, kept.path, SECOND, soon())
    assert kept.store.read(given, kept.path, SECOND, soon()) is None
    assert kept.consumer_reads() == {"password": "old-password"}


def test_discarding_takes_a_staged_version_and_never_the_promoted_one(
    kept: StoreWorld, given: Clearance
) -> None:
    deliver(kept, given, FIRST, OLD)
    kept.store.stage(given, kept.path, Staged(SECOND, "p"), NEW, soon())
    for _ in range(2):
        kept.store.discard(given, kept.path, SECOND, soon())
        assert kept.store.look(kept.path).staged is None
        assert kept.store.read(given, kept.path, SECOND, soon()) is None
    with pytest.raises(StoreUnavailable, match="is promoted"):
        kept.store.discard(given, kept.path, FIRST, soon())
    assert kept.consumer_reads() == {"password": "old-password"}


def test_the_version_before_can_come_back(kept: StoreWorld, given: Clearance) -> None:
    for version, value in ((FIRST, OLD), (SECOND, NEW)):
        deliver(kept, given, version, value)
    kept.store.promote(given, kept.path, FIRST, soon())
    assert kept.consumer_reads() == {"password": "old-password"}
    held = kept.store.look(kept.path)
    assert (held.promoted, held.previous) == (FIRST, SECOND)
    kept.store.discard(given, kept.path, SECOND, soon())
    assert kept.consumer_reads() == {"password": "old-password"}
    deliver(kept, given, THIRD, NEW)
    assert kept.consumer_reads() == {"password": "new-password"}


def test_nothing_begins_after_the_deadline(kept: StoreWorld, given: Clearance) -> None:
    with pytest.raises(StoreUnavailable, match="no time"):
        kept.store.stage(given, kept.path, Staged(FIRST, "p"), NEW, Deadline(time.monotonic() - 1))
    assert kept.store.look(kept.path).staged is None


def test_a_missing_credential_is_told_by_its_file_alone(kept: StoreWorld, given: Clearance) -> None:
    for file in kept.directory.glob("o*.*"):
        if file.name != "targets.toml":
            file.unlink()
    if kept.kind == "file":
        kept.store.directory.chmod(0o777)  # type: ignore[attr-defined]
    with pytest.raises((StoreUnavailable, Exception)) as caught:
        kept.store.stage(given, kept.path, Staged(FIRST, "p"), NEW, soon())
    assert "new-password" not in str(caught.value)
    if kept.kind != "aws_secrets_manager":  # its observer's key stands in the file
        with pytest.raises(TargetUnobservable):
            kept.store.look(kept.path)
