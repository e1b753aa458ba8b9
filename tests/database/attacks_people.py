"""A43: attacks of the web login on accounts, agents, invitations and the audit log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from django.contrib.auth.models import Group

from remediation import models as m
from remediation.services.review import sign
from tests import factories, stepup
from tests.database.attack import DENIED, WRITER_OFF, Attack, attack, dropped, granted, off, sql
from tests.database.world import World
from tests.factories import WEB, acting, entry

ATTACKS: list[Attack] = []


@attack(ATTACKS, WEB, "user_person", off("user"))
def _an_account_becomes_another_persons(w: World) -> None:
    with acting(WEB):
        m.User.objects.filter(pk=w.carol.user.pk).update(person=uuid4())


@attack(
    ATTACKS,
    WEB,
    "group_name",
    "ALTER TABLE public.auth_group DISABLE TRIGGER keeps_name",
    "ALTER TABLE public.auth_group DISABLE TRIGGER power_changed",
)
def _a77_the_group_of_administrators_gets_another_name(w: World) -> None:
    with acting(WEB):
        Group.objects.filter(name="user_admin").update(name="others")


STEP_UP_OFF = "ALTER TABLE remediation.step_up DISABLE TRIGGER step_up"


@attack(ATTACKS, WEB, "step_up_entry", STEP_UP_OFF)
def _a76_an_act_whose_entry_holds_no_signature(w: World) -> None:
    signed = stepup.checked(w.sue, sign.observing(w.two.pk, 1))
    with acting(WEB):
        signed.use(entry("person:observation:asked", w.sue.actor, f"proposal:{w.two.pk}"))


@attack(ATTACKS, WEB, "step_up_expired", STEP_UP_OFF)
def _a76_an_act_that_was_signed_for_tomorrow(w: World) -> None:
    act = sign.observing(w.two.pk, 1)
    signed = stepup.checked(w.sue, act)
    later = signed.proof.statement.expires + timedelta(days=1)
    with acting(WEB):
        made = entry("person:observation:asked", w.sue.actor, act.object, step_up=signed.data)
        sql(
            "INSERT INTO remediation.step_up (nonce, entry, person, act, object, expires_at)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            *(signed.proof.statement.nonce, made, w.sue.id, act.name.value, act.object),
            later.isoformat(),
        )


@attack(ATTACKS, WEB, "session_epoch", off("user", "session_epoch"))
def _sessions_that_ended_are_to_live_again(w: World) -> None:
    """A88."""
    m.User.objects.filter(pk=w.carol.user.pk).update(session_epoch=1)
    with acting(WEB):
        m.User.objects.filter(pk=w.carol.user.pk).update(session_epoch=0)


@attack(ATTACKS, WEB, "session_epoch", off("user", "session_epoch"))
def _an_epoch_that_cannot_rise_any_more(w: World) -> None:
    """A88. With it, switching the account off would fail."""
    with acting(WEB):
        m.User.objects.filter(pk=w.carol.user.pk).update(session_epoch=2**63 - 1)


@attack(ATTACKS, WEB, "invitation_expired", off("invitationuse"))
def _an_old_code_is_used(w: World) -> None:
    factories.use(w.invitation)


@attack(ATTACKS, WEB, "agent_token_life", dropped("agenttoken", "agent_token_life"))
def _a_token_for_ten_years(w: World) -> None:
    factories.token(w.agent, by=w.eve, expires=timedelta(days=3650))


@attack(ATTACKS, WEB, "entry_in_transaction", off("agentversion", "a_fact"))
def _a_fact_with_an_entry_of_yesterday(w: World) -> None:
    with acting(WEB):
        m.AgentVersion.objects.create(
            agent=w.agent, owner=w.sue.id, enabled=True, author=w.sue.actor, entry=w.yesterday
        )


@attack(ATTACKS, WEB, "entry_in_transaction", off("agentversion", "a_fact"))
def _a_fact_without_an_entry(w: World) -> None:
    with acting(WEB):
        m.AgentVersion.objects.create(
            agent=w.agent, owner=w.sue.id, enabled=True, author=w.sue.actor, entry=2**60
        )


@attack(ATTACKS, WEB, DENIED, granted("INSERT", "agentversion", WEB))
def _a_version_that_stays_the_newest_for_ever(w: World) -> None:
    with acting(WEB):
        m.AgentVersion.objects.create(
            id=2**60,
            agent=w.agent,
            owner=w.sue.id,
            enabled=True,
            author=w.sue.actor,
            entry=entry("person:agent:changed", w.sue.actor, w.agent.actor),
        )


@attack(ATTACKS, WEB, DENIED, "GRANT INSERT ON audit.entry TO hitl_web", WRITER_OFF)
def _an_entry_hidden_from_the_sequencer(_: World) -> None:
    with acting(WEB):
        sql("INSERT INTO audit.entry (body, txid) VALUES ('{}', '3')")


@attack(
    ATTACKS, WEB, "entry_form", WRITER_OFF, "ALTER TABLE audit.entry DROP CONSTRAINT entry_is_json"
)
def _an_entry_that_blinds_the_trail(_: World) -> None:
    with acting(WEB):
        sql("INSERT INTO audit.entry (body) VALUES ('[]')")


@attack(
    ATTACKS,
    WEB,
    "entry_form",
    WRITER_OFF,
    "ALTER TABLE audit.entry DROP CONSTRAINT entry_body_check",
)
def _an_entry_of_two_lines(_: World) -> None:
    with acting(WEB):
        sql("INSERT INTO audit.entry (body) VALUES (convert_to(E'{\n}', 'UTF8'))")


@attack(ATTACKS, WEB, DENIED, granted("INSERT", "freeze", WEB))
def _the_freeze_is_lifted(w: World) -> None:
    with acting(WEB):
        m.Freeze.objects.create(
            frozen=False,
            reason="",
            actor=w.sue.actor,
            entry=entry("person:request:refused", w.sue.actor, "freeze"),
        )


@attack(ATTACKS, WEB, DENIED, granted("INSERT", "notice", WEB))
def _a_warning_is_said_to_be_sent(w: World) -> None:
    with acting(WEB):
        m.Notice.objects.create(
            proposal=w.in_review, round=1, kind="half", entry=entry("", w.sue.actor, "x")
        )


@attack(ATTACKS, WEB, "evidence_blob_digest", dropped("evidenceblob", "evidence_blob_digest"))
def _evidence_under_another_digest(_: World) -> None:
    with acting(WEB):
        m.EvidenceBlob.objects.create(sha256="0" * 64, content=b"something")


@attack(ATTACKS, WEB, "diagnosis_digest", dropped("diagnosis", "diagnosis_digest"))
def _a_diagnosis_under_another_digest(w: World) -> None:
    with acting(WEB):
        m.Diagnosis.objects.create(
            incident=w.in_review.incident,
            version=99,
            body=b"{}",
            digest="0" * 64,
            agent=w.agent,
            entry=entry("worker:notice:sent", w.agent.actor, f"incident:{w.in_review.incident_id}"),
        )


@attack(ATTACKS, WEB, "entry_names", off("diagnosis", "guard"))
def _a_diagnosis_in_the_name_of_another(w: World) -> None:
    with acting(WEB):
        right = w.in_review.diagnosis
        m.Diagnosis.objects.create(
            incident=right.incident,
            version=98,
            body=right.body,
            digest=right.digest,
            agent=w.agent,
            editor=w.sue.id,
            entry=entry("worker:notice:sent", w.agent.actor, f"incident:{right.incident_id}"),
        )


@attack(ATTACKS, WEB, "entry_names", off("agenttoken", "a_fact"))
def _a_token_in_the_name_of_another(w: World) -> None:
    with acting(WEB):
        m.AgentToken.objects.create(
            agent=w.agent,
            prefix="x",
            hash="x",
            created_by=w.alice.id,
            expires_at=datetime.now(UTC),
            recorded_at=datetime.now(UTC),
            entry=entry("person:token:created", w.eve.actor, w.agent.actor),
        )


@attack(ATTACKS, WEB, "entry_names", off("serviceversion", "a_fact"))
def _a43_the_inventory_is_loosened_in_the_name_of_another(w: World) -> None:
    service = m.Service.objects.first()
    assert service is not None
    with acting(WEB):
        m.ServiceVersion.objects.create(
            service=service,
            environment="development",
            criticality="low",
            payment_path=False,
            external_partner=False,
            author=w.alice.actor,
            entry=entry("person:inventory:changed", w.eve.actor, f"service:{service.pk}"),
        )


@attack(ATTACKS, WEB, DENIED, granted("INSERT", "outboxmessage", WEB))
def _a_message_for_the_worker(w: World) -> None:
    with acting(WEB):
        m.OutboxMessage.objects.create(
            proposal=w.in_review, kind="execute", round=1, recorded_at=datetime.now(UTC)
        )
