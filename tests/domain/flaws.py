"""Evidence with one flaw each, made from the approved story: every way in which it can fail.

`FLAWS` maps a name to the gate's step that must find it, the reason, and the evidence. The stored
fixtures in tests/vectors are made from it (tests/vectors/make.py) and replayed by test_vectors.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from audit.tlog.canonical import Json, encode
from remediation.domain.checks import Outcome
from remediation.domain.gate.evidence import (
    AgentEvidence,
    Evidence,
    Excluded,
)
from remediation.domain.observation import Pinned, Unobservable
from remediation.domain.policy import Ruling
from remediation.domain.statement import Decision, Verdicts
from tests.domain import record
from tests.domain.flawed_log import (
    _altered,
    _approval,
    _logged,
    _other_assertion,
    _other_key,
    _other_place,
    _other_statement,
    _unsigned,
)
from tests.domain.flawed_owners import another_team_since, bob_has
from tests.domain.flawed_reviews import (
    _ALICE_NOW,
    _BOB_NOW,
    _LENA,
    _alice,
    _alice_twice,
    _alices_review,
    _bob_fills_security,
    _bobs_assertion,
    _closed,
    _eve,
    _new_key_of_alice,
    _not_verified,
    _objection,
    _only_alice,
    _people,
    _place,
    _same_nonce,
    _undoing,
    _with,
)
from tests.domain.flawed_waits import FLAWS_OF_WAITS
from tests.domain.narrowed import FLAWS_OF_NARROWINGS
from tests.domain.story import (
    ALICE,
    ASSESSED,
    BOB,
    EVE,
    LOCATOR,
    NOW,
    SIGNED,
    Story,
    a_plan,
    a_scope,
    a_service,
    an_observation,
    plan_json,
    sign,
)


@dataclass(frozen=True)
class Flaw:
    """The step that must find the flaw first, the refusal's name, and how to make the flaw."""

    step: int
    reason: str
    make: Callable[[], Evidence]


def _body(name: str, change: Callable[[Any], Any]) -> Callable[[], Evidence]:
    """One recorded body was changed after everyone signed."""

    def make() -> Evidence:
        given = Story().evidence()
        document = json.loads(getattr(given, name))
        change(document)
        changes: dict[str, Any] = {name: encode(document).decode()}
        return replace(given, **changes)

    return make


def _unreadable(**changes: Any) -> Callable[[], Evidence]:
    return lambda: replace(Story().evidence(), **changes)


def _weak_ruling() -> Evidence:
    """A web process that wrote the assessment asks for less; the gate applies policy again."""
    story = Story()
    asked = replace(story.the_ruling().requirements, slots=("any",), risk="low")
    story.ruling = Ruling(asked, story.the_ruling().decide_by)
    return story.evidence(sign(story.statement(ALICE, "any")))


def _no_slots() -> Evidence:
    story = Story()
    story.ruling = Ruling(
        replace(story.the_ruling().requirements, slots=()), story.the_ruling().decide_by
    )
    return story.evidence(*story.reviews())


def _hidden_failure() -> Evidence:
    """A check failed, yet the ruling was made as if all had passed."""
    target = replace(a_scope().targets[0], environment="development")
    service = a_service(environment="development", criticality="low")
    story = Story(
        plan=a_plan(environment="development"),
        scope=a_scope(targets=(target,), services=(service,)),
    )
    story.ruling = story.the_ruling()
    assert story.ruling.slots == ("any",)
    failed = replace(story.checks[0], outcome=Outcome.FAIL, reason="another identity")
    story.checks = (failed, *story.checks[1:])
    return story.evidence(sign(story.statement(ALICE, "any")))


def _another_inventory() -> Evidence:
    """Since the approval, the inventory says that the service is on the payment path (A32)."""
    given = Story().evidence()
    return replace(given, facts=replace(given.facts, payment_path=True))


def _other_executor() -> Evidence:
    """Everyone signed a plan for another version of the executor (A05)."""
    story = Story()
    body = story.plan.body.replace(b'"executor":1', b'"executor":2')
    story.plan = replace(story.plan, body=body)
    return story.evidence()


def _seen(exists: bool = True, **state: Json) -> Callable[[], Evidence]:
    now = Pinned(LOCATOR, exists, an_observation(**state).state if exists else {})
    return _with(observations=(now,))


def _without_state() -> Evidence:
    state = dict(an_observation().state)
    del state["oid"]
    return Story().evidence(observations=(Pinned(LOCATOR, True, state),))


def _set(key: str, value: Any) -> Callable[[Any], None]:
    return lambda document: document.update({key: value})


FLAWS: dict[str, Flaw] = {
    # 1 digests
    "digest": Flaw(1, "digest", _body("plan", lambda d: d["steps"][0]["target"].update(role="x"))),
    "digest_environment": Flaw(1, "digest", _body("plan", _set("environment", "staging"))),
    "digest_diagnosis": Flaw(1, "digest", _body("diagnosis", _set("confidence", 1))),
    "digest_reversal": Flaw(1, "digest", _undoing(_LENA, "0" * 64)),
    "digest_scope": Flaw(1, "digest", _body("scope", _set("unknown", ["x"]))),
    "digest_ruling": Flaw(1, "digest", _body("ruling", _set("run_within_s", 10_000))),
    "digest_pin": Flaw(1, "digest", _body("pin", lambda d: d["targets"][0]["state"].pop("oid"))),
    "digest_checks": Flaw(1, "digest", _body("checks", lambda d: d["checks"].pop())),
    "digest_executor": Flaw(1, "digest", _other_executor),
    "digest_not_canonical": Flaw(
        1, "digest", lambda: replace(Story().evidence(), plan=json.dumps(plan_json()))
    ),
    "digest_unreadable": Flaw(1, "digest", _unreadable(ruling="{")),
    "digest_no_such_step": Flaw(1, "digest", _with(step=3)),
    "digest_applied_out_of_order": Flaw(1, "digest", _with(applied=(1,))),
    "signature_unreadable": Flaw(1, "signature", _alices_review(statement="{}")),
    # 2 ruling
    "digest_no_slots": Flaw(2, "digest", _no_slots),
    "ruling_tightened": Flaw(2, "ruling_tightened", _another_inventory),
    "ruling_tightened_weak": Flaw(2, "ruling_tightened", _weak_ruling),
    "ruling_tightened_checks": Flaw(2, "ruling_tightened", _hidden_failure),
    # 3 signatures
    "signature": Flaw(3, "signature", _bobs_assertion),
    "signature_not_verified": Flaw(3, "signature", _not_verified),
    "signature_other_proposal": Flaw(3, "signature", _alice(proposal=BOB)),
    "signature_other_round": Flaw(3, "signature", _alice(round=2)),
    "signature_other_slot": Flaw(3, "signature", _alices_review(slot="any")),
    "signature_other_person": Flaw(3, "signature", _alices_review(person=BOB)),
    "signature_expired": Flaw(3, "signature", _alice(expires=SIGNED - timedelta(seconds=1))),
    "signature_verdicts": Flaw(3, "signature", _alice(verdicts=Verdicts(True, False, True))),
    "signature_no_reason": Flaw(3, "signature", _alice(decision=Decision.REJECT)),
    "signature_other_origin": Flaw(3, "signature", _place("localhost", "http://localhost:9")),
    "signature_other_rp_id": Flaw(3, "signature", _place("evil.example", "http://localhost:8000")),
    "signature_nonce_twice": Flaw(3, "signature", _same_nonce),
    "unknown_approver_key": Flaw(3, "unknown_approver_key", _eve),
    "unknown_approver_key_new": Flaw(3, "unknown_approver_key", _new_key_of_alice),
    "unknown_approver_key_role": Flaw(3, "unknown_approver_key", _bob_fills_security),
    "unknown_approver_key_then": Flaw(
        # Named so when nothing bound the time of recording; now what was signed does.
        3,
        "signature",
        _alices_review(recorded_at=ASSESSED - timedelta(days=31)),
    ),
    # 4 quorum and separation of duties
    "quorum": Flaw(4, "quorum", _only_alice),
    "quorum_rejected": Flaw(4, "quorum", _objection(Decision.REJECT, "diagnosis_wrong")),
    "quorum_returned": Flaw(4, "quorum", _objection(Decision.RETURN, "diagnosis_unclear")),
    "separation": Flaw(4, "separation", _with(excluded=(Excluded(BOB, "owns the agent"),))),
    "separation_proposer": Flaw(4, "separation", _undoing(_ALICE_NOW)),
    "separation_twice": Flaw(4, "separation", _alice_twice),
    "separation_agent": Flaw(4, "separation", _with(agent=AgentEvidence(ALICE, True))),
    # 5 freshness
    "clock_skew": Flaw(5, "clock_skew", _with(worker_now=NOW + timedelta(seconds=2.001))),
    "clock_skew_future": Flaw(5, "clock_skew", _with(approved_at=NOW + timedelta(seconds=2.001))),
    # Named so when an approval before its reviews was not noticed yet.
    "deadline": Flaw(3, "signature", _with(approved_at=NOW - timedelta(seconds=900))),
    "deadline_run": Flaw(
        5,
        "deadline",
        _with(
            database_now=NOW + timedelta(seconds=900),
            worker_now=NOW + timedelta(seconds=900),
        ),
    ),
    "deadline_decide": Flaw(
        5,
        "deadline",
        _with(
            approved_at=ASSESSED + timedelta(seconds=1_801),
            database_now=ASSESSED + timedelta(seconds=1_802),
            worker_now=ASSESSED + timedelta(seconds=1_802),
        ),
    ),
    "agent_disabled": Flaw(5, "agent_disabled", _with(agent=AgentEvidence("a", False))),
    "proposer_lost": Flaw(5, "proposer_lost", _undoing(_LENA, active=False)),
    "proposer_lost_role": Flaw(5, "proposer_lost", _undoing(_LENA, roles=("auditor",))),
    "proposer_lost_roles": Flaw(5, "proposer_lost", _undoing(_LENA, roles=())),
    "reviewer_lost": Flaw(5, "reviewer_lost", _people(_ALICE_NOW, replace(_BOB_NOW, active=False))),
    "reviewer_lost_gone": Flaw(5, "reviewer_lost", _people(_ALICE_NOW)),
    "reviewer_lost_role": Flaw(
        5, "reviewer_lost", _people(_ALICE_NOW, replace(_BOB_NOW, roles=("auditor",)))
    ),
    "reviewer_lost_other_role": Flaw(
        5, "reviewer_lost", _people(_ALICE_NOW, replace(_BOB_NOW, roles=("security",)))
    ),
    "incident_closed": Flaw(5, "incident_closed", _with(incident=_closed(after=-1))),
    "incident_closed_same_moment": Flaw(
        5, "incident_closed", _undoing(_LENA, incident=_closed(after=0))
    ),
    "incident_closed_later": Flaw(5, "incident_closed", _with(incident=_closed(after=1))),
    "incident_closed_reversal": Flaw(
        5, "incident_closed", _undoing(_LENA, incident=_closed(after=-1))
    ),
    "frozen": Flaw(5, "frozen", _with(frozen="an exercise is going on")),
    # 6 drift
    "drift": Flaw(6, "drift", _seen(login=False)),
    "drift_recreated": Flaw(6, "drift", _seen(oid=99_999)),
    "drift_type": Flaw(6, "drift", _seen(login=1)),
    "drift_field": Flaw(6, "drift", _without_state),
    "target_gone": Flaw(6, "target_gone", _seen(exists=False)),
    "target_unobservable": Flaw(
        6,
        "target_unobservable",
        _with(observations=(), unobservable=(Unobservable(LOCATOR, "connection refused"),)),
    ),
    "target_unobservable_unseen": Flaw(6, "target_unobservable", _with(observations=())),
    "digest_skipped_step": Flaw(6, "digest", _with(applied=(0,))),
    # Version 3 of the evidence: rights on services, and the owners whom a ruling names.
    "ruling_tightened_another_team": Flaw(2, "ruling_tightened", another_team_since),
    "reviewer_lost_no_right": Flaw(5, "reviewer_lost", bob_has()),
    "reviewer_lost_right_elsewhere": Flaw(5, "reviewer_lost", bob_has("catalogue")),
    "reviewer_lost_right_without_role": Flaw(
        5, "reviewer_lost", bob_has("orders", roles=("security", "lead"))
    ),
    # 7 audit inclusion
    "bad_inclusion": Flaw(7, "bad_inclusion", _with(log=None)),
    "bad_inclusion_wrong_key": Flaw(
        7,
        "bad_inclusion",
        _logged(lambda b, n: b.prove(n, note=b.note(by=[record.signer(seed="x")]))),
    ),
    "bad_inclusion_other_log": Flaw(
        7,
        "bad_inclusion",
        _logged(lambda b, n: b.prove(n, note=b.note(by=[record.signer("other.example/log")]))),
    ),
    "bad_inclusion_unsigned": Flaw(7, "bad_inclusion", _logged(_unsigned)),
    "bad_inclusion_altered": Flaw(7, "bad_inclusion", _logged(_altered)),
    "bad_inclusion_other_place": Flaw(7, "bad_inclusion", _logged(_other_place)),
    "bad_inclusion_no_entry": Flaw(7, "bad_inclusion", _logged(lambda b, n: b.prove(n[1:]))),
    "bad_inclusion_no_approval": Flaw(7, "bad_inclusion", _logged(lambda b, n: b.prove(n[:-1]))),
    "bad_inclusion_other_statement": Flaw(7, "bad_inclusion", _other_statement),
    "bad_inclusion_other_assertion": Flaw(7, "bad_inclusion", _other_assertion),
    "bad_inclusion_other_key": Flaw(7, "bad_inclusion", _other_key),
    "bad_inclusion_other_round": Flaw(7, "bad_inclusion", _approval(data={"round": 2})),
    "bad_inclusion_other_move": Flaw(7, "bad_inclusion", _approval(data={"from": "submitted"})),
    "bad_inclusion_other_proposal": Flaw(
        7, "bad_inclusion", _approval(object="proposal:00000000-0000-4000-8000-000000000000")
    ),
    "bad_inclusion_other_actor": Flaw(7, "bad_inclusion", _approval(actor=f"person:{EVE}")),
    "bad_inclusion_other_action": Flaw(
        7, "bad_inclusion", _approval(action="person:proposal:withdrawn")
    ),
    # Narrowings, which count as approvals.
    **{name: Flaw(*flaw) for name, flaw in FLAWS_OF_NARROWINGS.items()},
    # Runs that wait.
    **{name: Flaw(*flaw) for name, flaw in FLAWS_OF_WAITS.items()},
}
