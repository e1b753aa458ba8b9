"""The headline of a run: true in each state, tried against the worker's own worlds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pytest_django import Settings

from remediation import models as m
from remediation.domain import plan as plans
from remediation.domain.errors import GATE_REASONS, Next
from remediation.services.execution import gate_refusal
from remediation.views.run import outcome
from tests import factories
from tests.flows.world import WORKER_ACTOR, World, acts
from tests.services.execution.test_reverse_run import DONE, ended, record, steps
from tests.views.conftest import Browser, BrowserOf, text_of
from tests.views.run.test_run_page import Meanwhile, halts, meanwhile

__all__ = ["meanwhile"]  # a fixture
WHY = "It is the key of the build host."


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings, ("t1", "t2", "t3"), "production")


@pytest.fixture
def alice(world: World, browser_of: BrowserOf) -> Browser:
    return browser_of(world.people["alice"])


def head(browser: Browser, proposal_id: object) -> str:
    """The head of the page, without tags."""
    page = text_of(browser.get("execution", proposal_id))
    block = page[page.index('id="outcome"') : page.index("</header>", page.index('id="outcome"'))]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", block.partition(">")[2])).strip()


def test_a_success_says_what_is_so_and_how_the_incident_stands(
    world: World, alice: Browser
) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    said = head(alice, proposal_id)
    assert "All 3 steps are done and confirmed." in said
    assert "The incident is contained." in said and "Open the incident" in said


def test_one_step_is_told_by_its_target_and_counts_the_sessions(
    world: World, alice: Browser
) -> None:
    made = plans.parse(
        {"version": 1, "environment": "staging", "steps": steps("svc_reports")},
        protected=frozenset(),
    )
    proposal = ended(world, made, {"svc_reports": True}, {"svc_reports": []}, "unknown")
    run = m.Execution.objects.get(proposal=proposal)
    record(run, 0, "applied", {"sessions_ended": 3})
    record(run, 0, "verified", {"login": False})
    factories.move(proposal, "succeeded")
    said = head(alice, proposal.pk)
    assert "Login of svc_reports on crm is off. 3 sessions were closed." in said
    assert "The incident is still open." in said


def test_a_failure_says_that_nothing_changed_and_why(world: World, alice: Browser) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {"fail_apply": True}})
    world.execute(proposal_id)
    said = head(alice, proposal_id)
    assert "Failed. Nothing was changed." in said
    assert "The step did not change the target." in said
    assert "What had access before still has it." in said and "Open the incident" in said


def test_a_stop_names_the_steps_that_stay(world: World, alice: Browser) -> None:
    proposal_id = world.approved()
    world.inject({"t2": {"fail_apply": True}})
    world.execute(proposal_id)
    said = head(alice, proposal_id)
    assert "Stopped after step 1 of 3. Step 1 stays applied." in said
    assert "only people give access back" in said


def test_a_halt_that_keeps_and_one_that_undoes(
    world: World, alice: Browser, meanwhile: Meanwhile
) -> None:
    proposal_id = world.approved()
    meanwhile(lambda: halts(world, alice, proposal_id, WHY))
    world.execute(proposal_id)
    said = head(alice, proposal_id)
    assert "Undone. Step 1 is undone. Access is back as it was before the run." in said
    assert "A person halted the run between two steps." in said


def test_keep_leaves_what_is_done(world: World, alice: Browser, meanwhile: Meanwhile) -> None:
    proposal_id = world.approved()
    seen: list[str] = []

    def press() -> None:
        halts(world, alice, proposal_id, WHY, decision="keep")
        seen.append(head(alice, proposal_id))
        page = text_of(alice.get("execution", proposal_id))
        # What was signed stands on the page while it waits, and no flash stays after the end.
        assert "No step starts before the worker has verified the signature." in page
        assert 'class="messages"' not in page

    meanwhile(press)
    world.execute(proposal_id)
    assert "Step 1 of 3: confirming at the target" in seen[0]
    assert "Stopped after step 1 of 3. Step 1 stays applied." in head(alice, proposal_id)
    page = text_of(alice.get("execution", proposal_id))
    assert 'class="messages"' not in page and "before the worker has verified" not in page


def test_an_unknown_outcome_is_not_called_a_failure(world: World, alice: Browser) -> None:
    proposal_id = world.approved()
    world.inject({"t2": {"unknown_apply": True}})
    world.execute(proposal_id)
    said = head(alice, proposal_id)
    assert world.state_of(proposal_id) == "unknown"
    assert "The outcome of step 2 is not known." in said and "may have taken effect" in said


@pytest.mark.parametrize("name", sorted(outcome.WAITS))
def test_an_approved_one_says_what_it_waits_for(world: World, alice: Browser, name: str) -> None:
    """Each reason for which the gate backs off has words of its own, and an end of the wait."""
    assert GATE_REASONS[name].next is Next.RETRY
    proposal_id = world.approved()
    assert "Waiting for a worker" in head(alice, proposal_id)
    proposal = world.get(proposal_id)
    with acts("hitl_worker"):
        gate_refusal.record(proposal, GATE_REASONS[name](), actor=WORKER_ACTOR)
    said = head(alice, proposal_id)
    title, then = outcome.WAITS[name]
    assert str(title) in said and str(then) in said
    assert "If it has not started by then, it expires and nothing runs:" in said


def test_drift_leads_back_to_the_review_and_says_so(world: World, alice: Browser) -> None:
    proposal_id = world.approved()
    world.set_state("t1", "off")
    world.execute(proposal_id)
    said = head(alice, proposal_id)
    assert "Not started: it is in review again" in said
    assert "no longer in the state that was approved" in said and "Open the review" in said


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("expired", "Expired. Nothing was run."),
        ("refused", "Refused. Nothing was run."),
        ("returned", "Returned. Nothing was run."),
        ("rejected", "Rejected. Nothing was run."),
        ("withdrawn", "Withdrawn. Nothing was run."),
        ("submitted", "Not started: the worker has not assessed it yet"),
    ],
)
def test_what_never_ran_says_so(
    world: World, browser_of: BrowserOf, state: str, words: str
) -> None:
    proposal = factories.proposal_at(state)
    lead = browser_of(factories.person(roles=["lead"]))
    said = head(lead, proposal.pk)
    assert words in said and "Stopped" not in said
    if state == "expired":
        assert "That is never an approval." in said or "could not start in time" in said
    if state in ("expired", "refused", "returned"):
        assert "This proposal never runs." in said


def test_another_plan_is_offered_where_there_is_a_page_for_it(
    world: World, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    from remediation.views.run import next_steps

    proposal_id = world.approved()
    world.inject({"t1": {"fail_apply": True}})
    world.execute(proposal_id)

    def found(name: str, args: list[object]) -> str:
        return f"/{name}/{args[0]}/"

    monkeypatch.setattr(next_steps, "reverse", found)
    page = text_of(alice.get("execution", proposal_id))
    incident = world.get(proposal_id).incident_id
    assert f'href="/plan/{incident}/?from={proposal_id}">Propose again</a>' in page


def test_a01_a_hostile_name_in_the_headline_is_text(world: World, alice: Browser) -> None:
    name = "<b>x</b>\u202e{{ 7 }}"
    made = plans.parse(
        {"version": 1, "environment": "staging", "steps": steps(name)}, protected=frozenset()
    )
    proposal = ended(world, made, {name: True}, {name: DONE}, "succeeded")
    page = text_of(alice.get("execution", proposal.pk))
    assert "<b>x" not in page and "\u202e" not in page and "{{ 7 }}" in page
