"""POST reports: one transaction, its answer, and the message to the worker."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from celery import current_app
from django.conf import settings
from django.http import HttpResponse
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings
from redis import Redis

from audit.models import Entry
from remediation import models as m
from remediation.api import examples
from remediation.services import lines
from tests.api.conftest import Caller, CallerOf, key, problem, report, told


def test_a_report_becomes_incident_evidence_diagnosis_and_proposal(scanner: Caller) -> None:
    response = scanner.report()
    answer = told(response, 201)
    proposal = m.Proposal.objects.get(pk=answer["proposal"])
    assert proposal.agent == scanner.agent
    assert proposal.token == scanner.token
    assert str(proposal.incident_id) == answer["incident"]
    assert proposal.plan_digest == answer["plan_digest"]
    assert proposal.diagnosis.digest == answer["diagnosis_digest"]
    assert (answer["incident_is_new"], answer["reports"]) == (True, 1)
    assert response["Location"] == answer["urls"]["proposal"] == f"/api/v1/proposals/{proposal.pk}"
    assert told(scanner.get(response["Location"].removeprefix("/api/v1/")))


def test_a_second_report_is_added_to_the_open_incident(scanner: Caller) -> None:
    first = told(scanner.report("t1"), 201)
    again = report("t1")
    again["evidence"][0]["content"] += " "
    digest = sha256(again["evidence"][0]["content"].encode()).hexdigest()
    again["evidence"][0]["sha256"] = digest
    again["diagnosis"]["claims"] = []
    second = told(scanner.post("reports", again), 201)
    assert second["incident"] == first["incident"]
    assert second["incident_is_new"] is False
    assert m.Evidence.objects.count() == 2 and m.Diagnosis.objects.count() == 2
    assert (first["reports"], second["reports"]) == (1, 2)
    assert m.Incident.objects.count() == 1


def test_a_report_without_a_proposal_opens_the_incident_alone(scanner: Caller) -> None:
    body = report()
    del body["proposal"]
    response = scanner.post("reports", body)
    answer = told(response, 201)
    assert (answer["proposal"], answer["plan_digest"], answer["urls"]) == (None, None, {})
    assert "Location" not in response
    assert m.Incident.objects.get().pk == UUID(answer["incident"])
    assert not m.Proposal.objects.exists()


def test_the_worker_is_woken_after_the_commit_and_not_before(
    scanner: Caller, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        scanner.proposes()
        scanner.post("reports", b"{}")
    (wake,) = [each for each in callbacks if each.__module__ != lines.__name__]
    before = len(messages())
    wake()
    assert len(messages()) > before
    assert all(body[:2] == [[], {}] for body in messages())  # no id: it only wakes


def messages() -> list[Any]:
    """Return the bodies in the real broker's queue for assessments; other tests may send, too."""
    with Redis.from_url(settings.BROKER_URL) as broker:
        queued = [json.loads(raw)["body"] for raw in broker.lrange("assess", 0, -1)]
    return [json.loads(b64decode(body)) for body in queued]


@pytest.fixture
def no_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Configure a broker address where no server listens."""
    with current_app.connection("redis://127.0.0.1:1/0") as dead:
        send = partial(current_app.send_task, connection=dead)
        monkeypatch.setattr(current_app, "send_task", send)
        yield


def test_a_broker_that_is_down_does_not_undo_a_report(
    scanner: Caller,
    no_broker: None,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        proposal_id = scanner.proposes()
    assert f"broker did not take remediation.assess {proposal_id}" in caplog.text
    assert m.OutboxMessage.objects.get().proposal_id == proposal_id


def test_the_example_of_the_documentation_is_taken(scanner: Caller) -> None:
    told(scanner.post("reports", examples.REPORT), 201)


# ---- a report is refused as a whole, by name -----------------------------------------------------


def with_raw(text: str) -> bytes:
    """Return the report with this text in place of `"version": 1`."""
    raw = json.dumps(report())
    assert '"version": 1' in raw
    return raw.replace('"version": 1', text).encode()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('"version": 1, "version": 1', "duplicate_key"),
        ('"version": 1.0', "float_not_allowed"),
        ('"version": 9007199254740993', "integer_too_large"),
        ('"version": "\\ud800"', "lone_surrogate"),
        ('"version": 1, "note": "x"', "unknown_field"),
        ('"version": true', "wrong_type"),
        ('"version": 3', "bad_value"),
        ('"environment": "staging"', "duplicate_key"),
        ('"version": NaN', "float_not_allowed"),
        ('"version": 1, "\\u0000": 1', "bad_value"),
        ('"version": 1,', "malformed_json"),
    ],
)
def test_a06_what_two_parsers_could_read_differently_is_refused(
    text: str, name: str, scanner: Caller
) -> None:
    problem(scanner.post("reports", with_raw(text)), 400, name)
    assert not m.Incident.objects.exists()


def _change(path: str, value: Any) -> dict[str, Any]:
    body = report()
    place: Any = body
    *parents, last = path.split("/")
    for part in parents:
        place = place[int(part) if part.isdigit() else part]
    place[last] = value
    return body


@pytest.mark.parametrize(
    ("path", "value", "name", "pointer"),
    [
        ("incident/severity", 1, "unknown_field", "#/incident"),
        ("incident/kind", "No Slug", "bad_value", "#/incident/kind"),
        ("evidence/0/sha256", "0" * 64, "evidence_digest_mismatch", "#/evidence/0/sha256"),
        ("diagnosis/confidence", 101, "bad_value", "#/diagnosis/confidence"),
        ("diagnosis/confidence", "90", "wrong_type", "#/diagnosis/confidence"),
        (
            "proposal/plan/steps/0/action",
            "aws.iam.delete_user",
            "unknown_action",
            "#/proposal/plan/steps/0/action",
        ),
        (
            "proposal/plan/steps/0/target/kind",
            "postgres.superuser",
            "unknown_target_kind",
            "#/proposal/plan/steps/0/target/kind",
        ),
    ],
)
def test_a_refusal_names_the_place(
    path: str, value: Any, name: str, pointer: str, scanner: Caller
) -> None:
    answer = problem(scanner.post("reports", _change(path, value)), 400, name)
    assert [error["pointer"] for error in answer["errors"]] == [pointer]
    assert not m.Incident.objects.exists()


@pytest.mark.parametrize(
    ("cluster", "role"), [("portal", "app"), ("billing", "postgres"), ("billing", "hitl_web")]
)
def test_a_plan_against_the_portal_itself_is_refused(
    cluster: str, role: str, scanner: Caller
) -> None:
    body = report()
    body["proposal"]["plan"]["steps"] = [
        {
            "action": "postgres.role.disable",
            "target": {"kind": "postgres.role", "cluster": cluster, "role": role},
            "parameters": {},
        }
    ]
    problem(scanner.post("reports", body), 400, "protected_target")


def test_test_actions_do_not_exist_where_they_are_not_allowed(
    scanner: Caller, settings: Settings
) -> None:
    settings.ALLOW_TEST_ACTIONS = False
    problem(scanner.report(), 400, "unknown_target_kind")


def test_each_refusal_is_on_record_with_the_agent_and_nothing_else_is_written(
    scanner: Caller,
) -> None:
    before = Entry.objects.count()
    scanner.post("reports", b'{"a": 1.5}')
    (entry,) = Entry.objects.order_by("id")[before:]
    assert entry.data["action"] == "agent:request:refused"
    assert entry.data["actor"] == scanner.agent.actor
    assert entry.data["data"] == {
        "refusal": "float_not_allowed",
        "detail": "1.5",
        "token": str(scanner.token.pk),
        "request": "POST /api/v1/reports",
    }


def test_an_agents_text_in_a_refusal_stays_on_one_line(scanner: Caller) -> None:
    raw = '{"a\\u001b[2J\\n\u202e": 1}'.encode()
    answer = problem(scanner.post("reports", raw), 400, "bad_value")
    for text in (answer["detail"], Entry.objects.latest("id").data["data"]["detail"]):
        assert text.isprintable()


# ---- own and others' ----------------------------------------------------------------------------


def test_two_agents_report_the_same_incident_and_share_it(caller_of: CallerOf) -> None:
    first, second = caller_of("one"), caller_of("two")
    one, two = told(first.report(), 201), told(second.report(), 201)
    assert m.Incident.objects.count() == 1
    # Each knows of its own reports only: see test_foreign_incidents.
    assert one["incident"] != two["incident"]
    assert one["incident_is_new"] and two["incident_is_new"]


def test_an_agent_gets_a_proposal_that_it_can_see(caller_of: CallerOf) -> None:
    first, second = caller_of("one"), caller_of("two")
    first.report()
    answer = told(second.report(), 201)
    told(second.get(f"proposals/{answer['proposal']}"))


def test_two_agents_can_use_the_same_idempotency_key(caller_of: CallerOf) -> None:
    first, second, same = caller_of("one"), caller_of("two"), key()
    one: HttpResponse = first.report("t1", key=same)
    two: HttpResponse = second.report("t2", key=same)
    assert told(one, 201)["incident"] != told(two, 201)["incident"]
    assert "Idempotent-Replay" not in two


# Concatenated, so that no scanner reports this file as a leak.
SECRET = "wJalrXUtnFEMI/K7MDENG" + "/bPxRfiCYEXAMPLEKEY"


def test_a61_no_answer_gives_a_secret_back(scanner: Caller) -> None:
    held = f'{{"target":"t1","secretAccessKey":"{SECRET}"}}'
    body = report("t1")
    body["evidence"][0] |= {"content": held, "sha256": sha256(held.encode()).hexdigest()}
    body["diagnosis"]["claims"][0] = {
        "text": f"{SECRET} is in use",
        "citations": [
            {
                "evidence": body["evidence"][0]["sha256"],
                "pointer": "/secretAccessKey",
                "value": SECRET,
            }
        ],
    }
    first = scanner.post("reports", body, key='"a61"')
    answer = told(first, 201)
    assert answer["secrets_found"] == 1
    # An identical report gets the same answer, and the same masked text is stored.
    assert scanner.post("reports", body, key='"a61"').content == first.content
    proposal = m.Proposal.objects.get(pk=answer["proposal"])
    assert answer["diagnosis_digest"] == proposal.diagnosis.digest
    assert SECRET.encode() not in bytes(proposal.diagnosis.body)
    path = f"proposals/{proposal.pk}"
    scanner.post(f"{path}/withdraw", {"reason": f"secret_access_key={SECRET}"})
    assert m.Transition.objects.get(proposal=proposal).reason == "secret_access_key=[masked]"
    for response in (first, scanner.get(path)):
        assert SECRET.encode() not in response.content


@pytest.mark.parametrize(
    "body",
    [
        {"secretAccessKey": SECRET, f"secretAccessKey={SECRET}": 1},
        {"incident": {f"secretAccessKey={SECRET}": "\ud800"}},
        {"incident": {f"secretAccessKey={SECRET}": {"a": "\ud800"}}},
    ],
    ids=["an unknown field", "half a character", "half a character below"],
)
def test_a61_no_problem_gives_a_secret_back(scanner: Caller, body: dict[str, Any]) -> None:
    response = scanner.post("reports", body)
    assert response.status_code == 400
    quoted = SECRET.replace("/", "~1")
    assert SECRET.encode() not in response.content
    assert quoted.encode() not in response.content
    assert SECRET not in str([entry.data for entry in Entry.objects.order_by("id")])
