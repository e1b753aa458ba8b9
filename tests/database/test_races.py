"""A10, A30, A42: races with real logins: one transition, no lost review."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from django.db import Error, connection, transaction

from remediation import models as m
from remediation.services.execution import lease
from tests import factories
from tests.database.attack import refused, said, sql
from tests.database.logins import ALIASES, connect, real_login
from tests.database.race import behind, race
from tests.database.test_queue_services import stale
from tests.factories import WEB, WORKER, Person

pytestmark = pytest.mark.django_db(transaction=True, databases=ALIASES)


def names(results: list[object]) -> list[str]:
    """Return the name of each refusal, and "done" for each success; fail on any other exception."""
    return sorted(said(r)[0] if isinstance(r, Error) else "done" for r in results if check(r))


def check(result: object) -> bool:
    if isinstance(result, Exception) and not isinstance(result, Error):
        raise result
    return True


def decide(proposal: m.Proposal, someone: Person, slot: str = "any") -> Callable[[], bool]:
    """Sign as the portal does: insert the review, count, and move the state on a quorum."""
    session = factories.session(proposal, someone, slot=slot)

    def act() -> bool:
        with transaction.atomic():
            sql("SELECT remediation.lock_proposal_v1(%s)", proposal.pk)
            factories.sign(session, someone)
            seats = len(proposal.assessments.get(round=1).slots)
            if m.Review.objects.filter(proposal=proposal).count() < seats:
                return False
            move = m.Proposal.objects.get(pk=proposal.pk)
            factories.move(move, "approved", login=WEB, actor=someone.actor)
            return True

    return act


def approvals(proposal: m.Proposal) -> tuple[int, int, int]:
    """Count reviews, transitions to approved, and messages to the worker."""
    return (
        proposal.reviews.count(),
        proposal.transitions.filter(to_state="approved").count(),
        m.OutboxMessage.objects.filter(proposal=proposal, kind="execute").count(),
    )


def reviewers(number: int) -> list[Person]:
    return [factories.person(roles=["security"]) for _ in range(number)]


@pytest.mark.parametrize("attempt", range(3))
def test_a10_two_reviewers_at_once_are_both_counted(attempt: int) -> None:
    proposal = factories.proposal_at("in_review", slots=["any", "any"])
    results = race(*[(WEB, decide(proposal, someone)) for someone in reviewers(2)])
    assert sorted(map(bool, results)) == [False, True], results
    assert approvals(proposal) == (2, 1, 1)


def test_a10_the_second_reviewer_waits_for_the_first_and_then_counts_both() -> None:
    """The only interleaving that loses a review without the lock."""
    proposal = factories.proposal_at("in_review", slots=["any", "any"])
    alice, bob = reviewers(2)
    first, second = decide(proposal, alice), decide(proposal, bob)
    with contextlib.ExitStack() as afterwards, transaction.atomic():
        assert first() is False
        found = afterwards.enter_context(behind(WEB, second))
        assert found == []
    assert found == [True]
    assert approvals(proposal) == (2, 1, 1)


@pytest.mark.parametrize("attempt", range(3))
def test_a10_two_reviewers_for_one_slot(attempt: int) -> None:
    proposal = factories.proposal_at("in_review")
    results = race(*[(WEB, decide(proposal, someone)) for someone in reviewers(2)])
    assert names(results) == ["done", "review_state"]
    assert approvals(proposal) == (1, 1, 1)


def test_one_person_in_two_windows_is_counted_once() -> None:
    proposal = factories.proposal_at("in_review", slots=["any", "any"])
    (alice,) = reviewers(1)
    results = race((WEB, decide(proposal, alice)), (WEB, decide(proposal, alice)))
    assert names(results) == ["done", "review_one_for_each_person"]
    assert approvals(proposal) == (1, 0, 0)


@pytest.mark.parametrize("attempt", range(3))
def test_a_proposal_is_withdrawn_or_executed_but_not_both(attempt: int) -> None:
    proposal = factories.proposal_at("approved")
    locator = proposal.targets.get().locator
    token = factories.lease(locator).token

    def withdraw() -> None:
        mine = m.Proposal.objects.get(pk=proposal.pk)
        factories.move(mine, "withdrawn", login=WEB, source="approved", actor="agent:x")

    def execute() -> None:
        mine = m.Proposal.objects.get(pk=proposal.pk)
        with transaction.atomic():
            factories.execution(mine, tokens={locator: token})
            factories.move(mine, "executing", source="approved")

    results = race((WEB, withdraw), (WORKER, execute))
    assert names(results) in (["done", "execution_state"], ["done", "transition_from"])
    proposal.refresh_from_db()
    assert m.Execution.objects.count() == (proposal.state == "executing")
    assert proposal.state in ("withdrawn", "executing")
    assert stale() == []


def test_a42_of_two_workers_one_begins_the_run() -> None:
    proposal = factories.proposal_at("approved")
    locator = proposal.targets.get().locator
    token = factories.lease(locator).token

    def execute() -> None:
        mine = m.Proposal.objects.get(pk=proposal.pk)
        with transaction.atomic():
            run = factories.execution(mine, tokens={locator: token})
            factories.move(mine, "executing", source="approved")
            factories.step(run, "intended")

    results = race((WORKER, execute), (WORKER, execute))
    assert names(results) == ["done", "execution_state"]
    assert m.StepRecord.objects.filter(phase="intended").count() == 1


def test_a42_one_of_many_workers_gets_the_lease() -> None:
    def claim() -> object:
        return lease.claim(["test.target:a", "test.target:b"], worker="worker:test")

    results = race(*[(WORKER, claim)] * 6)
    held = [r for r in results if isinstance(r, lease.Leases)]
    assert len(held) == 1
    assert {type(r).__name__ for r in results} == {"Leases", "TargetBusy"}
    assert set(m.Lease.objects.values_list("holder", flat=True)) == {held[0].holder}


def test_a42_an_expired_lease_is_claimed_once_and_its_token_grows() -> None:
    old = factories.lease("test.target:a")
    factories.end_lease(old.target)
    results = race(*[(WORKER, lambda: lease.claim([old.target], worker="worker:x"))] * 4)
    held = [r for r in results if isinstance(r, lease.Leases)]
    assert [r.tokens for r in held] == [{old.target: old.token + 1}]


def test_two_workers_take_the_leases_of_two_targets_in_opposite_order() -> None:
    """No deadlock: leases are claimed in one order."""
    a, b = "test.target:a", "test.target:b"
    results = race(
        (WORKER, lambda: lease.claim([a, b], worker="worker:1")),
        (WORKER, lambda: lease.claim([b, a], worker="worker:2")),
    )
    assert {type(r).__name__ for r in results} == {"Leases", "TargetBusy"}


def test_rows_that_refer_to_a_proposal_do_not_wait_for_a_decision() -> None:
    """FOR NO KEY UPDATE: with FOR UPDATE, every insert that refers to the proposal would wait."""
    proposal = factories.proposal_at("in_review")
    with transaction.atomic():
        sql("SELECT remediation.lock_proposal_v1(%s)", proposal.pk)
        with connect(WORKER) as it:
            it.execute("SET lock_timeout = '2s'")
            row = it.execute(
                "INSERT INTO audit.entry (body) VALUES (%s) RETURNING id",
                [factories.entry_body("worker:notice:sent", "worker:x")],
            ).fetchone()
            assert row is not None
            it.execute(
                "INSERT INTO remediation_refusal"
                " (proposal_id, reason, detail, actor, entry, recorded_at)"
                " VALUES (%s, 'drift', '', 'worker:x', %s, now())",
                [proposal.pk, row[0]],
            )
    assert proposal.refusals.count() == 1


# ---- isolation ----------------------------------------------------------------------------------


@pytest.fixture
def behind_the_times() -> tuple[m.Proposal, Callable[[], None]]:
    """Two slots, one filled. Web takes its snapshot, somebody rejects, and web then lets the
    last reviewer approve in the old snapshot, in which nobody has rejected."""
    proposal = factories.proposal_at("in_review", slots=["any", "any"])
    alice, bob, sue = reviewers(3)
    factories.review(proposal, alice)
    reject = factories.session(proposal, bob, decision="reject")
    approve = decide(proposal, sue)

    def act() -> None:
        with real_login(WEB), transaction.atomic():
            sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            sql("SELECT 1 FROM remediation_proposal")
            assert names(race((WEB, lambda: factories.sign(reject, bob)))) == ["done"]
            approve()

    return proposal, act


def test_a43_an_old_snapshot_does_not_hide_a_rejection(
    behind_the_times: tuple[m.Proposal, Callable[[], None]],
) -> None:
    proposal, act = behind_the_times
    with refused("isolation"):
        act()
    proposal.refresh_from_db()
    assert proposal.state == "in_review"


def test_a43_an_old_snapshot_does_not_hide_readings_that_count() -> None:
    """In each old snapshot a person had the whole budget of readings again."""
    incident, (sue,) = factories.proposal_at("submitted").incident, reviewers(1)
    with real_login(WEB), transaction.atomic():
        factories.live_request(incident, sue)  # control
    with refused("isolation"), real_login(WEB), transaction.atomic():
        sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        factories.live_request(incident, sue)


def test_the_control_without_that_rule_approves_over_a_rejection(
    behind_the_times: tuple[m.Proposal, Callable[[], None]],
) -> None:
    proposal, act = behind_the_times
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_functiondef('remediation.lock_proposal_v1(uuid)'::regprocedure)"
        )
        definition = cursor.fetchone()[0]
        assert "'read uncommitted')" in definition
        cursor.execute(definition.replace("'read uncommitted')", "'repeatable read')"))
        # Both write the place in the queue, which would stop the old snapshot by chance.
        cursor.execute("ALTER TABLE remediation_review DISABLE TRIGGER queue")
        try:
            act()
        finally:
            cursor.execute(definition)
            cursor.execute("ALTER TABLE remediation_review ENABLE ALWAYS TRIGGER queue")
    assert set(proposal.reviews.values_list("decision", flat=True)) == {"approve", "reject"}
    proposal.refresh_from_db()
    assert proposal.state == "approved"


@pytest.mark.parametrize("attempt", range(3))
def test_a10_two_people_approve_two_alternatives_at_once_and_one_wins(attempt: int) -> None:
    """Of a choice at most one is ever approved, whoever comes first."""
    first, second = chosen()
    alice, bob = reviewers(2)
    results = race((WEB, decide(first, alice)), (WEB, decide(second, bob)))
    assert names(results) == ["choice_taken", "done"]
    assert sorted(approvals(each)[1] for each in (first, second)) == [0, 1]


def test_a10_the_second_approval_of_a_choice_waits_for_the_first() -> None:
    """The only interleaving in which each would see the other one open."""
    (first, second), (alice, bob) = chosen(), reviewers(2)
    one, other = decide(first, alice), decide(second, bob)
    with contextlib.ExitStack() as afterwards, transaction.atomic():
        assert one() is True
        found = afterwards.enter_context(behind(WEB, other))
        assert found == []
    assert names(found) == ["choice_taken"]
    assert (approvals(first), approvals(second)) == ((1, 1, 1), (0, 0, 0))


def chosen() -> list[m.Proposal]:
    """Return two alternatives of one choice, in review."""
    made = factories.alternatives(factories.proposal())
    for each in made:
        factories.assess(each, slots=["any"])
    return made
