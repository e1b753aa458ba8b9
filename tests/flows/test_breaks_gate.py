"""Attacks on the gate: b… succeeded when first tried (all are fixed), h… always failed.

Each test states the present behaviour.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client

from remediation import models as m
from remediation.domain import errors
from remediation.executors import run
from remediation.services import host_files
from remediation.services.actors import PersonActor, ProcessActor
from remediation.services.execution import confirm, freeze
from remediation.services.execution import run as runs
from remediation.services.inventory import facts
from remediation.services.outbox import expire
from remediation.services.reporting import supersede
from remediation.services.review import sign
from tests import factories, stepup
from tests.database.logins import connect
from tests.factories import WEB, WORKER, Person
from tests.flows.conftest import MakeWorld
from tests.flows.world import WORKER_ACTOR, World, acts


def editor(someone: Person) -> PersonActor:
    factories.join(someone.user, "inventory_editor")
    return PersonActor(someone.user.person, someone.user.pk)


def test_b01_adding_an_edge_takes_unknown_scope_away_and_the_one_who_added_it_approves_alone(
    make_world: MakeWorld,
) -> None:
    """A45: with no known service two roles are needed; alice's harmless edge must not reduce it."""
    world = make_world(environment="development")
    edge = m.Dependency.objects.get()
    factories.dependency_version(edge, present=False)
    factories.settle_inventory()
    service, identity = m.Service.objects.get(), m.Identity.objects.get()
    before = world.in_review()
    assert m.Assessment.objects.get(proposal_id=before).slots == ["security", "service_owner"]
    with acts(WEB):
        facts.set_dependency(
            actor=editor(world.people["alice"]), source_id=service.pk, needs=identity, present=True
        )
        bob, act = world.people["bob"], sign.observing(before, 1)
        proof = stepup.proof(bob, act)
        sign.observe_again(actor=bob.user, proposal_id=before, proof=proof)
    world.assess(before)
    slots = m.Assessment.objects.latest("id").slots
    assert slots == ["security", "service_owner"]
    with pytest.raises(errors.Separation):
        world.decide("alice", before, slot="any")


def test_b02_naming_an_owner_team_is_loosening(make_world: MakeWorld) -> None:
    world = make_world(environment="development")
    service = m.Service.objects.get()
    factories.service_version(service, environment="development", owner_team="")
    factories.settle_inventory()
    mallory = world.people["mallory"]
    factories.service_version(
        service, environment="development", owner_team="x", author=mallory.actor
    )
    factories.settle_inventory(days=2)
    proposal_id = world.in_review()
    assert m.Assessment.objects.latest("id").slots == ["any"]
    with pytest.raises(errors.Separation):
        world.decide("mallory", proposal_id, slot="any")


def test_b03_a_web_login_that_loosened_the_inventory_under_a_false_name_approves_alone(
    make_world: MakeWorld,
) -> None:
    """hitl_web writes a version as `operator:nobody`; a day later two approvers are needed."""
    world = make_world(environment="production")
    factories.settle_inventory()
    with factories.acting(WEB):
        entry = factories.entry("person:inventory:changed", "operator:nobody", "x")
        said = {"owner_team": "t", "environment": "development", "author": "operator:nobody"}
        m.IdentityVersion.objects.create(identity=m.Identity.objects.get(), entry=entry, **said)
        m.ServiceVersion.objects.create(
            service=m.Service.objects.get(), entry=entry, criticality="low", payment_path=False,
            external_partner=False, **said,
        )  # fmt: skip
    factories.settle_inventory(days=1.01)
    world.environment = "development"
    world.floor = "production"  # the worker's targets file overrides rows that web writes
    world.inject({})
    proposal_id = world.in_review()
    with pytest.raises(errors.SlotNotOpen):
        world.decide("alice", proposal_id, slot="any")
    world.decide("alice", proposal_id)
    world.execute(proposal_id)
    assert world.calls() == []


def test_b04_a_deadline_that_came_earlier_once_does_not_stop_every_later_round(
    make_world: MakeWorld,
) -> None:
    world = make_world(environment="development")
    factories.settle_inventory()
    proposal_id = world.in_review()
    world.inject({"t1": {"unobservable": True}})
    world.assess(proposal_id, reason="person")
    world.inject({})
    world.assess(proposal_id, reason="person")
    assert world.get(proposal_id).round == 3


def test_b05_a_target_unobservable_for_a_moment_stays_approved_whatever_the_slots(
    make_world: MakeWorld,
) -> None:
    """A31: after target_unobservable the proposal stays approved and is retried with back-off."""
    world = make_world(environment="development")
    factories.settle_inventory()
    proposal_id = world.in_review()
    world.decide("alice", proposal_id, slot="any")
    world.inject({"t1": {"unobservable": True}})
    world.execute(proposal_id)
    assert (world.refusals(proposal_id), world.state_of(proposal_id)) == (
        ["target_unobservable"], "approved",
    )  # fmt: skip


def test_b06_an_entitled_reviewer_may_say_no_although_the_seat_of_the_role_is_taken(
    world: World,
) -> None:
    world.approve_keys_of("alice", "bob", "mallory")
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    world.decide("mallory", proposal_id, "reject")
    world.settle(proposal_id)
    assert world.state_of(proposal_id) == "rejected"


def test_b07_the_owner_of_the_agent_cannot_void_every_round_by_asking_to_observe_again(
    world: World,
) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    with acts(WEB), pytest.raises(errors.Separation):
        dave = world.people["dave"]
        proof = stepup.proof(dave, sign.observing(proposal_id, 1))
        sign.observe_again(actor=dave.user, proposal_id=proposal_id, proof=proof)


class Payload:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (open, (self.path, "w"))


@pytest.mark.filterwarnings("ignore:No directory at")
def test_b08_who_can_write_the_cache_does_not_run_code_in_the_web_process(
    world: World, tmp_path: Any
) -> None:
    proof = tmp_path / "ran"
    key = cache.make_key("django.contrib.sessions.cachea" + "b" * 31)
    raw = redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])
    raw.set(key, pickle.dumps(Payload(str(proof))), ex=60)
    client = Client()
    client.cookies["sessionid"] = "a" + "b" * 31
    with acts(WEB):
        client.get("/")
    assert not proof.exists()


def test_b09_an_approver_removed_in_the_middle_gives_no_access_back(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A65: the second step is refused; what the first one took away stays away."""
    world = make_world("t1", "t2")
    proposal_id = world.approved()
    real = run.run_verify

    def removed(*args: Any) -> Any:
        world.end_key_of("alice")
        return real(*args)

    monkeypatch.setattr(confirm, "run_verify", removed)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "stopped"
    assert (world.state("t1"), world.state("t2")) == ("off", "on")


def test_b10_a_worker_killed_before_it_concludes_leaves_a_state_that_ends(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A40: the run ends, and no target is called again."""
    world = make_world("t1", "t2")
    proposal_id = world.approved()
    world.inject({"t2": {"fail_apply": True}})

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs, "conclude", killed)
        with pytest.raises(KeyboardInterrupt):
            world.execute(proposal_id)
    for _ in range(3):
        world.reconcile()
    calls = [(call["call"], call["target"]) for call in world.calls()]
    assert (world.state_of(proposal_id), calls) == ("stopped", [("apply", "t1")])


def test_b11_the_clearance_counts_from_the_observation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that sleeps between observation and gate must not run on old observations."""
    proposal_id = world.approved()
    clock, real, skew = time.monotonic, host_files.approvers, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock() + skew[0])

    def sleeps() -> Any:
        skew[0] = 60.0
        world.set_state("t1", "changed meanwhile")
        return real()

    monkeypatch.setattr(host_files, "approvers", sleeps)
    world.execute(proposal_id)
    assert world.calls() == []


def test_b13_an_operator_is_whom_the_system_names_not_the_environment() -> None:
    code = "from remediation.services.actors import operator; print(operator().ref)"
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, env={"LOGNAME": "somebody-else", "PATH": "/usr/bin"},
        check=False,
    )  # fmt: skip
    assert "somebody-else" not in out.stdout, out


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("login", ["hitl_web", "hitl_auditor", "hitl_sequencer"])
def test_b12_no_other_login_can_hold_back_the_freeze(login: str) -> None:
    with connect(login) as holder:
        holder.execute(
            "SELECT pg_advisory_lock(%s)", [0x667265657A65]
        )  # a lock that this login could take before
        with acts(WORKER), connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1s'")
            try:
                freeze.freeze(actor=ProcessActor("operator:t@t"), reason="stop")
            finally:
                cursor.execute("RESET lock_timeout")
    assert m.Freeze.objects.filter(frozen=True).exists()


def test_b14_one_audit_entry_speaks_of_one_fact(world: World) -> None:
    """hitl_web inserts a token whose entry is about something else and by another actor."""
    agent = m.Agent.objects.get()
    with pytest.raises(IntegrityError), factories.acting(WEB):
        entry = factories.entry("person:request:refused", "system:portal", "address:/")
        for number in range(2):
            m.AgentToken.objects.create(
                agent=agent, prefix=f"aaaa{number}", hash=f"{number}" * 64,
                created_by=world.people["alice"].user.person, expires_at=factories.soon(),
                entry=entry,
            )  # fmt: skip


def test_b16_a_plan_that_a_person_wrote_is_not_washed_by_the_agents_resubmission(
    world: World,
) -> None:
    """A07, A79: mallory edits; the agent neither replaces that version, nor gets one of its own by
    a report of the same plan. So mallory stays excluded."""
    first = world.in_review()
    mallory = world.people["mallory"].user
    plan = world.plan()
    again: dict[str, Any] = {"plan": plan, "rationale": "", "reason": "again"}
    with acts(WEB), transaction.atomic():
        second = supersede.supersede(
            actor=PersonActor(mallory.person, mallory.pk), proposal_id=first, **again
        )
    with acts(WEB), pytest.raises(errors.NoSuchObject):
        supersede.supersede(actor=world.agent, proposal_id=second, **again)
    assert world.submit() == second
    world.assess(second)
    with pytest.raises(errors.Separation):
        world.decide("mallory", second)


def test_b17_a_token_that_was_revoked_stops_what_was_proposed_with_it(world: World) -> None:
    """A16: a stolen token is revoked between approval and execution."""
    proposal_id = world.approved()
    factories.revoke(m.AgentToken.objects.get(), world.people["eve"])
    world.execute(proposal_id)
    assert world.calls() == []


def test_b18_a_run_waits_for_an_approvers_file_that_cannot_be_read_for_a_moment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A65: what was applied stays, and the run is concluded when the file can be read again."""
    proposal_id = world.approved()
    file = world.directory / "approvers.json"
    kept, real = file.read_bytes(), run.run_verify

    def unreadable(*args: Any) -> Any:
        file.unlink()
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(confirm, "run_verify", unreadable)
        with suppress(errors.Refused):
            world.execute(proposal_id)
    assert world.state() == "off"
    file.write_bytes(kept)
    world.reconcile()
    assert (world.state_of(proposal_id), world.state()) == ("succeeded", "off")


@pytest.mark.django_db(transaction=True)
def test_b19_a_web_login_that_holds_one_proposal_does_not_stop_the_expiry_of_the_others(
    world: World,
) -> None:
    held = world.in_review()
    world.environment = "staging"  # another plan, so another proposal
    other = world.in_review()
    assert held != other
    for row in m.Assessment.objects.all():
        factories.backdate(row, "decide_by", hours=2)
    with connect("hitl_web") as holder:
        holder.execute("SELECT remediation.lock_proposal_v1(%s)", [held])
        with acts(WORKER), connection.cursor() as cursor:
            # Replaces an hour of waiting; the worker's sessions have no limit.
            cursor.execute("SET statement_timeout = '20s'")
            with suppress(DatabaseError):
                expire.expire(actor=WORKER_ACTOR)
            cursor.execute("RESET statement_timeout")
    assert world.state_of(other) == "expired"


# ---- held ----------------------------------------------------------------------------------------


def test_h01_one_entry_serves_no_transition_of_another_proposal(world: World) -> None:
    one, other = world.submit(), factories.proposal().pk
    actor = world.agent.ref
    with pytest.raises(IntegrityError, match="entry_names"), factories.acting(WEB):
        entry = factories.entry(
            "agent:proposal:withdrawn",
            actor,
            f"proposal:{one}",
            **{"from": "submitted", "to": "withdrawn"},
        )
        for proposal_id in (one, other):
            m.Transition.objects.create(
                proposal_id=proposal_id, from_state="submitted", to_state="withdrawn", round=0,
                actor=actor, entry=entry,
            )  # fmt: skip


def test_h02_an_entry_that_was_rolled_back_to_a_savepoint_serves_nothing(world: World) -> None:
    one = world.submit()
    actor = world.agent.ref
    with pytest.raises(IntegrityError, match="entry_in_transaction"), factories.acting(WEB):
        point = transaction.savepoint()
        entry = factories.entry(
            "agent:proposal:withdrawn",
            actor,
            f"proposal:{one}",
            **{"from": "submitted", "to": "withdrawn"},
        )
        transaction.savepoint_rollback(point)
        m.Transition.objects.create(
            proposal_id=one, from_state="submitted", to_state="withdrawn", round=0,
            actor=actor, entry=entry,
        )  # fmt: skip


def test_h03_a_group_renamed_to_an_approver_role_gives_no_key(world: World) -> None:
    """A group is renamed past the guard of power, and signs: counted, but the gate refuses."""
    world.people["mallory"].user.groups.clear()
    Group.objects.filter(name="security").update(name="was_security")
    made = Group.objects.create(name="mine")
    made.user_set.add(*(world.people[name].user for name in ("mallory", "alice")))
    Group.objects.filter(pk=made.pk).update(name="security")
    proposal_id = world.in_review()
    world.decide("mallory", proposal_id)
    world.decide("bob", proposal_id)
    world.execute(proposal_id)
    assert world.calls() == []
    assert world.refusals(proposal_id) == ["unknown_approver_key"]


def test_h04_a_target_row_with_a_negative_step_is_refused(world: World) -> None:
    """`jsonb -> -1` is the last item, so such a row could hide a missing target."""
    proposal_id = world.submit()
    with pytest.raises(IntegrityError), factories.acting(WEB):
        m.ProposalTarget.objects.create(proposal_id=proposal_id, step=-1, locator="test.target:t1")
