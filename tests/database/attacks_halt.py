"""Attacks of web on what people sign about a run, and of a worker on a halted run."""

from __future__ import annotations

import json
from datetime import timedelta

from remediation import models as m
from remediation.domain.halt.statement import Found
from tests import factories
from tests.database.attack import DENIED, WRITER_OFF, Attack, attack, dropped, granted, off
from tests.database.world import World
from tests.factories import WEB, WORKER, Person, acting, entry, halt, step

ATTACKS: list[Attack] = []

SIGNED = (
    *("statement", "credential_id", "authenticator_data", "client_data_json"),
    *("signature", "cose_key"),
)

halting = off("halt")
composing = off("haltsession")


@attack(ATTACKS, WORKER, "halted", off("steprecord", "halt"))
def _a_step_of_a_halted_run(w: World) -> None:
    step(w.halted, "intended", 1)


@attack(ATTACKS, WEB, "halt_state", halting, composing)
def _halted_before_it_runs(w: World) -> None:
    halt(w.approved, w.alice)


@attack(ATTACKS, WEB, "halt_state", halting, composing)
def _halted_while_it_is_reviewed(w: World) -> None:
    halt(w.in_review, w.alice)


@attack(ATTACKS, WEB, "halt_state", halting, composing)
def _halted_after_its_end(w: World) -> None:
    halt(w.succeeded.proposal, w.alice)


@attack(ATTACKS, WEB, "halt_state", halting, composing)
def _halted_while_the_outcome_is_unknown(w: World) -> None:
    halt(w.unknown.proposal, w.alice)


@attack(ATTACKS, WEB, "halt_late", halting)
def _halted_while_it_is_being_undone(w: World) -> None:
    halt(w.ended.proposal, w.alice)


@attack(ATTACKS, WEB, "halt_late", halting)
def _halted_although_its_only_step_has_begun(w: World) -> None:
    halt(w.slept.proposal, w.alice)


@attack(ATTACKS, WEB, "halt_reason", halting)
def _halted_without_a_reason(w: World) -> None:
    halt(w.executing.proposal, w.alice, reason="  because      ")


@attack(ATTACKS, WEB, "halt_reason", halting)
def _halted_for_another_reason_than_the_signed_one(w: World) -> None:
    halt(w.executing.proposal, w.alice, columns={"reason": "Something that nobody signed."})


@attack(ATTACKS, WEB, "halt_session", halting)
def _halted_without_a_statement_composed_for_it(w: World) -> None:
    halt(w.executing.proposal, w.alice, columns={"session": None})


@attack(ATTACKS, WEB, "halt_session", halting)
def _halted_with_the_statement_of_somebody_else(w: World) -> None:
    composed = factories.halt_statement(w.executing.proposal, w.bob)
    session = factories.halt_session(composed, w.executing.proposal)
    halt(w.executing.proposal, w.alice, columns={"session": session})


@attack(ATTACKS, WEB, "halt_digest", composing)
def _halted_by_a_statement_about_another_run(w: World) -> None:
    factories.halt_session(
        factories.halt_statement(w.halted.proposal, w.alice), w.executing.proposal
    )


@attack(ATTACKS, WEB, "halt_digest", halting, composing)
def _halted_by_a_statement_about_another_plan(w: World) -> None:
    halt(w.executing.proposal, w.alice, plan="0" * 64)


@attack(ATTACKS, WEB, "halt_digest", halting, composing)
def _halted_by_what_somebody_signed_as_an_approval(w: World) -> None:
    review = w.executing.proposal.reviews.order_by("id")[0]
    signed = {name: bytes(getattr(review, name)) for name in SIGNED}
    composed = factories.halt_statement(w.executing.proposal, w.alice)
    session = factories.halt_session(composed, w.executing.proposal, statement=signed["statement"])
    halt(w.executing.proposal, w.alice, columns={**signed, "session": session})


@attack(ATTACKS, WEB, "halt_session_life", composing)
def _a_halt_composed_to_be_signed_next_week(w: World) -> None:
    later = factories.soon() + timedelta(days=7)
    composed = factories.halt_statement(w.executing.proposal, w.alice, expires=later)
    factories.halt_session(composed, w.executing.proposal)


@attack(ATTACKS, WEB, "entry_names", composing, off("haltsession", "a_fact"))
def _a_halt_composed_with_the_entry_of_somebody_else(w: World) -> None:
    composed = factories.halt_statement(w.executing.proposal, w.alice)
    with factories.acting(WEB):
        m.HaltSession.objects.create(
            proposal=w.executing.proposal,
            person=w.alice.id,
            nonce=composed.nonce,
            statement=composed.body(),
            expires_at=composed.expires,
            entry=factories.entry(
                "person:halt:started", w.bob.actor, f"proposal:{w.executing.proposal_id}"
            ),
        )


@attack(ATTACKS, WEB, "halt_assertion", halting)
def _halted_without_credential_id(w: World) -> None:
    halt(w.executing.proposal, w.alice, columns={"credential_id": b""})


@attack(ATTACKS, WEB, "halt_assertion", halting)
def _halted_without_authenticator_data(w: World) -> None:
    halt(w.executing.proposal, w.alice, columns={"authenticator_data": b""})


@attack(ATTACKS, WEB, "halt_assertion", halting)
def _halted_without_client_data_json(w: World) -> None:
    halt(w.executing.proposal, w.alice, columns={"client_data_json": b""})


@attack(ATTACKS, WEB, "halt_assertion", halting)
def _halted_without_signature(w: World) -> None:
    halt(w.executing.proposal, w.alice, columns={"signature": b""})


@attack(ATTACKS, WEB, "halt_assertion", halting)
def _halted_without_cose_key(w: World) -> None:
    halt(w.executing.proposal, w.alice, columns={"cose_key": b""})


@attack(ATTACKS, WEB, "halt_separation", halting)
def _a11_the_owner_of_the_agent_halts(w: World) -> None:
    halt(w.executing.proposal, w.dave)


@attack(ATTACKS, WEB, "halt_separation", halting)
def _a11_who_made_the_token_halts(w: World) -> None:
    halt(w.executing.proposal, w.eve)


@attack(ATTACKS, WEB, "halt_entitlement", halting)
def _an_auditor_halts(w: World) -> None:
    halt(w.executing.proposal, w.carol)


@attack(ATTACKS, WEB, "halt_entitlement", halting)
def _a16_who_is_gone_halts(w: World) -> None:
    halt(w.executing.proposal, w.gone)


@attack(
    ATTACKS,
    WEB,
    "remediation_halt_session_id_key",
    dropped("halt", "remediation_halt_session_id_key"),
)
def _one_signature_halts_twice(w: World) -> None:
    there = w.halted.proposal.halts.get(person=w.bob.id)
    row = {name: bytes(getattr(there, name)) for name in SIGNED}
    halt(w.halted.proposal, w.bob, columns={**row, "session": there.session})


@attack(ATTACKS, WEB, "halt_session_expired", halting)
def _halted_by_a_statement_of_an_hour_ago(w: World) -> None:
    columns = {"session": w.late_halt, "statement": bytes(w.late_halt.statement)}
    halt(w.executing.proposal, w.alice, columns=columns)


@attack(ATTACKS, WEB, "halt_late", halting)
def _halted_again_after_the_worker_verified_a_halt(w: World) -> None:
    halt(w.stopped.proposal, w.bob)


@attack(ATTACKS, WEB, DENIED, granted("INSERT", "haltverdict", WEB))
def _web_says_that_a_halt_does_not_hold(w: World) -> None:
    factories.halt_verdict(w.halted.proposal.halts.get(person=w.bob.id), "signature", login=WEB)


@attack(
    ATTACKS,
    WORKER,
    "remediation_haltverdict_halt_id_key",
    dropped("haltverdict", "remediation_haltverdict_halt_id_key"),
)
def _the_worker_says_first_yes_then_no(w: World) -> None:
    factories.halt_verdict(w.stopped.proposal.halts.get(), "signature")


@attack(ATTACKS, WORKER, "halted", off("steprecord", "halt"))
def _a_step_of_a_run_of_which_one_of_two_halts_was_refused(w: World) -> None:
    factories.halt_verdict(w.halted.proposal.halts.get(person=w.alice.id), "signature")
    step(w.halted, "intended", 1)


@attack(ATTACKS, WORKER, "halted", off("steprecord", "halt"))
def _a_step_of_a_run_whose_halt_holds(w: World) -> None:
    step(w.stopped, "intended", 1)


@attack(ATTACKS, WORKER, "halt_state", off("haltverdict"))
def _a_verdict_about_a_run_that_has_ended(w: World) -> None:
    factories.halt_verdict(w.useless)


@attack(ATTACKS, WEB, "entry_names", halting)
def _halted_with_the_entry_of_another_run(w: World) -> None:
    halt(w.executing.proposal, w.alice, object=f"proposal:{w.in_review.pk}")


@attack(ATTACKS, WEB, "halt_entry", halting)
def _halted_with_an_entry_that_holds_no_signature(w: World) -> None:
    made = factories.halt_statement(w.executing.proposal, w.alice)
    signed = w.alice.passkey.assertion(made.challenge(), made.rp_id, made.origin)
    with acting(WEB):
        m.Halt.objects.create(
            session=factories.halt_session(made, w.executing.proposal),
            proposal=w.executing.proposal,
            person=w.alice.id,
            decision=made.decision.value,
            reason=made.reason,
            statement=made.body(),
            credential_id=signed.credential_id,
            authenticator_data=signed.authenticator_data,
            client_data_json=signed.client_data_json,
            signature=signed.signature,
            cose_key=w.alice.passkey.cose_key,
            entry=entry(
                "person:halt:started", w.alice.actor, f"proposal:{w.executing.proposal_id}"
            ),
        )


@attack(ATTACKS, WEB, "entry_names", halting, off("halt", "a_fact"))
def _halted_in_the_name_of_somebody_else(w: World) -> None:
    halt(w.executing.proposal, w.alice, actor=w.sue.actor)


@attack(ATTACKS, WORKER, "entry_author", granted("INSERT", "halt", WORKER), WRITER_OFF)
def _the_worker_halts(w: World) -> None:
    _halt_as_worker(w.begun_halt, w.alice)


def _halt_as_worker(session: m.HaltSession, someone: Person) -> None:
    made = someone.passkey.assertion(b"\0" * 32, "localhost", "http://localhost")
    with factories.acting(WORKER):
        m.Halt.objects.create(
            session=session,
            proposal_id=session.proposal_id,
            person=someone.id,
            decision="keep",
            reason="It is the wrong account.",
            statement=bytes(session.statement),
            credential_id=made.credential_id,
            authenticator_data=made.authenticator_data,
            client_data_json=made.client_data_json,
            signature=made.signature,
            cose_key=someone.passkey.cose_key,
            entry=factories.entry(
                "person:execution:halted",
                someone.actor,
                f"proposal:{session.proposal_id}",
                statement=json.loads(bytes(session.statement)),
                assertion=made.to_json(),
            ),
        )


# ---- stop and undo, and settled by hand (A65) --------------------------------------------------


@attack(ATTACKS, WEB, "halt_late", halting, composing)
def _a65_undone_by_one_person_an_hour_after_it_stopped(w: World) -> None:
    halt(w.kept_long.proposal, w.alice, decision="undo")


@attack(ATTACKS, WEB, "halt_late", halting)
def _a65_undone_although_nothing_is_on_record_as_applied(w: World) -> None:
    halt(w.kept_empty.proposal, w.alice, decision="undo")


@attack(ATTACKS, WEB, "halt_late", halting)
def _a66_undone_twice(w: World) -> None:
    halt(w.undoing.proposal, w.bob, decision="undo")


@attack(ATTACKS, WEB, "halt_state", halting, composing)
def _a65_undone_after_it_succeeded(w: World) -> None:
    halt(w.succeeded.proposal, w.alice, decision="undo")


@attack(ATTACKS, WEB, "halt_state", halting, composing)
def _a65_an_unknown_run_is_undone(w: World) -> None:
    halt(w.unknown.proposal, w.alice, decision="undo")


@attack(ATTACKS, WEB, "halt_state", halting, composing)
def _a_stopped_run_is_kept_once_more(w: World) -> None:
    halt(w.kept.proposal, w.alice)


@attack(ATTACKS, WEB, "halt_separation", halting)
def _a65_the_owner_of_the_agent_undoes(w: World) -> None:
    halt(w.kept.proposal, w.dave, decision="undo")


@attack(ATTACKS, WEB, "halt_entitlement", halting)
def _a65_an_auditor_undoes(w: World) -> None:
    halt(w.kept.proposal, w.carol, decision="undo")


@attack(ATTACKS, WEB, "halt_entitlement", halting)
def _a65_who_lost_the_role_undoes(w: World) -> None:
    halt(w.kept.proposal, w.gone, decision="undo")


@attack(ATTACKS, WEB, "halt_digest", halting)
def _a65_what_was_signed_as_a_keep_is_written_as_an_undo(w: World) -> None:
    halt(w.executing.proposal, w.alice, decision="keep", columns={"decision": "undo"})


@attack(ATTACKS, WEB, "halt_digest", halting, composing)
def _a65_a_new_halt_of_version_1(w: World) -> None:
    halt(w.executing.proposal, w.alice, decision="halt")


@attack(ATTACKS, WEB, "halt_state", halting, composing)
def _settled_while_it_runs(w: World) -> None:
    halt(w.executing.proposal, w.alice, decision="settle")


@attack(ATTACKS, WEB, "halt_state", halting, composing)
def _settled_before_it_runs(w: World) -> None:
    halt(w.approved, w.alice, decision="settle")


@attack(ATTACKS, WEB, "halt_found", halting, composing)
def _an_unknown_run_settled_without_saying_what_was_found(w: World) -> None:
    halt(w.unknown.proposal, w.alice, decision="settle", found=Found.NOTHING_SAID)


@attack(ATTACKS, WEB, "halt_found", halting, composing)
def _a_stopped_run_settled_as_not_applied(w: World) -> None:
    halt(w.kept.proposal, w.alice, decision="settle", found=Found.NOT_APPLIED)


@attack(ATTACKS, WEB, "halt_late", halting)
def _settled_twice(w: World) -> None:
    halt(w.settled.proposal, w.bob, decision="settle")


@attack(ATTACKS, WEB, "halt_separation", halting)
def _the_owner_of_the_agent_settles(w: World) -> None:
    halt(w.unknown.proposal, w.dave, decision="settle")


@attack(ATTACKS, WEB, DENIED, granted("INSERT", "outboxmessage", WEB))
def _web_asks_a_worker_to_undo(w: World) -> None:
    with factories.acting(WEB):
        m.OutboxMessage.objects.create(proposal=w.kept.proposal, kind="undo", round=1)


# ---- bytes that fill the memory of the worker while it verifies them ---------------------------


def _padded(body: bytes) -> bytes:
    return body[:-1] + b',"x":"' + b"a" * 32_768 + b'"}'


@attack(ATTACKS, WEB, "halt_session_size", dropped("haltsession", "halt_session_size"))
def _a63_a_halt_without_end_is_composed(w: World) -> None:
    composed = factories.halt_statement(w.executing.proposal, w.alice)
    factories.halt_session(composed, w.executing.proposal, statement=_padded(composed.body()))


@attack(ATTACKS, WEB, "halt_size", dropped("halt", "halt_size"))
def _a63_halted_by_an_endless_signature(w: World) -> None:
    halt(w.executing.proposal, w.alice, columns={"signature": b"x" * 8_193})


@attack(ATTACKS, WEB, "halt_size", dropped("halt", "halt_size"))
def _a63_halted_with_an_endless_key(w: World) -> None:
    halt(w.executing.proposal, w.alice, columns={"cose_key": b"x" * 8_193})
