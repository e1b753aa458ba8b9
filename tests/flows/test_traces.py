"""What a step ends is on record before the step ends it."""

from __future__ import annotations

import json

import pytest

from audit.models import Entry
from remediation import models as m
from remediation.executors import noop
from tests.flows.conftest import MakeWorld

pytestmark = pytest.mark.django_db
SESSIONS = {"sessions": [{"client": "10.1.2.3", "application": "psql"}]}


def test_traces_are_on_record_before_the_call(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world("t1")
    world.inject({"t1": {"traces": json.dumps(SESSIONS)}})
    proposal_id = world.approved()
    at_call: list[object] = []
    real = noop.TestFiles.write

    def write(files: noop.TestFiles, state: str) -> None:
        at_call.extend(m.StepRecord.objects.values_list("phase", "data__traces"))
        real(files, state)

    monkeypatch.setattr(noop.TestFiles, "write", write)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"
    assert at_call == [("intended", SESSIONS)]
    said = [bytes(one.body).decode() for one in Entry.objects.all()]
    assert any('"traces":{"sessions":[{"application":"psql"' in body for body in said)


def test_a_later_step_keeps_what_is_there_when_it_begins(make_world: MakeWorld) -> None:
    world = make_world("t1", "t2")
    world.inject({"t2": {"traces": json.dumps(SESSIONS)}})
    proposal_id = world.approved()
    world.execute(proposal_id)
    kept = m.StepRecord.objects.filter(phase="intended").order_by("step")
    assert [row.data.get("traces") for row in kept] == [None, SESSIONS]


def test_traces_that_cannot_be_read_stop_nothing_and_are_said_to_be_missing(
    make_world: MakeWorld,
) -> None:
    world = make_world("t1")
    world.inject({"t1": {"fail_traces": True}})
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"
    (row,) = m.StepRecord.objects.filter(phase="intended")
    assert row.data["traces_missing"] == "injected"
