"""The one table of states, edges and logins."""

from __future__ import annotations

from itertools import product

from remediation.domain.states import (
    EDGES,
    FINAL,
    INCIDENT_EDGES,
    INCIDENT_FINAL,
    IncidentState,
    Login,
    ProposalState,
    may_move,
    may_move_incident,
)

S = ProposalState


def test_the_final_states_are_those_that_nothing_leaves() -> None:
    assert {
        S.SUCCEEDED, S.FAILED, S.ROLLED_BACK, S.REJECTED, S.RETURNED, S.WITHDRAWN, S.SUPERSEDED,
        S.EXPIRED, S.REFUSED,
    } == FINAL  # fmt: skip
    assert {IncidentState.CLOSED} == INCIDENT_FINAL


def test_approval_has_one_way_in_and_execution_starts_only_there() -> None:
    assert [old for old, new in EDGES if new is S.APPROVED] == [S.IN_REVIEW]
    # A run that waits has passed the gate before, and passes it anew.
    assert [old for old, new in EDGES if new is S.EXECUTING] == [S.APPROVED, S.WAITING]


def test_web_never_starts_or_ends_an_execution() -> None:
    walked_by_web = {new for (_, new), logins in EDGES.items() if Login.WEB in logins}
    assert walked_by_web == {S.APPROVED, S.WITHDRAWN, S.SUPERSEDED}


def test_worker_never_approves_or_withdraws() -> None:
    walked_by_worker = {new for (_, new), logins in EDGES.items() if Login.WORKER in logins}
    assert walked_by_worker.isdisjoint({S.APPROVED, S.WITHDRAWN})


def test_every_pair_of_states_and_login_is_decided_by_the_table() -> None:
    for old, new, login in product(S, S, Login):
        assert may_move(old, new, login) == (login in EDGES.get((old, new), set()))
    for a, b, login in product(IncidentState, IncidentState, Login):
        assert may_move_incident(a, b, login) == (login in INCIDENT_EDGES.get((a, b), set()))


def test_every_state_can_be_reached_from_submitted() -> None:
    reached = {S.SUBMITTED}
    for _ in S:
        reached |= {new for old, new in EDGES if old in reached}
    assert reached == set(S)


def test_every_state_that_is_not_final_can_be_left_by_the_worker() -> None:
    """A proposal that people ignore can still be ended by the worker."""
    for state in set(S) - FINAL:
        assert any(old is state and Login.WORKER in logins for (old, _), logins in EDGES.items())


def test_only_a_person_closes_an_incident() -> None:
    closing = [logins for (_, new), logins in INCIDENT_EDGES.items() if new is IncidentState.CLOSED]
    assert closing == [{Login.WEB}, {Login.WEB}]
