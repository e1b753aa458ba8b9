"""The world that attacks are run against: people, and proposals in every interesting situation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from remediation import models as m
from tests import factories
from tests.factories import Person

# Leases outlive the tests of a module; ten minutes is the longest there is.
LONG = 590
TWO = ("security", "service_owner")


@dataclass(frozen=True)
class World:
    """Committed once for a module of tests; every attack is rolled back."""

    alice: Person  # approver, security
    bob: Person  # approver, service owner
    carol: Person  # auditor, no approver
    dave: Person  # owner of the agent, and an approver
    eve: Person  # made the agent's token, and an approver
    gone: Person  # approver, deactivated
    agent: m.Agent
    token: m.AgentToken
    submitted: m.Proposal
    in_review: m.Proposal  # one seat, for anybody
    two: m.Proposal  # two seats, alice's taken
    filled: m.Proposal  # one seat, taken, not yet moved
    disputed: m.Proposal  # one seat; rejected and, by hand of the owner, approved as well
    stale: m.Proposal  # in review, assessed more than ten minutes ago
    late: m.Proposal  # in review, the time to decide has passed
    session: m.ReviewSession  # alice's, on in_review
    expired: m.ReviewSession  # alice's, on in_review, expired
    approved: m.Proposal
    approved_late: m.Proposal  # the time to run has passed
    executing: m.Execution  # two steps, the first intended
    ended: m.Execution  # two steps, the first failed
    slept: m.Execution  # the first step intended; then the lease ran out
    unknown: m.Execution
    rejected: m.Proposal
    contained: m.Incident


def build() -> World:
    """Make the world, with the rights of each process."""
    person = factories.person
    alice, bob = person("alice", roles=["security"]), person("bob", roles=["service_owner"])
    carol, dave = person("carol", roles=["auditor"]), person("dave", roles=["security"])
    eve, gone = person("eve", roles=["security"]), person("gone", roles=["security"], active=False)
    agent = factories.agent(dave)
    token = factories.token(agent, by=eve)

    def at(state: str, *names: str, **said: object) -> m.Proposal:
        return factories.proposal_at(state, *names, agent=agent, token=token, **said)  # type: ignore[arg-type]

    in_review = at("in_review")
    expired = factories.session(in_review, alice)
    factories.backdate(expired, "expires_at", minutes=6)
    two = at("in_review", slots=TWO)
    factories.review(two, alice, slot="security")
    filled = at("in_review")
    factories.review(filled, alice)
    succeeded = at("succeeded")
    return World(
        alice, bob, carol, dave, eve, gone, agent, token,
        submitted=at("submitted"),
        in_review=in_review,
        two=two,
        filled=filled,
        disputed=_disputed(at("in_review"), alice, bob),
        stale=_stale(at("in_review")),
        late=at("in_review", ruling={"decide_by": datetime.now(UTC) - timedelta(seconds=1)}),
        session=factories.session(in_review, alice),
        expired=expired,
        approved=_leased(at("approved")),
        approved_late=_leased(at("approved", ruling={"run_within_s": 0})),
        executing=_executing(at("approved", *_names())),
        ended=_ended(at("approved", *_names())),
        slept=_slept(at("approved")),
        unknown=_unknown(at("approved")),
        rejected=at("rejected", reviewers=[alice]),
        contained=_contained(succeeded),
    )  # fmt: skip


def _names() -> tuple[str, str]:
    return f"t{factories.number()}", f"t{factories.number()}"


def _disputed(proposal: m.Proposal, alice: Person, bob: Person) -> m.Proposal:
    factories.review(proposal, bob, "reject")
    factories.review(proposal, alice)
    return proposal


def _stale(proposal: m.Proposal) -> m.Proposal:
    factories.backdate(proposal.assessments.get(), minutes=11)
    return proposal


def _leased(proposal: m.Proposal) -> m.Proposal:
    for target in proposal.targets.all():
        factories.lease(target.locator, secs=LONG)
    return proposal


def _executing(proposal: m.Proposal) -> m.Execution:
    _leased(proposal)
    return factories.execute(proposal, tokens=_tokens(proposal))


def _ended(proposal: m.Proposal) -> m.Execution:
    run = _executing(proposal)
    for phase in ("applied", "verified", "failed"):
        factories.step(run, phase)
    return run


def _slept(proposal: m.Proposal) -> m.Execution:
    run = _executing(proposal)
    factories.end_lease(proposal.targets.get().locator)
    return run


def _unknown(proposal: m.Proposal) -> m.Execution:
    run = _executing(proposal)
    factories.move(proposal, "unknown")
    return run


def _contained(proposal: m.Proposal) -> m.Incident:
    factories.incident_move(proposal.incident, "contained")
    return proposal.incident


def _tokens(proposal: m.Proposal) -> dict[str, int]:
    locators = [target.locator for target in proposal.targets.all()]
    return dict(m.Lease.objects.filter(pk__in=locators).values_list("target", "token"))
