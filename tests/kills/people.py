"""People of the campaign: they report, approve and halt through the services, with web's login.

Each verb may be repeated: the portal's database may die in the middle.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from audit.tlog.canonical import encode
from remediation import models as m
from remediation.domain import report
from remediation.domain.errors import Refused
from remediation.domain.gate.signature import Assertion
from remediation.executors.base import Executor
from remediation.executors.postgres import DisableRole
from remediation.services.access import authorize, looks
from remediation.services.actors import AgentActor
from remediation.services.execution import halt
from remediation.services.execution import waits as waits_
from remediation.services.people import stepup
from remediation.services.reporting import submit
from remediation.services.review import sign
from remediation.services.review.old_page import Page
from tests.benchmarks import cast, door
from tests.benchmarks.cast import Cast, Person
from tests.kills.scenario import CLUSTER, Abilities

# A target that could not be read, in an assessment's pin.
UNSEEN = b'"exists":false'
REASON = "It is the key of the build host."


def abilities() -> Abilities:
    """Return what this version of the product can do."""
    return Abilities(
        keep="decision" in inspect.signature(halt.start).parameters,
        tightens=DisableRole.tighten is not Executor.tighten,
        waits="answer" in inspect.signature(halt.start).parameters,
    )


class People:
    """alice (security) and bob (service_owner) approve; alice halts."""

    def __init__(self, roles: Sequence[str], operators_url: str) -> None:
        targets = [("postgres.role", locator(role)) for role in roles]
        self.cast: Cast = cast.cast(targets, cast.operators(operators_url))
        token = m.AgentToken.objects.select_related("agent").get()
        self._agent = AgentActor(token.agent_id, token.pk, token.agent.name)

    @property
    def keys(self) -> dict[str, bytes]:
        """Return each person's public key, from the passkey itself."""
        both = (self.cast.alice, self.cast.bob)
        return {str(one.user.person): bytes(one.passkey.cose_key) for one in both}

    def submit(self, roles: Sequence[str], *, waits: bool = False) -> UUID:
        """Report an incident on the first role, with a plan that disables all."""
        given = report.from_json(
            json.loads(plan_report(roles, waits=waits)), protected=frozenset(), allow_test=False
        )
        with transaction.atomic():
            submitted = submit.report(given, actor=self._agent)
        assert submitted.proposal_id is not None
        return submitted.proposal_id

    def approve(self, proposal_id: UUID) -> bool:
        """Let both sign what was seen; return False when it must be observed again first."""
        row = m.Proposal.objects.get(pk=proposal_id)
        assessment = authorize.newest(row)
        if assessment is None or UNSEEN in bytes(assessment.pin):
            if not looks.is_asked(row):
                act = sign.observing(proposal_id, row.round)
                alice = self.cast.alice
                started = stepup.start(actor=alice.user, act=act)
                answer = Assertion.from_browser(door.answer(alice, started.options))
                proof = stepup.Proof(started.statement, answer)
                sign.observe_again(actor=self.cast.alice.user, proposal_id=proposal_id, proof=proof)
            return False
        for someone in (self.cast.alice, self.cast.bob):
            if not m.Review.objects.filter(
                proposal_id=proposal_id, person=someone.user.person, round=row.round
            ).exists():
                self._sign(someone, proposal_id)
        return True

    def halt(self, proposal_id: UUID, decision: str) -> bool:
        """Let alice halt the run; return False when it is too late."""
        alice = self.cast.alice
        if m.Halt.objects.filter(proposal_id=proposal_id).exists():
            return True
        asked = {"decision": decision} if abilities().keep else {}
        try:
            started = halt.start(actor=alice.user, proposal_id=proposal_id, reason=REASON, **asked)
            answer = door.answer(alice, started.options)
            halt.sign(actor=alice.user, session_id=started.session_id, assertion=answer)
        except Refused:
            return False
        return True

    def answer(self, proposal_id: UUID) -> bool:
        """Let alice say that a run goes on which waits; return whether she has."""
        alice = self.cast.alice
        if m.Halt.objects.filter(proposal_id=proposal_id, decision="go_on").exists():
            return True
        wait = waits_.newest(proposal_id)
        if wait is None:
            return False
        said = halt.Answer(wait.step, waits_.shown(wait).digest, 0)
        started = halt.start(
            actor=alice.user, proposal_id=proposal_id, reason=REASON, decision="go_on", answer=said
        )
        given = door.answer(alice, started.options)
        halt.sign(actor=alice.user, session_id=started.session_id, assertion=given)
        return True

    def _sign(self, someone: Person, proposal_id: UUID) -> None:
        looked = door.conditions(str(proposal_id))
        row = m.Proposal.objects.get(pk=proposal_id)
        assessment = authorize.newest(row)
        started = sign.start(
            actor=someone.user,
            proposal_id=proposal_id,
            page=Page(row.round, looks.mark(assessment) if assessment else 0),
            decision="approve",
            verdicts=door.YES,
            reason={"code": "", "text": ""},
            slot=door.slot_of(someone, row),
            opened=looked.artefacts,
            typed=looked.names,
        )
        answer = door.answer(someone, started.options)
        sign.sign(actor=someone.user, session_id=started.session_id, assertion=answer)


def locator(role: str) -> str:
    return f"postgres.role:{CLUSTER}/{role}"


def plan_report(roles: Sequence[str], *, waits: bool = False) -> bytes:
    """Return the report of an incident on the first role; its plan disables all, in order.

    ``waits``: behind the first step it waits for a person.
    """
    fields = [{"cluster": CLUSTER, "role": role} for role in roles]
    value: dict[str, Any] = json.loads(
        door.report("postgres.role", fields[0], "postgres.role.disable")
    )
    plan = value["proposal"]["plan"]
    plan["steps"] = [
        {**plan["steps"][0], "target": {"kind": "postgres.role", **target}} for target in fields
    ]
    if waits:
        plan |= {"version": 2, "order": "none"}
        plan["steps"][0]["wait"] = {"conditions": [], "person": True, "within_s": 3600}
    return encode(value)
