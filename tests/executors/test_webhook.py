"""A step that a team's automation carries out: signed, once, seen by a second call, no way in."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import requests
import urllib3
from urllib3.exceptions import MaxRetryError

from remediation.domain.errors import TargetUnobservable
from remediation.domain.store_place import version_name
from remediation.executors import webhook_receiver
from remediation.executors.base import Deadline, Settled
from remediation.executors.errors import NotApplied, OutcomeUnknown, StepFailed, VerifyFailed
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_observe,
    run_prepare,
    run_verify,
)
from remediation.executors.section import TargetsFileInvalid
from remediation.executors.targets import Targets
from remediation.executors.webhook import run_id
from remediation.executors.webhook_receiver import _unsent
from tests.executors.contract import clearance
from tests.executors.webhook import OBSERVE, Automation, WebhookPlace, WebhookWorld, serving

RUN = "webhook.task.run"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[WebhookWorld]:
    automation = Automation()
    with serving(automation) as port:
        yield WebhookWorld(RUN, tmp_path, WebhookPlace(port, automation))


def test_a_start_is_signed_by_the_operators_secret_and_names_the_approved_step(
    world: WebhookWorld,
) -> None:
    plan, automation = world.plan(), world.place.automation
    given = clearance(plan, proposal="0b6bd9ab-1c5a-4e0e-9d2c-0123456789ab")
    run_apply(given, plan.body, 0, world.targets())
    run_apply(given, plan.body, 0, world.targets())
    assert automation.started == [
        (
            run_id(version_name(given.proposal_id, 0)),
            {
                "task": "isolate-host",
                "subject": world.subject,
                "proposal": given.proposal_id,
                "step": 0,
                "plan_digest": plan.digest,
            },
        )
    ]
    # The observer's secret starts nothing.
    (world.directory / "operate.webhook").write_text(OBSERVE)
    other = clearance(plan, proposal="1b6bd9ab-1c5a-4e0e-9d2c-0123456789ac")
    with pytest.raises(NotApplied, match="status 401"):
        run_apply(other, plan.body, 0, world.targets())
    assert (len(automation.started), automation.refused) == (1, 1)


def test_only_this_steps_run_that_is_done_confirms_it(world: WebhookWorld) -> None:
    """Running, failed, or done by somebody else's run is not this step's effect."""
    plan, targets, given = world.plan(), world.targets(), clearance(world.plan())
    run = world.place.automation.runs["isolate-host", world.subject]
    executor = executor_of(world.step)
    executor.version = version_name(given.proposal_id, 0)
    before = run_observe(world.step, targets).state
    for state, last in (
        ("running", run_id(executor.version)),
        ("failed", run_id(executor.version)),
        ("done", run_id("hitl-of-another-0")),
    ):
        run.update(state=state, last_run=last)
        seen = run_observe(world.step, targets)
        assert executor.settled_from(world.step, seen, before, {}) is not Settled.APPLIED
        with pytest.raises(VerifyFailed, match=state):
            executor.verify(given, world.step, targets, _now())
    run.update(state="done", last_run=run_id(executor.version))
    assert run_verify(given, plan.body, 0, targets).detail["state"] == "done"


def _now() -> Deadline:
    return Deadline.within(0)


def test_a_task_that_runs_already_is_not_started(world: WebhookWorld) -> None:
    world.place.automation.runs["isolate-host", world.subject].update(state="running")
    plan, targets = world.plan(), world.targets()
    with pytest.raises(NotApplied, match="runs this task now"):
        run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))


def test_after_a_lost_answer_the_receiver_is_asked_and_nothing_starts_twice(
    world: WebhookWorld,
) -> None:
    plan, targets, automation = world.plan(), world.targets(), world.place.automation
    automation.loses_answer = True
    with pytest.raises(OutcomeUnknown):
        run_apply(clearance(plan), plan.body, 0, targets)
    executor = executor_of(world.step)
    executor.version = version_name(clearance(plan).proposal_id, 0)
    seen = run_observe(world.step, targets)
    before = {"state": "idle", "last_run": ""}
    assert executor.settled_from(world.step, seen, before, {}) is Settled.APPLIED
    run_apply(clearance(plan), plan.body, 0, targets)
    assert len(automation.started) == 1


def test_a62_no_redirect_is_followed_and_no_answer_is_believed_that_is_not_one(
    world: WebhookWorld,
) -> None:
    plan, targets, automation = world.plan(), world.targets(), world.place.automation
    endless = b"HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\n" + b"x" * 200_000
    for raw in (
        b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>",
        b'HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{"state": "owned"}',
        b'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n["ab"]',
        b"HTTP/1.1 200 OK\r\ncontent-length: 50000\r\n\r\n" + b"[" * 50_000,
        b"HTTP/1.1 500 no\r\ncontent-length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
        endless,
    ):
        automation.raw = raw
        with pytest.raises(TargetUnobservable) as caught:
            run_observe(world.step, targets)
        assert "169.254" not in str(caught.value) and "html" not in str(caught.value)
        with pytest.raises(StepFailed):
            run_apply(clearance(plan), plan.body, 0, targets)
    assert automation.started == []


def test_an_error_of_tls_after_the_message_is_no_sign_that_nothing_was_sent() -> None:
    """Only a certificate that is not accepted comes before it."""
    for inner, unsent in (
        (ssl.SSLCertVerificationError("self-signed"), True),
        (ssl.SSLError("bad record mac"), False),
        (ssl.SSLEOFError("eof"), False),
    ):
        tried = MaxRetryError(cast("Any", None), "/", reason=urllib3.exceptions.SSLError(inner))
        assert _unsent(requests.exceptions.SSLError(tried)) is unsent, inner


def test_a_receiver_that_sends_a_byte_now_and_then_ends_with_the_time_of_a_call(
    world: WebhookWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_receiver, "WHOLE_SECONDS", 0.5)
    world.place.automation.drips = True
    with pytest.raises(TargetUnobservable):
        run_observe(world.step, world.targets())


def test_what_the_receiver_says_is_cut_masked_and_one_line(world: WebhookWorld) -> None:
    token = "ghp_" + "a1B2" * 9
    run = world.place.automation.runs["isolate-host", world.subject]
    run.update(said=f"done with {token}\n<b>" + "y" * 9_000)
    said = str(run_observe(world.step, world.targets()).shown["said"])
    assert token not in said and "\n" not in said and len(said) == 300


def test_a62_only_the_operators_file_names_hosts_and_tasks(world: WebhookWorld) -> None:
    plan = world.plan({**world.target, "task": "drop-database"})
    assert not run_observe(plan.steps[0], world.targets()).exists
    good = world.toml()
    for url in (
        "http://automation.example.org/", "https://169.254.169.254/latest", "ftp://127.0.0.1/",
        "https://user:pw@example.org/", "https:///hook", "http://[fe80::1]/", "https://0.0.0.0/",
    ):  # fmt: skip
        path = world.directory / "wrong.toml"
        path.write_text(good.replace(f"http://127.0.0.1:{world.place.port}/hook", url))
        with pytest.raises(TargetsFileInvalid, match="url"):
            Targets.load(path, portal_system_identifier=None)
    for old, new in (('["isolate-host"]', '["../x"]'), ("[webhook.ops]", '[webhook."a b"]')):
        path.write_text(good.replace(old, new))
        with pytest.raises(TargetsFileInvalid):
            Targets.load(path, portal_system_identifier=None)


def test_a_secret_of_another_form_is_not_used_and_not_quoted(world: WebhookWorld) -> None:
    for wrong in ("hunter2", "whsec_short", "whsec_" + "!" * 40):
        (world.directory / "operate.webhook").write_text(wrong)
        with pytest.raises(NotApplied) as caught:
            run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
        assert wrong not in str(caught.value)
