"""The world that attacks run against: people, and proposals in every relevant state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction

from remediation import models as m
from tests import factories
from tests.factories import WEB, Person

# The longest lease, ten minutes, outlives the tests of a module.
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
    sue: Person  # approver, security
    gone: Person  # approver, deactivated
    lou: Person  # approver, security; loosened the inventory of `loose`
    agent: m.Agent
    token: m.AgentToken
    submitted: m.Proposal
    in_review: m.Proposal  # one slot, for any role
    two: m.Proposal  # a slot of each role, alice's filled
    pair: m.Proposal  # two slots for any role, alice's filled
    filled: m.Proposal  # one slot, filled, not yet moved
    filled_late: m.Proposal  # the same, and the time to decide has passed
    again: m.Proposal  # in its second round; alice approved in the first one
    disputed: m.Proposal  # one slot; rejected, and approved by hand of hitl_owner
    loose: m.Proposal  # in review
    stale: m.Proposal  # in review, assessed more than ten minutes ago
    late: m.Proposal  # in review, the time to decide has passed
    session: m.ReviewSession  # alice's, on in_review
    expired: m.ReviewSession  # alice's, on in_review, expired
    invitation: m.Invitation  # sue's, expired
    yesterday: int  # an entry of another transaction: in_review → withdrawn, by the agent
    targetless: m.Proposal  # submitted by an attacker without its targets
    offered: m.Proposal  # an alternative in review, and the other one is open, too
    too_late: m.Proposal  # an alternative with its slot filled, and the other one is approved
    approved: m.Proposal
    approved_late: m.Proposal  # the time to run has passed
    executing: m.Execution  # two steps, the first intended
    ended: m.Execution  # two steps, the first applied and not confirmed
    halted: m.Execution  # two steps, the first verified; then alice halted it, and bob
    stopped: m.Execution  # the same, and the worker found that alice's halt holds
    kept: m.Execution  # two steps, the first applied; then the run stopped and keeps it
    kept_long: m.Execution  # the same, and it stopped more than an hour ago
    kept_empty: m.Execution  # two steps; stopped, and nothing is on record as applied
    settled: m.Execution  # stopped, and alice settled it by hand
    undoing: m.Execution  # two steps, the first applied; a verified undo of alice
    begun_halt: m.HaltSession  # alice's, on executing
    late_halt: m.HaltSession  # alice's, on executing, expired
    useless: m.Halt  # alice's; the run ended before anybody verified the halt
    overdue: m.Execution  # two steps, the first verified; the time to run has passed
    slept: m.Execution  # the first step intended; then the lease ran out
    waiting: m.Wait  # after the first of two steps, for a person
    looking: m.Wait  # after the first of two steps, until consumers moved
    answered: m.Wait  # likewise for a person; alice's word to go on is not verified
    idle: m.Wait  # likewise, and its leases ran out
    gave_up: m.Wait  # likewise, and the run stopped
    unknown: m.Execution
    succeeded: m.Execution
    orphaned: m.Proposal
    rejected: m.Proposal
    contained: m.Incident
    seen: m.IncidentLook  # found an open incident without access
    seen_old: m.IncidentLook  # likewise, eleven minutes ago
    seen_access: m.IncidentLook
    seen_unread: m.IncidentLook
    closed_filled: m.Proposal  # one slot, filled, not yet moved; then its incident was closed
    closed_approved: m.Proposal  # approved, then its incident was closed
    closed_run: m.Execution  # two steps, the first verified; then its incident was closed
    closed_reversal: m.Proposal  # a reversal that was approved; then its incident was closed
    narrowed: m.Proposal  # two slots for any role; alice's narrowing, which counts, fills one
    owned: m.Proposal  # in review; a slot for an owner of its service, on which nobody has a right
    live: m.LiveRequest  # sue's, about an open incident
    narrowed_by_sue: m.Proposal  # two slots; sue narrowed it, which counts


def build() -> World:
    """Make the world, with the rights of each process."""
    person = factories.person
    alice, bob = person("alice", roles=["security"]), person("bob", roles=["service_owner"])
    carol, dave = person("carol", roles=["auditor"]), person("dave", roles=["security"])
    eve, sue = person("eve", roles=["security"]), person("sue", roles=["security"])
    gone = person("gone", roles=["security"], active=False)
    lou = person("lou", roles=["security"])
    for name in ("lead", "user_admin"):
        Group.objects.get_or_create(name=name)
    agent = factories.agent(dave)
    token = factories.token(agent, by=eve)

    def at(state: str, *names: str, **said: Any) -> m.Proposal:
        return factories.proposal_at(state, *names, agent=agent, token=token, **said)

    def taken(slots: Sequence[str] = ("any",)) -> m.Proposal:
        proposal = at("in_review", slots=slots)
        factories.review(proposal, alice, slot=slots[0])
        return proposal

    in_review = at("in_review")
    approved_steps = [at("approved", *_names()) for _ in range(16)]
    executing = _executing(approved_steps[0])
    overdue = _overdue(approved_steps[2])
    return World(
        alice, bob, carol, dave, eve, sue, gone, lou, agent, token,
        submitted=at("submitted"),
        in_review=in_review,
        two=taken(TWO),
        pair=taken(("any", "any")),
        filled=taken(),
        filled_late=_filled_late(taken()),
        again=_again(taken()),
        disputed=_disputed(at("in_review"), alice, bob),
        loose=_loose(at("in_review"), lou),
        stale=_stale(at("in_review")),
        late=at("in_review", ruling={"decide_by": datetime.now(UTC) - timedelta(seconds=1)}),
        session=factories.session(in_review, alice),
        expired=_expired(factories.session(in_review, alice)),
        invitation=_expired(factories.invitation(sue), minutes=16),
        yesterday=_yesterday(in_review),
        targetless=_targetless(in_review),
        offered=_alternatives(at("submitted"))[0],
        too_late=_too_late(at("submitted"), alice, bob),
        approved=_leased(at("approved")),
        approved_late=_leased(at("approved", ruling={"run_within_s": 0})),
        executing=executing,
        ended=_run(approved_steps[1], "applied", "unconfirmed"),
        halted=_halted(approved_steps[3], alice, bob),
        stopped=_stopped(approved_steps[4], alice),
        waiting=_waits(approved_steps[11]),
        looking=_waits(
            approved_steps[12],
            person=False,
            conditions=[{"condition": "consumers_moved", "step": 0}],
        ),
        answered=_answered(approved_steps[13], alice),
        idle=_idle(approved_steps[14]),
        gave_up=_gave_up(approved_steps[15]),
        kept=_kept(approved_steps[6], "applied"),
        kept_long=_kept_long(approved_steps[7]),
        kept_empty=_kept_by_word(approved_steps[8]),
        settled=_settled(approved_steps[9], alice),
        undoing=_undoing(approved_steps[10], alice),
        begun_halt=_begun_halt(executing.proposal, alice),
        late_halt=_expired(_begun_halt(executing.proposal, alice)),
        useless=_useless(approved_steps[5], alice),
        overdue=overdue,
        slept=_slept(at("approved")),
        unknown=_unknown(at("approved", *_names())),
        succeeded=at("succeeded").execution,
        orphaned=_orphaned(at("succeeded")),
        rejected=at("rejected", reviewers=[alice]),
        contained=_asked(_contained(at("succeeded")), sue),
        seen=factories.look(at("succeeded").incident),
        seen_old=_old(factories.look(at("submitted").incident)),
        seen_access=factories.look(at("submitted").incident, "access"),
        seen_unread=factories.look(at("submitted").incident, "unread"),
        closed_filled=_closed(taken()),
        closed_approved=_closed(_leased(at("approved"))),
        closed_run=_closed_run(at("approved", *_names())),
        closed_reversal=_closed(_reversal(at("succeeded"), alice)),
        narrowed=_narrowed(at("in_review"), alice),
        owned=_owned(agent, token),
        live=factories.live_request(at("submitted").incident, sue),
        narrowed_by_sue=_narrowed_by(at("in_review"), sue),
    )  # fmt: skip


def _narrowed_by(old: m.Proposal, by: Person) -> m.Proposal:
    from tests.database.attacks_narrowing import follow, narrow

    plan = factories.load(old)
    with transaction.atomic():
        made = follow(old, by, narrow(old, by), plan)
    factories.assess(made, slots=("any", "any"), narrowing_counts=True)
    return made


def _names() -> tuple[str, str]:
    return f"t{factories.number()}", f"t{factories.number()}"


def _narrowed(old: m.Proposal, alice: Person) -> m.Proposal:
    proposal = factories.narrow(old, alice)
    factories.assess(proposal, slots=["any", "any"], narrowing_counts=True)
    return proposal


def _owned(agent: m.Agent, token: m.AgentToken) -> m.Proposal:
    service = factories.service(owner_team="orders", payment_path=True, environment="production")
    factories.dependency(service, factories.identity("test.target:owned"))
    proposal = factories.proposal("owned", agent=agent, token=token, in_inventory=False)
    factories.assess(proposal)
    return proposal


def _orphaned(old: m.Proposal) -> m.Proposal:
    """Make a reversal in review whose proposer has left."""
    someone = factories.person(roles=["security"])
    proposal = factories.insert_proposal(
        factories.load(old),
        diagnosis=old.diagnosis,
        agent=old.agent,
        token=old.token,
        editor=someone.id,
        reverses=old,
    )
    factories.assess(proposal)
    someone.user.groups.clear()
    return proposal


def _disputed(proposal: m.Proposal, alice: Person, bob: Person) -> m.Proposal:
    factories.review(proposal, bob, "reject")
    factories.review(proposal, alice)
    return proposal


def _loose(proposal: m.Proposal, lou: Person) -> m.Proposal:
    edge = m.Dependency.objects.get(identity__locator=proposal.targets.get().locator)
    factories.service_version(edge.source, environment="development", author=lou.actor)
    return proposal


def _stale(proposal: m.Proposal) -> m.Proposal:
    factories.backdate(proposal.assessments.get(), minutes=11)
    return proposal


def _filled_late(proposal: m.Proposal) -> m.Proposal:
    factories.backdate(proposal.assessments.get(), "decide_by", days=1)
    return proposal


def _again(proposal: m.Proposal) -> m.Proposal:
    factories.assess(proposal, slots=("any",))
    return proposal


def _expired(row: Any, minutes: float = 6) -> Any:
    factories.backdate(row, "expires_at", minutes=minutes)
    return row


def _yesterday(proposal: m.Proposal) -> int:
    says = {"from": "in_review", "to": "withdrawn"}
    with factories.acting(factories.WEB):
        return factories.entry(
            "agent:proposal:withdrawn", proposal.agent.actor, f"proposal:{proposal.pk}", **says
        )


def _targetless(model: m.Proposal) -> m.Proposal:
    made = m.Proposal(
        incident=model.incident,
        diagnosis=model.diagnosis,
        plan=bytes(model.plan),
        plan_digest=model.plan_digest,
        agent=model.agent,
        token=model.token,
    )
    with factories.acting(factories.WEB):
        made.entry = factories.entry(
            "agent:proposal:submitted", made.agent.actor, f"proposal:{made.pk}"
        )
        made.save(force_insert=True)
    return made


def _leased(proposal: m.Proposal) -> m.Proposal:
    for target in proposal.targets.all():
        factories.lease(target.locator, secs=LONG)
    return proposal


def _executing(proposal: m.Proposal) -> m.Execution:
    _leased(proposal)
    return factories.execute(proposal, tokens=_tokens(proposal))


def _run(proposal: m.Proposal, *phases: str) -> m.Execution:
    run = _executing(proposal)
    for phase in phases:
        factories.step(run, phase)
    return run


def _halted(proposal: m.Proposal, *people: Person) -> m.Execution:
    run = _run(proposal, "applied", "verified")
    for someone in people:
        factories.halt(proposal, someone)
    return run


def _stopped(proposal: m.Proposal, alice: Person) -> m.Execution:
    run = _halted(proposal, alice)
    factories.halt_verdict(proposal.halts.get())
    return run


def _kept(proposal: m.Proposal, *phases: str) -> m.Execution:
    run = _run(proposal, *phases)
    factories.move(proposal, "stopped")
    return run


def _waits(proposal: m.Proposal, **said: Any) -> m.Wait:
    run = _run(proposal, "applied", "verified")
    _claimed(proposal)
    return factories.wait_for(run, **said)


def _answered(proposal: m.Proposal, alice: Person) -> m.Wait:
    made = _waits(proposal)
    factories.entitle(proposal, alice)
    factories.halt(proposal, alice, decision="go_on", step=0, seen="0" * 64)
    return made


def _idle(proposal: m.Proposal) -> m.Wait:
    made = _waits(proposal)
    for target in proposal.targets.all():
        factories.end_lease(target.locator)
    return made


def _gave_up(proposal: m.Proposal) -> m.Wait:
    made = _waits(proposal)
    factories.move(proposal, "stopped")
    return made


def _claimed(proposal: m.Proposal) -> None:
    """Say in the leases for which proposal they are, as a worker's claim does."""
    locators = [target.locator for target in proposal.targets.all()]
    with factories.unguarded("remediation_lease"):
        m.Lease.objects.filter(pk__in=locators).update(proposal=proposal)


def _kept_by_word(proposal: m.Proposal) -> m.Execution:
    """Stop an unknown run whose record shows no applied step, as people may say."""
    run = _run(proposal, "unknown")
    factories.move(proposal, "unknown")
    factories.move(proposal, "stopped")
    return run


def _kept_long(proposal: m.Proposal) -> m.Execution:
    run = _kept(proposal, "applied")
    factories.backdate(proposal.transitions.get(to_state="stopped"), minutes=61)
    return run


def _settled(proposal: m.Proposal, alice: Person) -> m.Execution:
    run = _kept(proposal, "applied")
    factories.halt_verdict(factories.halt(proposal, alice, decision="settle"))
    return run


def _undoing(proposal: m.Proposal, alice: Person) -> m.Execution:
    run = _run(proposal, "applied")
    factories.halt_verdict(factories.halt(proposal, alice, decision="undo"))
    return run


def _begun_halt(proposal: m.Proposal, alice: Person) -> m.HaltSession:
    return factories.halt_session(factories.halt_statement(proposal, alice), proposal)


def _useless(proposal: m.Proposal, alice: Person) -> m.Halt:
    run = _executing(proposal)
    made = factories.halt(proposal, alice)
    factories.step(run, "failed")
    factories.move(proposal, "failed")
    return made


def _overdue(proposal: m.Proposal) -> m.Execution:
    run = _run(proposal, "applied", "verified")
    factories.backdate(proposal.transitions.get(to_state="approved"), hours=1)
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


def _alternatives(like: m.Proposal) -> list[m.Proposal]:
    made = factories.alternatives(like)
    for each in made:
        factories.assess(each, slots=["any"])
    return made


def _too_late(like: m.Proposal, *reviewers: Person) -> m.Proposal:
    first, second = _alternatives(like)
    for each, someone in zip((second, first), reviewers, strict=True):
        factories.review(each, someone, slot="any")
    factories.move(first, "approved", login=WEB, actor=reviewers[1].actor)
    return second


def _old(look: m.IncidentLook) -> m.IncidentLook:
    factories.backdate(look, minutes=11)
    return look


def _closed(proposal: m.Proposal) -> m.Proposal:
    factories.incident_move(
        proposal.incident,
        "closed",
        login=factories.WEB,
        actor=factories.person(roles=["lead"]).actor,
        outcome="handled_outside",
        reason="It was handled outside the portal.",
    )
    return proposal


def _asked(incident: m.Incident, person: Person) -> m.Incident:
    """Ask the person how the incident turned out."""
    factories.outcome_question(incident, person)
    return incident


def _closed_run(proposal: m.Proposal) -> m.Execution:
    run = _run(proposal, "applied", "verified")
    _closed(proposal)
    return run


def _reversal(old: m.Proposal, alice: Person) -> m.Proposal:
    """Make an approved reversal, with the leases on its targets."""
    proposal = factories.insert_proposal(
        factories.load(old),
        diagnosis=old.diagnosis,
        agent=old.agent,
        token=old.token,
        editor=factories.person(roles=["security"]).id,
        reverses=old,
    )
    factories.assess(proposal)
    factories.approve(proposal, alice)
    for target in proposal.targets.all():
        factories.end_lease(target.locator)
    return _leased(proposal)


def _tokens(proposal: m.Proposal) -> dict[str, int]:
    locators = [target.locator for target in proposal.targets.all()]
    return dict(m.Lease.objects.filter(pk__in=locators).values_list("target", "token"))
