"""What a client trusts is changed in its file, and never so that it would refuse a server."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.tlog.canonical import Json
from hitlportal.demo.servers.openbao import BaoServer
from remediation.domain.errors import BadInput, TargetUnobservable
from remediation.domain.plan import Plan
from remediation.executors import tls_bundle
from remediation.executors.errors import NotApplied, RollbackFailed
from remediation.executors.run import (
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_verify,
)
from remediation.executors.tls_bundle import Bundle
from tests.executors.contract import clearance, make_plan
from tests.executors.tls import TrustWorld, anchor_of

ADD, REMOVE = "tls.trust.add", "tls.trust.remove"


def planned(action: str, anchor: str) -> Plan:
    target: dict[str, Json] = {"kind": "tls.trust", "certificate": "orders", "client": "billing"}
    return make_plan(action, target, {"anchor": anchor})


def change(world: TrustWorld, action: str, anchor: str) -> None:
    """Observe, check, apply and verify, as a run does."""
    plan, targets = planned(action, anchor), world.targets()
    given = clearance(plan)
    run_prepare(given, plan.body, 0, targets, run_observe(plan.steps[0], targets))
    run_apply(given, plan.body, 0, targets)
    run_verify(given, plan.body, 0, targets)


def undo(world: TrustWorld, anchor: str) -> None:
    """Undo an addition as a run does that knows what was trusted before."""
    plan = planned(ADD, anchor)
    before: dict[str, Json] = {"anchors": [world.first_anchor]}
    run_rollback(clearance(plan, rollback=True), plan.body, 0, world.targets(), before)


@pytest.fixture
def world(bao: BaoServer, tmp_path: Path) -> Iterator[TrustWorld]:
    made = TrustWorld(REMOVE, tmp_path, bao)  # both are trusted
    yield made
    made.close()


def test_the_rest_of_the_file_and_its_mode_stay_and_no_link_is_followed(world: TrustWorld) -> None:
    change(world, REMOVE, world.anchor)
    assert world.bundle.read_text() == f"# Billing's\n{world.pki.root}\n"
    change(world, ADD, world.anchor)
    text = f"# Billing's\n{world.pki.root}\n{world.second}\n"
    assert world.bundle.read_text() == text
    assert stat.S_IMODE(world.bundle.stat().st_mode) == 0o640
    real = world.bundle.rename(world.directory / "real.pem")
    world.bundle.symlink_to("real.pem")
    with pytest.raises(TargetUnobservable, match="trust file: it is a link"):
        change(world, REMOVE, world.anchor)
    assert world.bundle.is_symlink() and real.read_text() == text


def test_what_is_trusted_and_what_is_offered_is_shown(world: TrustWorld) -> None:
    seen = run_observe(world.step, world.targets())
    assert seen.state == {"anchors": sorted([world.anchor, world.first_anchor])}
    assert "Test Root second" in str(seen.shown["trusted"]) and seen.shown["offered"] == []
    change(world, REMOVE, world.anchor)
    seen = run_observe(world.step, world.targets())
    assert "Test Root second" in str(seen.shown["offered"])
    assert "Test Root second" not in str(seen.shown["trusted"])


def test_no_server_is_left_that_the_client_would_refuse(world: TrustWorld) -> None:
    before, text = world.look(), world.toml()
    with pytest.raises(NotApplied, match=r"refuse servers without it: web1 \(.*web2"):
        change(world, REMOVE, world.first_anchor)
    plan = planned(REMOVE, world.first_anchor)
    with pytest.raises(NotApplied, match="refuse servers without it"):  # and without the check
        run_apply(clearance(plan), plan.body, 0, world.targets())
    silent = f'{text}\n[tls.orders.server.web9]\naddress = "127.0.0.1:1"\n'
    world.text = silent
    for anchor in (world.anchor, world.first_anchor):
        with pytest.raises(NotApplied):
            change(world, REMOVE, anchor)
    with pytest.raises(NotApplied, match="did not answer, and may need it: web9"):
        change(world, REMOVE, world.anchor)
    with pytest.raises(RollbackFailed, match="did not answer, and may need it: web9"):
        undo(world, world.anchor)
    assert world.changes() == 0
    world.text = text
    world.targets()
    assert world.bundle.read_text() == before[0]  # type: ignore[index]


def test_the_issuer_of_the_next_certificate_stays_trusted(world: TrustWorld) -> None:
    world.pki.make_default("second")  # no server shows a leaf of it yet
    with pytest.raises(NotApplied, match="the engine's default issuer needs it"):
        change(world, REMOVE, world.anchor)
    assert world.changes() == 0


def test_only_an_issuer_of_the_engine_is_added(world: TrustWorld) -> None:
    leaf = anchor_of(world.first["certificate"])
    for anchor, words in (
        (leaf, "no issuer with this certificate"),
        ("0" * 64, "no issuer with this certificate"),
        (world.anchor, "trusts it already"),
    ):
        with pytest.raises(NotApplied, match=words):
            change(world, ADD, anchor)
        if anchor != world.anchor:
            plan = planned(ADD, anchor)
            with pytest.raises(NotApplied, match=words):
                run_apply(clearance(plan), plan.body, 0, world.targets())
    with pytest.raises(NotApplied, match="does not trust it"):
        change(world, REMOVE, "0" * 64)
    assert world.changes() == 0
    for anchor in ("3F" * 32, "3f" * 31, "3f" * 32 + "\n", ""):
        with pytest.raises(BadInput):
            planned(ADD, anchor)


def test_trust_that_the_targets_file_does_not_give_away_is_not_touched(world: TrustWorld) -> None:
    text = world.toml()
    for old, new, words in (
        ("managed = true", "managed = false", "does not let the portal write"),
        ("relying.billing", "relying.shop", "the map has no client billing"),
        ('"root.pem"\nmanaged', '"missing.pem"\nmanaged', "does not exist"),
    ):
        entry = text.replace(old, new)
        world.text = entry
        with pytest.raises((TargetUnobservable, NotApplied), match=words) as refused:
            change(world, REMOVE, world.anchor)
        assert words in str(refused.value)
    assert world.changes() == 0


def test_a_file_that_somebody_else_writes_meanwhile_is_not_overwritten(
    world: TrustWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tls_bundle.write

    def later(path: Path, old: Bundle, new: Bundle) -> None:
        path.write_text(f"{path.read_text()}# theirs\n")
        real(path, old, new)

    monkeypatch.setattr(tls_bundle, "write", later)
    with pytest.raises(NotApplied, match="somebody else wrote"):
        change(world, REMOVE, world.anchor)
    assert world.bundle.read_text().endswith("# theirs\n")
    assert [one.name for one in world.directory.glob(".*")] == []
