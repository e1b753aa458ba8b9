"""A43: attacks of the web login when it submits, and on rows of others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from remediation import models as m
from remediation.domain import plan as plans
from remediation.services.review import sign
from tests import factories, stepup
from tests.database.attack import DENIED, Attack, attack, dropped, granted, off, sql
from tests.database.world import World
from tests.factories import WEB, acting, entry

ATTACKS: list[Attack] = []

guarded = off("proposal")
ERASER = "hitl_eraser"


def _submit(w: World, *, target: str = "", **said: Any) -> m.Proposal:
    """Return a proposal like the world's, with these changes."""
    usual: dict[str, Any] = {
        "incident": w.in_review.incident,
        "diagnosis": w.in_review.diagnosis,
        "plan": bytes(w.in_review.plan),
        "plan_digest": w.in_review.plan_digest,
        "agent": w.agent,
        "token": w.token,
    }
    made = m.Proposal(**{**usual, **said})
    with acting(WEB):
        made.entry = entry("agent:proposal:submitted", made.agent.actor, f"proposal:{made.pk}")
        made.save(force_insert=True)
        if target:
            m.ProposalTarget.objects.create(proposal=made, step=0, locator=target)
    return made


@attack(ATTACKS, WEB, "proposal_first_state", guarded)
def _submitted_as_approved(w: World) -> None:
    _submit(w, state="approved")


@attack(ATTACKS, WEB, "proposal_first_state", guarded)
def _submitted_in_a_later_round(w: World) -> None:
    _submit(w, round=3)


@attack(ATTACKS, WEB, "proposal_diagnosis", guarded)
def _a_diagnosis_of_another_incident(w: World) -> None:
    _submit(w, diagnosis=w.two.diagnosis)


@attack(ATTACKS, WEB, "proposal_token", guarded)
def _the_token_of_another_agent(w: World) -> None:
    _submit(w, token=factories.token(factories.agent(w.sue), by=w.sue))


@attack(ATTACKS, WEB, "proposal_agent", guarded)
def _a16_the_agent_is_suspended(w: World) -> None:
    factories.agent_version(w.agent, w.dave, enabled=False)
    _submit(w)


@attack(ATTACKS, WEB, "proposal_agent", guarded)
def _the_token_has_expired(w: World) -> None:
    _submit(w, token=factories.token(w.agent, by=w.eve, expires=timedelta(seconds=-1)))


@attack(ATTACKS, WEB, "proposal_agent", guarded)
def _the_token_is_revoked(w: World) -> None:
    factories.revoke(w.token, w.eve)
    _submit(w)


@attack(ATTACKS, WEB, "proposal_supersedes", guarded)
def _it_supersedes_what_still_counts(w: World) -> None:
    _submit(w, supersedes=w.in_review)


@attack(ATTACKS, WEB, "proposal_supersedes", guarded)
def _it_supersedes_a_proposal_of_another_incident(w: World) -> None:
    _submit(w, supersedes=w.rejected)


@attack(ATTACKS, WEB, "entry_names", guarded)
def _the_entry_is_of_another_proposal(w: World) -> None:
    with acting(WEB):
        number = entry("agent:proposal:submitted", w.agent.actor, f"proposal:{w.two.pk}")
        _insert_with(w, number)


@attack(ATTACKS, WEB, "entry_names", guarded)
def _the_entry_is_of_another_agent(w: World) -> None:
    made = m.Proposal()
    with acting(WEB):
        number = entry("agent:proposal:submitted", w.sue.actor, f"proposal:{made.pk}")
        _insert_with(w, number, id=made.pk)


def _insert_with(w: World, number: int, **said: Any) -> None:
    m.Proposal.objects.create(
        incident=w.in_review.incident,
        diagnosis=w.in_review.diagnosis,
        plan=bytes(w.in_review.plan),
        plan_digest=w.in_review.plan_digest,
        agent=w.agent,
        token=w.token,
        entry=number,
        **said,
    )


@attack(ATTACKS, WEB, "proposal_digest", dropped("proposal", "proposal_digest"))
def _a_plan_under_another_digest(w: World) -> None:
    _submit(w, plan=b'{"steps":[]}')


@attack(
    ATTACKS,
    WEB,
    "proposal_plan_size",
    dropped("proposal", "proposal_plan_size"),
)
def _a_plan_of_a_megabyte(w: World) -> None:
    from remediation.domain.digest import Kind, digest

    body = b" " * 2**20
    _submit(w, plan=body, plan_digest=digest(Kind.PLAN, body))


@attack(ATTACKS, WEB, "target_of_plan", off("proposaltarget"))
def _a_target_that_the_plan_does_not_name(w: World) -> None:
    _submit(w, target="test.target:innocent")


@attack(ATTACKS, WEB, "target_of_plan", off("proposaltarget"))
def _one_more_target_for_an_approved_proposal(w: World) -> None:
    with acting(WEB):
        m.ProposalTarget.objects.create(proposal=w.approved, step=1, locator="test.target:more")


@attack(ATTACKS, WEB, "target_of_plan", off("proposaltarget"))
def _the_missing_target_comes_too_late(w: World) -> None:
    locator = w.in_review.targets.get().locator
    with acting(WEB):
        m.ProposalTarget.objects.create(proposal=w.targetless, step=0, locator=locator)


@attack(ATTACKS, WEB, "observation_state", off("observationrequest"))
def _an_observation_outside_review(w: World) -> None:
    observe_again(w, w.approved)


@attack(ATTACKS, WEB, "observation_state", off("observationrequest"))
def _an_observation_for_an_old_round(w: World) -> None:
    observe_again(w, w.again)


def observe_again(w: World, proposal: m.Proposal) -> None:
    act = sign.observing(proposal.pk, 1)
    signed = stepup.checked(w.sue, act)
    with acting(WEB):
        made = entry("person:observation:asked", w.sue.actor, act.object, step_up=signed.data)
        signed.use(made)
        m.ObservationRequest.objects.create(proposal=proposal, round=1, person=w.sue.id, entry=made)


@attack(ATTACKS, WEB, "observation_unsigned", off("observationrequest", "signed"))
def _a76_an_observation_that_no_passkey_signed(w: World) -> None:
    with acting(WEB):
        m.ObservationRequest.objects.create(
            proposal=w.two,
            round=1,
            person=w.sue.id,
            entry=entry("person:observation:asked", w.sue.actor, f"proposal:{w.two.pk}"),
        )


@attack(
    ATTACKS,
    WEB,
    DENIED,
    granted("UPDATE", "proposal", WEB),
    off("proposal", "append_only_update"),
    off("proposal", "guard_update"),
)
def _the_state_is_written(w: World) -> None:
    with acting(WEB):
        sql("UPDATE remediation_proposal SET state = 'approved' WHERE id = %s", w.in_review.pk)


@attack(
    ATTACKS,
    WEB,
    DENIED,
    granted("UPDATE", "proposal", WEB),
    off("proposal", "append_only_update"),
    off("proposal", "guard_update"),
)
def _a04_the_plan_is_exchanged(w: World) -> None:
    with acting(WEB):
        sql("UPDATE remediation_proposal SET rationale = 'other' WHERE id = %s", w.approved.pk)


@attack(ATTACKS, WEB, DENIED, granted("DELETE", "review", WEB), off("review", "append_only"))
def _a_rejection_is_deleted(w: World) -> None:
    with acting(WEB):
        sql("DELETE FROM remediation_review WHERE proposal_id = %s", w.disputed.pk)


@attack(
    ATTACKS,
    WEB,
    DENIED,
    granted("INSERT", "assessment", WEB),
    granted("INSERT", "assessmentservice", WEB),
)
def _web_assesses(w: World) -> None:
    factories.insert_assessment(w.submitted, login=WEB)


@attack(ATTACKS, WEB, DENIED, granted("INSERT", "execution", WEB))
def _web_begins_a_run(w: World) -> None:
    factories.execution(w.approved, login=WEB, tokens={})


@attack(ATTACKS, WEB, DENIED, granted("INSERT", "steprecord", WEB))
def _web_records_a_step(w: World) -> None:
    factories.step(w.executing, "applied", login=WEB)


@attack(ATTACKS, WEB, DENIED, granted("UPDATE", "lease", WEB))
def _web_takes_a_lease_away(w: World) -> None:
    locator = w.approved.targets.get().locator
    with acting(WEB):
        sql("UPDATE remediation_lease SET until = clock_timestamp() WHERE target = %s", locator)


@attack(ATTACKS, WEB, DENIED, granted("INSERT", "lease", WEB))
def _web_takes_a_lease(_: World) -> None:
    with acting(WEB):
        sql(
            "INSERT INTO remediation_lease (target, token, holder, until)"
            " VALUES ('x', 1, 'x', clock_timestamp())"
        )


@attack(ATTACKS, ERASER, "erasure_on_record", off("evidenceblob", "guard_delete"))
def _bytes_go_without_an_erasure(w: World) -> None:
    sql("DELETE FROM public.remediation_evidenceblob")


@attack(
    ATTACKS,
    ERASER,
    "erasure_on_record",
    off("evidenceerasure"),
)
def _an_erasure_whose_entry_erases_something_else(w: World) -> None:
    said = entry("operator:evidence:erased", "operator:x", "incident:x", erased=["0" * 64])
    sql(
        "INSERT INTO public.remediation_evidenceerasure (sha256, entry, recorded_at)"
        " SELECT min(sha256), %s, now() FROM public.remediation_evidenceblob",
        said,
    )


@attack(ATTACKS, WEB, DENIED, granted("DELETE, SELECT", "evidenceblob", WEB))
def _bytes_go_by_hand_of_web(w: World) -> None:
    sql("DELETE FROM public.remediation_evidenceblob WHERE false")


# ---- labelling a plan a reversal, to avoid the check of its agent --------------------------------

undoing = off("proposal", "reversal")


def _undo(w: World, made: plans.Plan | None = None, **said: Any) -> m.Proposal:
    old = w.succeeded.proposal
    usual = {
        "diagnosis": old.diagnosis,
        "agent": old.agent,
        "token": old.token,
        "editor": w.alice.id,
        "reverses": old,
    }
    return factories.insert_proposal(made or factories.load(old), **{**usual, **said})


@attack(ATTACKS, WEB, "reversal_person", undoing)
def _an_agents_plan_is_called_an_undoing(w: World) -> None:
    _undo(w, editor=None)


@attack(ATTACKS, WEB, "reversal_person", undoing)
def _an_edit_is_called_an_undoing(w: World) -> None:
    old = w.succeeded.proposal
    _undo(w, supersedes=old)


@attack(ATTACKS, WEB, "reversal_of", undoing)
def _what_did_not_succeed_is_undone(w: World) -> None:
    old = w.rejected
    _undo(
        w,
        factories.load(old),
        reverses=old,
        diagnosis=old.diagnosis,
        agent=old.agent,
        token=old.token,
    )


@attack(ATTACKS, WEB, "reversal_of", undoing)
def _a_run_of_another_incident_is_undone(w: World) -> None:
    _undo(w, diagnosis=w.rejected.diagnosis)


@attack(ATTACKS, WEB, "reversal_plan", undoing)
def _a_plan_about_something_else_is_called_an_undoing(w: World) -> None:
    _undo(w, factories.plan(f"t{factories.number()}"))


@attack(ATTACKS, WEB, "reversal_entitlement", undoing)
def _who_is_gone_proposes_to_undo(w: World) -> None:
    _undo(w, editor=w.gone.id)


@attack(ATTACKS, WEB, "reversal_entitlement", undoing)
def _an_auditor_proposes_to_undo(w: World) -> None:
    _undo(w, editor=w.carol.id)


@attack(ATTACKS, WEB, "reversal_separation", undoing)
def _a11_the_owner_of_the_agent_proposes_to_undo(w: World) -> None:
    _undo(w, editor=w.dave.id)
