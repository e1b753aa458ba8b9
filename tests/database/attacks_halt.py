"""What web tries with halts, and what a worker tries with a halted run: a halt only stops."""

from __future__ import annotations

from remediation import models as m
from tests import factories
from tests.database.attack import DENIED, Attack, attack, dropped, granted, off
from tests.database.world import World
from tests.factories import WEB, WORKER, Person, halt, step

ATTACKS: list[Attack] = []

halting = off("halt")


@attack(ATTACKS, WORKER, "halted", off("steprecord", "halt"))
def _a_step_of_a_halted_run(w: World) -> None:
    step(w.halted, "intended", 1)


@attack(ATTACKS, WEB, "halt_state", halting)
def _halted_before_it_runs(w: World) -> None:
    halt(w.approved, w.alice)


@attack(ATTACKS, WEB, "halt_state", halting)
def _halted_while_it_is_reviewed(w: World) -> None:
    halt(w.in_review, w.alice)


@attack(ATTACKS, WEB, "halt_state", halting)
def _halted_after_its_end(w: World) -> None:
    halt(w.succeeded.proposal, w.alice)


@attack(ATTACKS, WEB, "halt_state", halting)
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
    "remediation_halt_proposal_id_key",
    dropped("halt", "remediation_halt_proposal_id_key"),
)
def _halted_twice(w: World) -> None:
    halt(w.halted.proposal, w.bob)


@attack(ATTACKS, WEB, "entry_names", halting)
def _halted_with_the_entry_of_another_run(w: World) -> None:
    halt(w.executing.proposal, w.alice, object=f"proposal:{w.in_review.pk}")


@attack(ATTACKS, WEB, "entry_names", halting, off("halt", "a_fact"))
def _halted_in_the_name_of_somebody_else(w: World) -> None:
    halt(w.executing.proposal, w.alice, actor=w.sue.actor)


@attack(ATTACKS, WORKER, DENIED, granted("INSERT", "halt", WORKER))
def _the_worker_halts(w: World) -> None:
    _halt_as(WORKER, w.executing.proposal, w.alice)


def _halt_as(login: str, proposal: m.Proposal, someone: Person) -> None:
    with factories.acting(login):
        m.Halt.objects.create(
            proposal=proposal,
            person=someone.id,
            reason="the worker would rather not",
            entry=factories.entry(
                "person:execution:halted", someone.actor, f"proposal:{proposal.pk}"
            ),
        )
