"""Halts of a run: statement, session, signed row, verdict."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.conf import settings

from remediation import models as m
from remediation.domain import b64url
from remediation.domain.events import Event
from remediation.domain.halt.statement import Found, HaltStatement, RunDecision, signed_steps
from tests.factories.logins import WEB, WORKER, acting, actor_of, entry
from tests.factories.people import Person
from tests.factories.proposals import load

EVENTS = {
    RunDecision.HALT: Event.PERSON_EXECUTION_HALTED,
    RunDecision.KEEP: Event.PERSON_EXECUTION_HALTED,
    RunDecision.UNDO: Event.PERSON_EXECUTION_HALTED,
    RunDecision.SETTLE: Event.PERSON_RUN_SETTLED,
    RunDecision.GO_ON: Event.PERSON_WAIT_ANSWERED,
    RunDecision.LONGER: Event.PERSON_WAIT_ANSWERED,
}


def halt_statement(
    proposal: m.Proposal, someone: Person, decision: str = "keep", **said: Any
) -> HaltStatement:
    """Return what the person would sign about the run; `said` overrides its fields."""
    proposal.refresh_from_db()
    asked = RunDecision(decision)
    unknown = asked is RunDecision.SETTLE and proposal.state == "unknown"
    usual = HaltStatement(
        decision=asked,
        proposal=str(proposal.pk),
        round=proposal.round,
        plan=proposal.plan_digest,
        takes_back=signed_steps(asked, load(proposal)),
        reason="It is the wrong account.",
        person=str(someone.id),
        nonce=secrets.token_hex(32),
        expires=datetime.now(UTC) + timedelta(minutes=5),
        rp_id=settings.RP_ID,
        origin=settings.ORIGIN,
        found=Found.APPLIED if unknown else Found.NOTHING_SAID,
    )
    return replace(usual, **said)


def halt_session(composed: HaltStatement, proposal: m.Proposal, **fields: Any) -> m.HaltSession:
    """Insert the started halt of this statement; `fields` override what the statement says."""
    said = {
        "person": UUID(composed.person),
        "nonce": composed.nonce,
        "statement": composed.body(),
        "expires_at": composed.expires,
        **fields,
    }
    with acting(WEB):
        return m.HaltSession.objects.create(
            proposal=proposal,
            entry=entry(
                Event.PERSON_HALT_STARTED, f"person:{said['person']}", f"proposal:{proposal.pk}"
            ),
            **said,
        )


def halt(
    proposal: m.Proposal,
    someone: Person,
    *,
    actor: str = "",
    object: str = "",
    columns: Mapping[str, Any] = MappingProxyType({}),
    **said: Any,
) -> m.Halt:
    """Sign about the run as this person, with a real signature. `said` overrides the statement,
    `columns` those of the row, `actor` and `object` what the entry names."""
    composed = halt_statement(proposal, someone, **said)
    made = someone.passkey.assertion(composed.challenge(), composed.rp_id, composed.origin)
    row = {
        "session": halt_session(composed, proposal),
        "proposal": proposal,
        "person": someone.id,
        "decision": composed.decision.value,
        "reason": composed.reason,
        "statement": composed.body(),
        "credential_id": made.credential_id,
        "authenticator_data": made.authenticator_data,
        "client_data_json": made.client_data_json,
        "signature": made.signature,
        "cose_key": someone.passkey.cose_key,
        **columns,
    }
    with acting(WEB):
        return m.Halt.objects.create(
            entry=entry(
                EVENTS[composed.decision],
                actor or someone.actor,
                object or f"proposal:{proposal.pk}",
                statement=json.loads(row["statement"]),
                assertion={**made.to_json(), "signature": b64url.encode(row["signature"])},
                cose_key=b64url.encode(someone.passkey.cose_key),
            ),
            **row,
        )


def halt_verdict(halt: m.Halt, refusal: str = "", *, login: str = WORKER) -> m.HaltVerdict:
    """Insert the worker's verdict on a halt: it holds, or the name of the refusal."""
    event = Event.WORKER_HALT_REFUSED if refusal else Event.WORKER_HALT_VERIFIED
    with acting(login):
        return m.HaltVerdict.objects.create(
            halt=halt,
            actor=actor_of(login),
            refusal=refusal,
            entry=entry(event, actor_of(login), f"proposal:{halt.proposal_id}"),
        )
