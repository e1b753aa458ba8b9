"""A task of a team's automation from the report to its end, which the run waits for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from remediation import models as m
from tests.executors.flow import Rotation
from tests.executors.webhook import Automation, WebhookPlace, WebhookWorld, serving


class Handed(Rotation):
    """One step: the automation isolates a host."""

    webhook: WebhookWorld

    def begin(self, webhook: WebhookWorld) -> None:
        self.webhook, self.order = webhook, "none"
        path = webhook.directory / "targets.toml"
        path.write_text(webhook.toml(), encoding="utf-8")
        self.identity = webhook.target
        self.steps = [{"action": webhook.action, "target": webhook.target, "parameters": {}}]
        self.at(path, webhook.target, consumers=["pay"])


@pytest.fixture
def world(
    db: None, tmp_path: Path, settings: Settings, django_capture_on_commit_callbacks: object
) -> Iterator[Handed]:
    (tmp_path / "hook").mkdir()
    automation = Automation()
    with serving(automation) as port:
        place = WebhookPlace(port, automation)
        webhook = WebhookWorld("webhook.task.run", tmp_path / "hook", place)
        made = Handed(tmp_path, settings, (webhook.subject,), "production")
        made.begin(webhook)
        yield made


def test_a_task_runs_after_people_decided_and_the_run_ends_when_it_is_done(world: Handed) -> None:
    webhook, automation = world.webhook, world.webhook.place.automation
    automation.ends_as = "running"
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    assert automation.started == []
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "executing"
    [(message, data)] = automation.started
    assert (data["proposal"], data["subject"]) == (str(proposal_id), webhook.subject)
    automation.runs["isolate-host", webhook.subject]["state"] = "done"
    world.reconcile()
    assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
    assert [one for one, _ in automation.started] == [message]
    # The incident is not contained: nobody but the automation saw the effect.
    moves = m.IncidentTransition.objects.filter(incident=world.get(proposal_id).incident)
    assert "contained" not in moves.values_list("to_state", flat=True)
