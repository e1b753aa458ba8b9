"""What an agent can read and do with its proposals."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from audit.models import Entry
from remediation import models as m
from remediation.api import answers
from remediation.domain.events import Event
from remediation.domain.states import FINAL, ProposalState
from remediation.services.actors import AgentActor
from tests import factories
from tests.api.conftest import Caller, CallerOf, key, problem, proposed, told

S = ProposalState


def at(scanner: Caller, state: str, **fields: Any) -> m.Proposal:
    return factories.proposal_at(state, agent=scanner.agent, token=scanner.token, **fields)


# ---- reading -------------------------------------------------------------------------------------


def test_an_agent_sees_its_own_proposal(scanner: Caller) -> None:
    made = told(scanner.report(), 201)
    seen = told(scanner.get(f"proposals/{made['proposal']}"))
    for name in ("proposal", "incident", "plan_digest", "urls"):
        assert seen[name] == made[name]
    assert (seen["state"], seen["final"], seen["round"]) == ("submitted", False, 0)
    assert seen["transitions"] == seen["reasons"] == seen["refusals"] == seen["steps"] == []


# The answers must be equal, and the id of the request stands in each.
SAME_REQUEST = {"X-Request-ID": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


def test_another_agents_proposal_gives_404(caller_of: CallerOf) -> None:
    mine, other = caller_of("mine"), caller_of("other")
    theirs = other.proposes()
    for path, body in (
        ("proposals/{}", None),
        ("proposals/{}/withdraw", {"reason": "mine now"}),
        ("proposals/{}/supersede", {"proposal": proposed(), "reason": "mine now"}),
    ):
        found, unknown = (
            mine.get(path.format(some), **SAME_REQUEST)
            if body is None
            else mine.post(path.format(some), body, **SAME_REQUEST)
            for some in (theirs, uuid4())
        )
        assert problem(found, 404, "no_such_object") == problem(unknown, 404, "no_such_object")
    assert m.Proposal.objects.get(pk=theirs).state == "submitted"
    # The attempt on another agent's proposal is recorded, but not in that proposal's history.
    assert not m.Refusal.objects.exists()
    assert Entry.objects.latest("id").data["actor"] == mine.agent.actor


SOME_ID = "8e03978e-40d5-43dd-bc93-6894a57f9324"


@pytest.mark.parametrize("path", ["x", "1", "../reports", SOME_ID.upper(), f"{SOME_ID}/"])
def test_an_invalid_id_gives_404(path: str, scanner: Caller) -> None:
    problem(scanner.get(f"proposals/{path}"), 404, "no_such_object")


def test_the_etag_changes_with_the_bytes(scanner: Caller) -> None:
    path = f"proposals/{scanner.proposes()}"
    first = scanner.get(path)
    etag = first["ETag"]
    assert etag.startswith('"')
    for header in (etag, f'"other", {etag}', "*", f"W/{etag}"):
        same = scanner.get(path, **{"If-None-Match": header})
        assert (same.status_code, same.content) == (304, b"")
        assert (same["ETag"], same["Retry-After"]) == (etag, first["Retry-After"])
    assert scanner.get(path, **{"If-None-Match": '"other"'}).content == first.content
    scanner.post(f"{path}/withdraw", {"reason": "It was me."})
    changed = scanner.get(path, **{"If-None-Match": etag})
    assert told(changed)["state"] == "withdrawn"
    assert changed["ETag"] != etag


@pytest.mark.parametrize("state", list(S))
def test_only_states_that_can_change_have_retry_after(state: S, scanner: Caller) -> None:
    response = scanner.get(f"proposals/{at(scanner, state).pk}")
    seen = told(response)
    assert (seen["state"], seen["final"]) == (state, state in FINAL)
    assert ("Retry-After" in response) is (state not in FINAL)


def test_every_state_that_can_change_has_a_retry_time() -> None:
    assert set(answers.RETRY_AFTER) == set(S) - FINAL


def test_the_history_for_an_agent_names_no_person(scanner: Caller) -> None:
    alice = factories.person(roles=["security"])
    proposal = at(scanner, S.SUCCEEDED, reviewers=[alice], slots=["security"])
    response = scanner.get(f"proposals/{proposal.pk}")
    seen = told(response)
    assert [step["to"] for step in seen["transitions"]] == [
        "in_review", "approved", "executing", "succeeded"
    ]  # fmt: skip
    assert [step["by"] for step in seen["transitions"]][1] == "person"
    assert {step["phase"] for step in seen["steps"]} >= {"intended", "applied", "verified"}
    assert seen["decide_by"].endswith("Z")
    assert str(alice.id) not in response.content.decode()
    assert alice.user.username not in response.content.decode()


@pytest.mark.parametrize(("state", "decision"), [(S.RETURNED, "return"), (S.REJECTED, "reject")])
def test_the_reasons_of_a_return_are_shown_to_the_agent(
    state: S, decision: str, scanner: Caller
) -> None:
    alice = factories.person(roles=["security"])
    proposal = factories.proposal(agent=scanner.agent, token=scanner.token)
    factories.assess(proposal)
    review = factories.review(proposal, alice, decision, "any")
    reason = json.loads(bytes(review.statement))["reason"]
    factories.move(proposal, state, reason=reason["code"])
    (told_why,) = told(scanner.get(f"proposals/{proposal.pk}"))["reasons"]
    assert told_why["code"] == reason["code"]
    # A return is a message to the agent; the text of a rejection is for people only.
    assert told_why["text"] == (reason["text"] if state is S.RETURNED else "")


def test_peoples_texts_about_transitions_are_not_shown_to_agents(scanner: Caller) -> None:
    proposal = at(scanner, S.IN_REVIEW)
    alice = factories.person(roles=["security"])
    factories.move(
        proposal, S.WITHDRAWN, login=factories.WEB, actor=alice.actor, reason="We watch them."
    )
    response = scanner.get(f"proposals/{proposal.pk}")
    assert told(response)["transitions"][-1]["to"] == "withdrawn"
    assert b"We watch" not in response.content


def test_refusals_are_shown_by_name_but_not_those_of_people(scanner: Caller) -> None:
    proposal = at(scanner, S.EXECUTING)
    problem(
        scanner.post(f"proposals/{proposal.pk}/withdraw", {"reason": "No!"}), 409, "wrong_state"
    )
    for actor, reason in (("worker:w", "frozen"), (f"person:{uuid4()}", "separation")):
        with factories.acting(factories.WORKER if actor == "worker:w" else factories.WEB):
            m.Refusal.objects.create(
                proposal=proposal,
                reason=reason,
                detail="whatever stands there",
                actor=actor,
                entry=factories.entry("worker:notice:sent", actor, f"proposal:{proposal.pk}"),
            )
    response = scanner.get(f"proposals/{proposal.pk}")
    shown = [(each["name"], each["by"]) for each in told(response)["refusals"]]
    assert shown == [("wrong_state", "agent"), ("frozen", "worker")]
    assert b"whatever stands there" not in response.content


# ---- withdrawing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [S.SUBMITTED, S.IN_REVIEW, S.APPROVED])
def test_an_agent_can_withdraw_a_proposal_that_does_not_run(state: S, scanner: Caller) -> None:
    proposal = at(scanner, state)
    answer = told(scanner.post(f"proposals/{proposal.pk}/withdraw", {"reason": "False alarm."}))
    assert answer == {"proposal": str(proposal.pk), "state": "withdrawn"}
    (last,) = proposal.transitions.filter(to_state="withdrawn")
    assert (last.actor, last.reason) == (scanner.agent.actor, "False alarm.")


@pytest.mark.parametrize("state", [S.EXECUTING, S.UNKNOWN, S.SUCCEEDED, S.REJECTED, S.WITHDRAWN])
def test_a_running_or_ended_proposal_cannot_be_withdrawn(state: S, scanner: Caller) -> None:
    proposal = at(scanner, state)
    answer = scanner.post(f"proposals/{proposal.pk}/withdraw", {"reason": "Stop"})
    problem(answer, 409, "wrong_state")
    assert m.Proposal.objects.get(pk=proposal.pk).state == state
    (refusal,) = proposal.refusals.all()
    assert (refusal.reason, refusal.actor) == ("wrong_state", scanner.agent.actor)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "missing_field"),
        ({"reason": ""}, "bad_value"),
        ({"reason": "x" * 201}, "bad_value"),
        ({"reason": 1}, "wrong_type"),
        ({"reason": "x", "force": True}, "unknown_field"),
        ([], "wrong_type"),
        (b" ", "malformed_json"),
        (b'{"reason":"a","reason":"b"}', "duplicate_key"),
    ],
)
def test_a_withdrawal_is_read_strictly(body: Any, name: str, scanner: Caller) -> None:
    proposal_id = scanner.proposes()
    problem(scanner.post(f"proposals/{proposal_id}/withdraw", body), 400, name)
    assert m.Proposal.objects.get(pk=proposal_id).state == "submitted"


# ---- superseding ---------------------------------------------------------------------------------


def test_a07_an_edit_is_a_new_proposal_and_ends_the_old_one(scanner: Caller) -> None:
    old = at(scanner, S.APPROVED)
    body = {"proposal": proposed("t9", note="smaller"), "reason": "It was the wrong one."}
    response = scanner.post(f"proposals/{old.pk}/supersede", body)
    answer = told(response, 201)
    assert response["Location"] == answer["urls"]["proposal"]
    new = m.Proposal.objects.get(pk=UUID(answer["proposal"]))
    assert (new.supersedes_id, new.state, new.round) == (old.pk, "submitted", 0)
    assert new.plan_digest == answer["plan_digest"] != old.plan_digest
    seen = told(scanner.get(f"proposals/{old.pk}"))
    assert (seen["state"], seen["superseded_by"]) == ("superseded", str(new.pk))
    assert told(scanner.get(f"proposals/{new.pk}"))["supersedes"] == str(old.pk)


def test_superseding_is_refused_as_a_whole(scanner: Caller) -> None:
    running = at(scanner, S.EXECUTING)
    body = {"proposal": proposed(), "reason": "x"}
    problem(scanner.post(f"proposals/{running.pk}/supersede", body), 409, "wrong_state")
    open_one = at(scanner, S.IN_REVIEW)
    bad = proposed()
    bad["plan"]["steps"][0]["action"] = "rm -rf"
    refused = scanner.post(f"proposals/{open_one.pk}/supersede", {"proposal": bad, "reason": "x"})
    answer = problem(refused, 400, "unknown_action")
    assert answer["errors"][0]["pointer"] == "#/proposal/plan/steps/0/action"
    assert m.Proposal.objects.get(pk=open_one.pk).state == "in_review"
    assert m.Proposal.objects.count() == 2


def test_a_refused_request_names_the_agents_token_on_record(scanner: Caller) -> None:
    proposal = at(scanner, S.SUCCEEDED)
    scanner.post(f"proposals/{proposal.pk}/withdraw", {"reason": "x"}, key=key())
    entry = Entry.objects.latest("id").data
    assert entry["action"] == Event.AGENT_REQUEST_REFUSED
    assert entry["object"] == f"proposal:{proposal.pk}"
    actor = AgentActor(scanner.agent.pk, scanner.token.pk)
    assert (entry["actor"], entry["data"]["token"]) == (actor.ref, str(actor.token_id))


def test_a_result_contains_the_outcome_of_each_step(scanner: Caller) -> None:
    made = at(scanner, "succeeded")
    seen = told(scanner.get(f"proposals/{made.pk}"))
    assert seen["outcomes"] == [{"step": 0, "outcome": "verified", "reason": ""}]
    assert seen["result"]["state"] == "succeeded"
    waiting = told(scanner.get(f"proposals/{at(scanner, 'in_review').pk}"))
    assert (waiting["outcomes"], waiting["result"]) == ([], None)


def test_an_agent_sees_whether_its_incident_is_contained(scanner: Caller) -> None:
    made = at(scanner, "succeeded")
    seen = told(scanner.get(f"proposals/{made.pk}"))["containment"]
    assert seen == {
        "state": "open", "since": None, "by_this_run": False, "looked_at": None, "found": None,
        "lacks": ["no_places"],
    }  # fmt: skip
    factories.incident_move(made.incident, "contained")
    look = factories.look(made.incident, "access", proposal=made, step=0)
    factories.incident_move(
        made.incident, "open", source="contained", look=look, reason="access was found at host-7"
    )
    answer = scanner.get(f"proposals/{made.pk}")
    seen = told(answer)["containment"]
    assert (seen["state"], seen["found"], seen["by_this_run"]) == ("open", "access", False)
    assert seen["since"] and seen["looked_at"]
    assert b"host-7" not in answer.content


def test_a_halt_is_a_name_for_the_agent_and_a_persons_words_are_not_for_it(
    scanner: Caller,
) -> None:
    made = factories.proposal_at("approved", "h1", "h2", agent=scanner.agent, token=scanner.token)
    run = factories.execute(made)
    for phase in ("applied", "verified"):
        factories.step(run, phase)
    someone = factories.person(roles=["security"])
    signed = factories.halt(made, someone, decision="undo", reason="Mallory is in the room.")
    factories.halt_verdict(signed)
    for phase in ("undo_intended", "undone"):
        factories.step(run, phase)
    factories.move(made, "rolled_back", reason="halted")
    answer = scanner.get(f"proposals/{made.pk}")
    seen = told(answer)
    assert [row["outcome"] for row in seen["outcomes"]] == ["undone", "not_begun"]
    assert (seen["result"]["state"], seen["result"]["reason"]) == ("rolled_back", "halted")
    assert b"Mallory" not in answer.content


def test_bad_requests_about_anothers_proposal_are_not_in_its_history(
    caller_of: CallerOf,
) -> None:
    """The request is refused for its form before the owner of the proposal is checked."""
    theirs = caller_of("other").proposes()
    answer = caller_of("mine").post(f"proposals/{theirs}/withdraw", {"no such": "field"})
    assert answer.status_code == 400
    assert not m.Refusal.objects.exists()
    assert Entry.objects.latest("id").data["object"] == "door:api"
