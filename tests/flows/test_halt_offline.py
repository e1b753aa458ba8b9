"""Halts verified offline: a bundle holds only if a key of the approvers file signed the halt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from audit import log
from audit.tlog.incident import Entry as Proven
from remediation import models as m
from remediation.domain import b64url, plan
from remediation.domain.gate.approvers import Approvers
from remediation.domain.halt.statement import HaltStatement
from remediation.management import offline
from remediation.management.signed_record import Signed, Trust, signed_halt
from remediation.services.actors import operator
from remediation.services.execution import export_bundle as service
from tests import factories
from tests.domain import record
from tests.domain.gate.test_replay import HOSTILE, paths
from tests.factories import WEB, WORKER
from tests.flows.test_halt import WHY, meanwhile
from tests.flows.test_halt_forged import Meanwhile
from tests.flows.world import World, acts

__all__ = ["meanwhile"]  # a fixture
pytestmark = pytest.mark.django_db


@pytest.fixture
def world(tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings, ("t1", "t2", "t3"))


def verified(world: World, proposal_id: UUID, *more: str) -> int:
    """Run verify_evidence on the incident's bundle with the world's trusted keys."""
    world.integrate()
    with acts(WORKER):
        made = service.make(world.get(proposal_id).incident_id, actor=operator())
        raw = b"".join(made)
    (world.directory / "bundle.json").write_bytes(raw)
    return offline.main([
        str(world.directory / "bundle.json"), "--approvers", world.settings.APPROVERS_FILE,
        "--rp-id", world.settings.RP_ID, "--origin", world.settings.ORIGIN, "--allow-test",
        "--log-key", str(record.SIGNER.vkey), *more,
    ])  # fmt: skip


def halted(world: World, meanwhile: Meanwhile, name: str = "alice") -> UUID:
    proposal_id = world.approved()
    meanwhile(0, lambda: world.halt(name, proposal_id, WHY))
    world.execute(proposal_id)
    return proposal_id


def test_a_halt_that_stopped_a_run_is_verified_by_its_passkey(
    world: World, meanwhile: Meanwhile, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal_id = halted(world, meanwhile)
    assert world.state_of(proposal_id) == "rolled_back"
    assert verified(world, proposal_id) == 0
    said = capsys.readouterr().out
    alice = world.people["alice"].id
    assert f"halt (undo) by {alice}, round 1: the passkey's signature is valid" in said
    assert verified(world, proposal_id, "--json") == 0
    (halt,) = json.loads(capsys.readouterr().out)["halts"]
    assert (halt["problem"], halt["decision"]) == ("", "undo")


def test_a_stop_without_a_halt_of_an_approver_does_not_hold(
    world: World, meanwhile: Meanwhile, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verifier's approvers file does not contain the key of the halt, so the stop has no valid
    signature."""
    lena = factories.person("lena", roles=["lead"])
    world.people["lena"] = lena
    world.approve_keys_of("alice", "bob", leads=["lena"])
    proposal_id = halted(world, meanwhile, "lena")
    assert verified(world, proposal_id) == 0
    capsys.readouterr()
    world.approve_keys_of("alice", "bob")
    assert verified(world, proposal_id) == 1
    said = capsys.readouterr().out
    assert f"no verified halt is by {lena.id}" in said
    assert "worker:proposal:rolled_back: no verified halt stopped it" in said
    # The same for a key of that person without the right to halt this run.
    entries = Approvers.parse(Path(world.settings.APPROVERS_FILE).read_bytes()).entries
    assert all(entry.person != str(lena.id) for entry in entries)


def test_a_forged_halt_is_reported_and_had_no_effect(
    world: World, meanwhile: Meanwhile, capsys: pytest.CaptureFixture[str]
) -> None:
    proposal_id = world.approved()
    alice = world.people["alice"]
    broken = {"signature": b"\x00" * 70}

    def forge() -> None:
        composed = factories.halt_statement(world.get(proposal_id), alice)
        made = alice.passkey.assertion(b"\0" * 32, composed.rp_id, composed.origin)
        row = factories.halt(world.get(proposal_id), alice, columns=broken)
        assert row.pk
        with acts(WEB):
            log.append(
                action="person:execution:halted",
                actor=alice.actor,
                object=f"proposal:{proposal_id}",
                data={"statement": composed.to_json(), "assertion": made.to_json()},
            )

    meanwhile(0, forge)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"
    assert verified(world, proposal_id) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "no: the challenge is not this statement's" in said
    assert "none of them had an effect" in said


def test_any_other_value_in_the_entry_of_a_halt_is_a_problem_with_a_name(world: World) -> None:
    given, trust, made = _entry(world)
    assert _judge(given, trust, made).problem == ""
    for path in (p for p in paths(given) if p != ("action",)):
        for new in HOSTILE:
            entry = json.loads(json.dumps(given))
            at: Any = entry
            for key in path[:-1]:
                at = at[key]
            if at[path[-1]] == new and type(at[path[-1]]) is type(new):
                continue  # an undo says nothing of what was found
            at[path[-1]] = new
            assert _judge(entry, trust, made).problem, (path, new)
        del at[path[-1]]
        assert _judge(entry, trust, made).problem


def test_a_halt_of_another_plan_and_of_nobodys_slots_does_not_hold(world: World) -> None:
    given, trust, made = _entry(world)
    other = factories.plan("t1", "t2")
    assert _judge(given, trust, None).problem.startswith("the plan of the run")
    assert _judge(given, trust, other).problem.startswith("the plan of the run")
    assert _judge(given, trust, made, slots=()).problem.endswith("at that time")
    assert _judge(given, trust, made, slots=("service_owner",)).problem.endswith("at that time")


def _judge(
    given: dict[str, Any],
    trust: Trust,
    made: plan.Plan | None,
    slots: tuple[str, ...] = ("security",),
) -> Signed:
    return signed_halt(Proven(1, b"", given), trust, plan=made, slots=slots)


def _entry(world: World) -> tuple[dict[str, Any], Trust, plan.Plan]:
    """Return the entry of a valid halt, and the trust that makes it valid."""
    alice = world.people["alice"]
    proposal = m.Proposal.objects.get(pk=world.submit())
    composed = HaltStatement.parse(
        factories.halt_statement(proposal, alice, decision="undo", round=1).body()
    )
    made = alice.passkey.assertion(composed.challenge(), composed.rp_id, composed.origin)
    known = factories.approvers(alice, roles=["security"])
    trust = Trust(known, record.POLICY, world.settings.RP_ID, world.settings.ORIGIN)
    said = {
        "action": "person:execution:halted",
        "actor": alice.actor,
        "object": f"proposal:{proposal.pk}",
        "at": composed.expires.isoformat(),
        "data": {"statement": composed.to_json(), "assertion": made.to_json()},
    }
    assert b64url.encode(alice.passkey.cose_key) == known.entries[0].cose_key
    return said, trust, factories.load(proposal)
