"""A43: attacks of the web login on review sessions, reviews and the count."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from remediation import models as m
from remediation.domain.statement import Statement
from tests import factories
from tests.database.attack import DENIED, Attack, attack, dropped, granted, off
from tests.database.attacks_submission import observe_again
from tests.database.world import World
from tests.factories import WEB, WORKER, Person, acting, entry, session, sign, statement

ATTACKS: list[Attack] = []

started, counted, moved = off("reviewsession"), off("review"), off("transition", "c_guard")


@attack(ATTACKS, WEB, "review_state", started)
def _a_review_of_what_is_approved(w: World) -> None:
    session(w.approved, w.sue)


@attack(ATTACKS, WEB, "review_digest", started)
def _another_digest(w: World) -> None:
    composed = statement(w.in_review, w.sue)
    _start(w, replace(composed, digests=replace(composed.digests, plan="0" * 64)))


@attack(ATTACKS, WEB, "review_digest", started)
def _another_pin(w: World) -> None:
    composed = statement(w.in_review, w.sue)
    _start(w, replace(composed, digests=replace(composed.digests, pin="0" * 64)))


@attack(ATTACKS, WEB, "review_digest", started)
def _another_proposal(w: World) -> None:
    _start(w, statement(w.two, w.sue, slot="security"))


@attack(ATTACKS, WEB, "review_digest", started)
def _an_older_round(w: World) -> None:
    composed = replace(
        statement(w.again, w.sue),
        round=1,
        digests=factories.digests(w.again, w.again.assessments.get(round=1)),
    )
    factories.insert_session(composed, proposal=w.again, person=w.sue.id)


@attack(ATTACKS, WEB, "review_digest", started)
def _the_statement_of_another_person(w: World) -> None:
    _start(w, statement(w.in_review, w.alice))


def _start(w: World, composed: Statement) -> m.ReviewSession:
    return factories.insert_session(composed, proposal=w.in_review, person=w.sue.id)


@attack(ATTACKS, WEB, "review_session_life", started)
def _a_statement_that_lives_an_hour(w: World) -> None:
    session(w.in_review, w.sue, expires=datetime.now(UTC) + timedelta(hours=1))


@attack(ATTACKS, WEB, "review_session_life", started)
def _a_statement_that_is_over(w: World) -> None:
    session(w.in_review, w.sue, expires=datetime.now(UTC) - timedelta(seconds=1))


@attack(ATTACKS, WEB, "review_session_life", started)
def _another_end_than_the_signed_one(w: World) -> None:
    composed = statement(w.in_review, w.sue)
    factories.insert_session(
        composed,
        proposal=w.in_review,
        person=w.sue.id,
        expires_at=composed.expires + timedelta(seconds=4),
    )


@attack(ATTACKS, WEB, "review_deadline", started)
def _a_review_after_the_deadline(w: World) -> None:
    session(w.late, w.sue)


@attack(ATTACKS, WEB, "review_fresh", started)
def _a_review_of_what_was_seen_eleven_minutes_ago(w: World) -> None:
    session(w.stale, w.sue)


@attack(ATTACKS, WEB, "entry_names", started, off("reviewsession", "a_fact"))
def _a_session_on_the_account_of_another(w: World) -> None:
    composed = statement(w.in_review, w.sue)
    with acting(WEB):
        m.ReviewSession.objects.create(
            proposal=w.in_review,
            person=w.sue.id,
            round=composed.round,
            nonce=composed.nonce,
            statement=composed.body(),
            expires_at=composed.expires,
            entry=entry("person:review:started", w.bob.actor, f"proposal:{w.in_review.pk}"),
        )


@attack(ATTACKS, WEB, "review_digest", counted)
def _a20_the_session_of_another_person(w: World) -> None:
    sign(w.session, w.bob)


@attack(ATTACKS, WEB, "review_session", counted)
def _a_statement_that_no_session_composed(w: World) -> None:
    sign(w.session, w.sue, statement=statement(w.in_review, w.sue).body())


@attack(ATTACKS, WEB, "review_session_expired", counted)
def _an_expired_session(w: World) -> None:
    sign(w.expired, w.alice)


@attack(ATTACKS, WEB, "review_digest", counted)
def _another_decision_than_the_signed_one(w: World) -> None:
    sign(w.session, w.alice, decision="reject")


@attack(ATTACKS, WEB, "review_digest", counted)
def _another_slot_than_the_signed_one(w: World) -> None:
    sign(w.session, w.alice, slot="security")


@attack(ATTACKS, WEB, "entry_names", counted, off("review", "a_fact"))
def _a_review_on_the_account_of_another(w: World) -> None:
    said = {n: getattr(w.session, n) for n in ("proposal_id", "round", "person", "statement")}
    with acting(WEB):
        m.Review.objects.create(
            session=w.session,
            slot="any",
            decision="approve",
            credential_id=b"",
            authenticator_data=b"",
            client_data_json=b"",
            signature=b"",
            cose_key=b"",
            entry=entry("person:review:signed", w.bob.actor, f"proposal:{w.in_review.pk}"),
            **said,
        )


@attack(ATTACKS, WEB, "review_entitlement", counted)
def _an_auditor_decides(w: World) -> None:
    _decide(w.in_review, w.carol)


@attack(ATTACKS, WEB, "review_entitlement", counted)
def _a16_a_deactivated_person_decides(w: World) -> None:
    _decide(w.in_review, w.gone)


@attack(ATTACKS, WEB, "review_entitlement", counted)
def _a_seat_of_another_role(w: World) -> None:
    _decide(w.two, w.sue, "service_owner")


@attack(ATTACKS, WEB, "review_entitlement", counted)
def _a12_an_approver_without_a_right_on_any_affected_service_decides(w: World) -> None:
    stranger = factories.person(roles=["security", "service_owner", "lead"])
    factories.grant(stranger.user, "review_service", factories.service())
    composed = statement(w.in_review, stranger)
    sign(
        factories.insert_session(composed, proposal=w.in_review, person=stranger.id),
        stranger,
    )


@attack(ATTACKS, WEB, "review_entitlement", counted)
def _a12_an_owner_of_another_service_decides_for_a_team(w: World) -> None:
    composed = statement(w.owned, w.bob, slot="service_owner:1")
    sign(factories.insert_session(composed, proposal=w.owned, person=w.bob.id), w.bob)


@attack(ATTACKS, WEB, "review_separation", counted)
def _a11_the_owner_of_the_agent_decides(w: World) -> None:
    _decide(w.in_review, w.dave)


@attack(ATTACKS, WEB, "review_separation", counted)
def _a77_who_administered_people_decides(w: World) -> None:
    factories.regroup(w.sue.user, "user_admin")
    factories.regroup(w.sue.user, "security")
    _decide(w.in_review, w.sue)


@attack(ATTACKS, WORKER, "seen_again_round", off("seenagain"))
def _an_equal_look_at_what_is_approved(w: World) -> None:
    factories.seen_again(w.approved)


@attack(ATTACKS, WORKER, "seen_again_asked", off("seenagain"))
def _an_equal_look_that_nobody_asked_for(w: World) -> None:
    factories.seen_again(w.in_review)


@attack(ATTACKS, WEB, DENIED, granted("INSERT", "seenagain", WEB))
def _web_says_that_all_is_as_it_was(w: World) -> None:
    observe_again(w, w.in_review)
    factories.seen_again(w.in_review, login=WEB)


@attack(ATTACKS, WEB, "review_separation", counted)
def _a11_who_made_the_token_decides(w: World) -> None:
    _decide(w.in_review, w.eve)


@attack(ATTACKS, WEB, "review_separation", counted)
def _a45_who_loosened_the_inventory_decides(w: World) -> None:
    _decide(w.loose, w.lou)


@attack(ATTACKS, WEB, "agent_disabled", off("review", "guard_agent"))
def _a16_a_yes_to_what_a_suspended_agent_proposed(w: World) -> None:
    factories.agent_version(w.in_review.agent, w.dave, enabled=False)
    _decide(w.in_review, w.sue, "any")


@attack(ATTACKS, WEB, "review_session_size", dropped("reviewsession", "review_session_size"))
def _a63_a_statement_without_end_is_composed(w: World) -> None:
    composed = statement(w.in_review, w.sue)
    padded = composed.body()[:-1] + b',"x":"' + b"a" * 32_768 + b'"}'
    factories.insert_session(composed, proposal=w.in_review, person=w.sue.id, statement=padded)


@attack(ATTACKS, WEB, "review_size", dropped("review", "review_size"))
def _a63_a_review_with_an_endless_signature(w: World) -> None:
    sign(session(w.in_review, w.sue), w.sue, signature=b"x" * 8_193)


@attack(ATTACKS, WEB, "proposer_lost", off("review", "guard_agent"))
def _a16_a_yes_to_an_undoing_whose_proposer_left(w: World) -> None:
    _decide(w.orphaned, w.sue, "any")


@attack(ATTACKS, WEB, "review_slot", counted)
def _a_seat_that_is_taken(w: World) -> None:
    _decide(w.two, w.sue, "security")


@attack(ATTACKS, WEB, "review_slot", counted)
def _a_no_from_a_seat_that_the_ruling_does_not_have(w: World) -> None:
    factories.review(w.in_review, w.sue, "reject", "security")


@attack(ATTACKS, WEB, "review_slot", counted)
def _two_reviews_for_one_seat_in_one_statement(w: World) -> None:
    rows = []
    for someone in (w.sue, w.bob):
        one = session(w.in_review, someone)
        number = entry("person:review:signed", someone.actor, f"proposal:{w.in_review.pk}")
        rows.append(
            m.Review(
                session=one,
                proposal=w.in_review,
                round=1,
                person=someone.id,
                slot="any",
                decision="approve",
                statement=bytes(one.statement),
                credential_id=b"",
                authenticator_data=b"",
                client_data_json=b"",
                signature=b"",
                cose_key=b"",
                entry=number,
            )
        )
    with acting(WEB):
        m.Review.objects.bulk_create(rows)


@attack(ATTACKS, WEB, "review_one_for_each_person", dropped("review", "review_one_for_each_person"))
def _a10_one_person_takes_two_seats(w: World) -> None:
    _decide(w.pair, w.alice)


def _decide(proposal: m.Proposal, someone: Person, slot: str = "any") -> None:
    factories.review(proposal, someone, slot=slot)


@attack(ATTACKS, WEB, "quorum_not_met", moved)
def _approved_without_a_review(w: World) -> None:
    _approve(w.in_review)


@attack(ATTACKS, WEB, "quorum_not_met", moved)
def _approved_by_one_of_two(w: World) -> None:
    _approve(w.two)


@attack(ATTACKS, WEB, "quorum_not_met", moved)
def _approved_by_the_review_of_an_older_round(w: World) -> None:
    _approve(w.again)


@attack(ATTACKS, WEB, "quorum_not_met", moved)
def _a30_approved_after_the_deadline(w: World) -> None:
    _approve(w.filled_late)


@attack(ATTACKS, WEB, "quorum_disputed", moved)
def _approved_although_somebody_rejected(w: World) -> None:
    _approve(w.disputed)


def _approve(proposal: m.Proposal) -> None:
    factories.move(proposal, "approved", login=WEB, actor="person:somebody")
