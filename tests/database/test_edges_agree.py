"""The guards allow exactly the edges of the code: every pair of states, every login."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from django.db import connection, transaction

from remediation.domain.states import EDGES, INCIDENT_EDGES, IncidentState, Login, ProposalState
from tests import factories
from tests.database.attack import refused
from tests.database.logins import ALIASES, LOGINS
from tests.every import every

pytestmark = pytest.mark.django_db(databases=ALIASES)

# Logins without edges, and one that does not exist.
EVERYBODY = (*LOGINS, "hitl_owner", "hitl_eraser", "postgres", "nobody", "")
NO_STATES = ("", "SUBMITTED", "submitted ", "authorised", "done")


def walked(function: str, states: Iterable[str]) -> set[tuple[str, str, str]]:
    """Return the combinations that SQL allows."""
    named = [*states, *NO_STATES]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT s, t, l FROM unnest(%s::text[]) s, unnest(%s::text[]) t, unnest(%s::text[]) l"
            f" WHERE remediation.{function}(s, t, l)",
            [named, named, list(EVERYBODY)],
        )
        return set(cursor.fetchall())


def written(edges: Mapping[Any, frozenset[Login]]) -> set[tuple[str, str, str]]:
    return {(str(s), str(t), str(login)) for (s, t), logins in edges.items() for login in logins}


def test_sql_and_code_agree_on_proposals() -> None:
    assert walked("edge_v1", ProposalState) == written(EDGES)


def test_sql_and_code_agree_on_incidents() -> None:
    assert walked("incident_edge_v1", IncidentState) == written(INCIDENT_EDGES)


@pytest.mark.parametrize(
    "missing", ["NULL, 'withdrawn', 'hitl_web'", "'submitted', 'withdrawn', NULL"]
)
def test_a_null_state_or_login_is_no_edge(missing: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT remediation.edge_v1({missing})")
        assert not cursor.fetchone()[0]


@every("source", list(ProposalState), undo=True)
def test_no_transition_without_an_edge_is_accepted(source: ProposalState) -> None:
    """Real rows: from each state, every state, as each login that may insert transitions."""
    proposal = factories.proposal_at(source)
    for target, login in itertools.product([*ProposalState, "done"], Login):
        if login in EDGES.get((source, target), frozenset()):
            continue
        with refused("transition_edge"), transaction.atomic():
            factories.move(proposal, target, login=login)
    assert type(proposal).objects.get(pk=proposal.pk).state == source


@every(("source", "target"), [edge for edge in EDGES], undo=True)
def test_every_edge_can_be_taken(source: ProposalState, target: ProposalState) -> None:
    """And only by its logins, when its conditions are met."""
    for login in EDGES[source, target]:
        by_rule = target == "superseded" and login is Login.WORKER
        proposal = _decided_otherwise(source) if by_rule else ready(source, target)
        if "waiting" in (source, target):
            _wait_or_go_on(proposal, source, target)
        else:
            factories.move(proposal, target, login=login)
        proposal.refresh_from_db()
        assert proposal.state == target


def ready(source: ProposalState, target: ProposalState) -> Any:
    """A proposal in `source` for which the edge to `target` is open."""
    needs = {"rejected": "reject", "returned": "return", "approved": "approve"}
    proposal = factories.proposal_at(source, ruling=_deadlines(target))
    if target == "in_review":
        factories.insert_assessment(proposal)
    elif source == "in_review" and target in needs:
        factories.review(proposal, factories.person(roles=["security"]), needs[target])
    elif target == "executing" and source == "approved":
        factories.execution(proposal)
    elif target == "expired":
        _let_expire(proposal)
    elif target in ("succeeded", "waiting") and source != "waiting":
        _verify(proposal)
    elif target == "stopped" and source == "executing":
        factories.step(proposal.execution, "applied")
    elif target == "rolled_back":
        return _undone(source)
    return proposal


def _wait_or_go_on(proposal: Any, source: str, target: str) -> None:
    """Begin a wait with the move, or end one: what it waits for is on record with the move."""
    if target == "waiting":
        factories.wait_for(proposal.execution)
        return
    wait = proposal.execution.waits.get()
    if target in ("executing", "succeeded"):
        someone = factories.person(roles=["security"])
        factories.entitle(proposal, someone)
        factories.halt_verdict(
            factories.halt(proposal, someone, decision="go_on", step=wait.step, seen="0" * 64)
        )
    with transaction.atomic():
        if target in ("executing", "succeeded"):
            factories.resumption(wait)
        factories.move(proposal, target)


def _decided_otherwise(source: str) -> Any:
    """An alternative in `source` beside one that was approved: the worker ends nothing else."""
    first, second = factories.alternatives(factories.proposal())
    if source == "in_review":
        factories.assess(second, slots=["any"])
    factories.assess(first, slots=["any"])
    factories.approve(first)
    return second


def _undone(source: str) -> Any:
    """A run in `source` that a person signed to undo, and whose step is undone."""
    proposal = factories.proposal_at("executing")
    run = proposal.execution
    factories.step(run, "applied")
    someone = factories.person(roles=["security"])
    factories.halt_verdict(factories.halt(proposal, someone, decision="undo"))
    if source == "waiting":
        factories.step(run, "verified")
        factories.wait_for(run)
    elif source != "executing":
        factories.move(proposal, source)
    factories.step(run, "undo_intended")
    factories.step(run, "undone")
    return proposal


def _deadlines(target: str) -> dict[str, int]:
    return {"run_within_s": 0} if target == "expired" else {}


def _let_expire(proposal: Any) -> None:
    if proposal.state == "submitted":
        factories.backdate(proposal, hours=25)
    elif proposal.state == "in_review":
        factories.backdate(proposal.assessments.get(), "decide_by", days=1)


def _verify(proposal: Any) -> None:
    run = proposal.execution
    done = set(run.steps.values_list("phase", flat=True))
    for phase in ("applied", "verified"):
        if phase not in done:
            factories.step(run, phase)
