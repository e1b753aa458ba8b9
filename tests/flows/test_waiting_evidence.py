"""What outsiders get of a run that waited: the evidence by which it went on, and the bundle."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from pytest_django import Settings

from audit.tlog import bundle
from audit.tlog.canonical import Json
from audit.verifying import verify
from remediation import models as m
from remediation.api import answers
from remediation.domain import errors
from remediation.domain.gate import gate
from remediation.domain.gate.evidence import WAITING, Evidence
from remediation.services import host_files
from remediation.services.actors import operator
from remediation.services.execution import export_bundle, export_evidence, propose_rest
from tests.domain import record
from tests.factories import WEB, WORKER
from tests.flows.waiting import WHY, Waiting
from tests.flows.world import acts


@pytest.fixture
def world(
    db: None, tmp_path: Path, settings: Settings, django_capture_on_commit_callbacks: object
) -> Waiting:
    return Waiting(tmp_path, settings, ("t1",), "production")


def test_the_evidence_by_which_it_went_on_is_judged_again(world: Waiting) -> None:
    world.steps[0]["wait"] = world.wait("consumers_moved", person=True)
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.moved()
    world.tick()
    world.answer("alice", proposal_id)
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"
    with acts(WORKER):
        body = export_evidence.export(actor=operator(), proposal_id=proposal_id, after=0)
        with pytest.raises(errors.NoSuchObject):
            export_evidence.export(actor=operator(), proposal_id=proposal_id, after=1)
    evidence = Evidence.parse(body)
    assert evidence.type == WAITING and evidence.step == 1
    (wait,) = evidence.waits
    assert wait.sightings[0].condition == "consumers_moved"
    assert [one.decision for one in wait.answers] == ["go_on"]
    assert evidence.made[0]["token_id"] in world.thing()["tokens"]
    findings = gate.examine(
        evidence, approvers=host_files.approvers(), now=evidence.database_now, allow_test=True
    )
    assert [one.number for one in findings if not one.result] == [7]  # needs the log's keys


def test_the_bundle_has_the_wait_and_verifies(world: Waiting) -> None:
    world.steps[0]["wait"] = world.wait("consumers_moved", person=True)
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.moved()
    world.tick()
    world.answer("alice", proposal_id)
    world.tick()
    world.integrate()
    with acts(WORKER):
        made = export_bundle.make(
            world.get(proposal_id).incident_id, actor=operator(), with_artefacts=False
        )
        raw = b"".join(made)
    found = bundle.verify(raw, record.POLICY, verify=verify)
    actions = {entry.action for entry in found.entries}
    assert {
        "worker:wait:begun", "worker:proposal:waiting", "worker:wait:looked",
        "person:wait:answered", "worker:answer:verified",
    } <= actions  # fmt: skip


def test_the_agent_is_told_what_its_run_waits_for(world: Waiting) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.moved(world.consumers[0])
    world.tick()
    told = answers.proposal(world.get(proposal_id))["run"]
    assert isinstance(told, dict)
    waiting = told["waiting"]
    assert isinstance(waiting, dict)
    assert waiting["on"] == "conditions" and waiting["unmet"] == ["consumers_moved"]
    uses = {one["service"]: one["use"] for one in waiting["consumers"]}  # type: ignore[index,union-attr,call-overload]
    assert uses == {world.consumers[0].name: "moved", world.consumers[1].name: "not_seen"}
    assert answers.proposal(world.get(proposal_id))["final"] is False


def stopped(world: Waiting) -> UUID:
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.halt("alice", proposal_id, WHY, "keep")
    world.tick()
    assert world.state_of(proposal_id) == "stopped"
    return proposal_id


def test_a_run_that_stopped_while_it_waited_has_no_rest_that_ends_the_old_one(
    world: Waiting,
) -> None:
    """The rest would be the last step alone: nothing would wait for the consumers any more."""
    proposal_id = stopped(world)
    assert m.Wait.objects.count() == 1
    assert propose_rest.rest_of(world.get(proposal_id)) is None
    with acts(WEB), pytest.raises(errors.WrongState, match="before its wait had ended"):
        propose_rest.propose(actor=world.people["alice"].user, proposal_id=proposal_id, reason=WHY)


def test_a_run_that_stopped_while_it_waited_has_a_rest_that_ends_nothing(world: Waiting) -> None:
    made: Json = {"made_by": 0, "name": "token_id"}
    world.steps = [
        world.make(wait=world.wait("consumers_moved")),
        world.step("announce", "t1", {"token_id": made}),
    ]
    rest = propose_rest.rest_of(world.get(stopped(world)))
    assert rest is not None and [step.action for step in rest.steps] == ["test.thing.announce"]


def test_the_wait_that_is_open_counts_when_an_earlier_one_has_ended(world: Waiting) -> None:
    made: Json = {"made_by": 0, "name": "token_id"}
    world.steps = [
        world.make(wait=world.wait("consumers_moved")),
        world.step("announce", "t1", {"token_id": made}, wait=world.wait(person=True)),
        world.retire(),
    ]
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.moved()
    world.tick()
    world.halt("alice", proposal_id, WHY, "keep")
    world.tick()
    assert propose_rest.rest_of(world.get(proposal_id)) is None
