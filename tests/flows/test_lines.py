"""The life of a proposal in the process log: every ruling, step, refusal, failed observation."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

import pytest

from remediation import models as m
from remediation.services.lines import Line
from tests.flows.world import World


def said(caplog: pytest.LogCaptureFixture, line: Line) -> list[dict[str, Any]]:
    return [r.__dict__["ids"] for r in caplog.records if r.__dict__.get("line") == line]


def test_a_run_is_told_with_its_ids(
    world: World, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    caplog.set_level(logging.INFO, "hitlportal.lines")
    with django_capture_on_commit_callbacks(execute=True):
        proposal_id = world.approved()
        world.execute(proposal_id)
    (ruled,) = said(caplog, Line.RULED)
    incident = m.Proposal.objects.get(pk=proposal_id).incident_id
    assert UUID(ruled["proposal"]) == proposal_id and UUID(ruled["incident"]) == incident
    run = str(m.Execution.objects.get().pk)
    steps = [(one["step"], one["phase"]) for one in said(caplog, Line.STEP)]
    assert steps == world.phases(proposal_id) and steps
    assert {str(one["run"]) for one in said(caplog, Line.STEP)} == {run}
    assert [one["target"] for one in said(caplog, Line.MOVED)][-1] == "succeeded"
    assert "?" not in [
        value for r in caplog.records for value in r.__dict__.get("ids", {}).values()
    ]


def test_a_refusal_and_a_failed_look_are_told_without_a_word_of_others(
    world: World, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: Any
) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {"unobservable": True}})
    with django_capture_on_commit_callbacks(execute=True):
        world.execute(proposal_id)
    (refused,) = said(caplog, Line.REFUSED)
    assert refused["refusal"] == "target_unobservable"
    assert refused["proposal"] == str(proposal_id)
    (unseen, *_) = said(caplog, Line.UNOBSERVED)
    assert unseen["identity"] == m.Identity.objects.get(locator__contains="t1").pk
    assert unseen["refusal"] == "target_unobservable" and unseen["action"] != "?"
