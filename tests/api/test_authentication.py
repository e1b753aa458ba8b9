"""Authentication of agents; an agent's token gives no access outside the API."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.http import HttpResponse
from django.test import Client
from rest_framework.test import APIClient

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.services.actors import PersonActor
from remediation.services.reporting import agents
from remediation.services.review import sign
from remediation.services.review.old_page import Page
from tests import factories
from tests.api.conftest import Caller, CallerOf, problem, told
from tests.conftest import AsLogin
from tests.factories import Person
from tests.views.conftest import sign_in

SOME_ID = "8e03978e-40d5-43dd-bc93-6894a57f9324"
ENDPOINTS = [
    ("GET", "actions"),
    ("POST", "reports"),
    ("GET", f"proposals/{SOME_ID}"),
    ("POST", f"proposals/{SOME_ID}/withdraw"),
    ("POST", f"proposals/{SOME_ID}/supersede"),
]


def ask(method: str, path: str, **headers: str) -> HttpResponse:
    client = APIClient(raise_request_exception=False)
    return client.generic(
        method, f"/api/v1/{path}", "{}", content_type="application/json", headers=headers
    )


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic ZGF2ZTpwYXNz",
        "Token hitl_00000000_x",
        "Bearer hitl_00000000_" + "A" * 43,
        "Bearer a b",
        "Bearer \xe9\xff",
    ],
)
def test_a12_every_endpoint_asks_for_a_known_token(
    method: str, path: str, header: str | None, db: None, as_login: AsLogin
) -> None:
    with as_login("hitl_web"):
        response = ask(method, path, **({} if header is None else {"Authorization": header}))
    problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"].startswith('Bearer realm="agents"')
    assert ("invalid_token" in response["WWW-Authenticate"]) is (header is not None)


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_a14_a_persons_session_is_nobody_here(
    method: str, path: str, db: None, as_login: AsLogin
) -> None:
    alice = factories.person(roles=["security", "agent_admin"])
    client = APIClient(raise_request_exception=False)
    sign_in(client, alice.user)
    with as_login("hitl_web"):
        response = client.generic(method, f"/api/v1/{path}", "{}", content_type="application/json")
    problem(response, 401, "not_authenticated")


def test_a14_who_calls_is_what_the_token_says_and_nothing_else(caller_of: CallerOf) -> None:
    mine, other = caller_of("mine"), caller_of("other")
    proposal_id = mine.proposes()
    for headers in (
        {"X-Agent": str(mine.agent.pk)},
        {"X-Forwarded-User": str(mine.agent.pk), "X-Remote-User": "admin"},
        {"hitlportal.agent": str(mine.agent.pk)},
        {"Hitlportal-Agent": str(mine.agent.pk)},
    ):
        problem(other.get(f"proposals/{proposal_id}", **headers), 404, "no_such_object")


def test_a14_no_other_origin_is_let_in(scanner: Caller) -> None:
    response = scanner.get("actions", Origin="https://evil.example")
    told(response)
    assert not [name for name in response.headers if name.startswith("Access-Control")]
    problem(scanner.ask("OPTIONS", "reports"), 405, "method_not_allowed")


# ---- tokens that have ended ----------------------------------------------------------------------


def last_refusal() -> dict[str, object]:
    data: dict[str, object] = Entry.objects.latest("id").data
    assert data["action"] == Event.AGENT_REQUEST_REFUSED
    return data


def test_a16_a_suspended_agent_is_refused_and_that_is_on_record(
    scanner: Caller, eve: Person
) -> None:
    agents.change(actor=PersonActor(eve.id, eve.user.pk), agent_id=scanner.agent.pk, enabled=False)
    problem(scanner.report(), 403, "agent_disabled")
    entry = last_refusal()
    assert entry["actor"] == scanner.agent.actor
    assert entry["data"]["refusal"] == "agent_disabled"  # type: ignore[index]
    assert not m.Incident.objects.exists()


def test_a16_an_agent_suspended_while_its_report_runs_gets_nothing_recorded(
    scanner: Caller, eve: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database checks again when the proposal is inserted."""
    identify = agents.identify

    def then_suspended(bearer: str) -> agents.Known | None:
        known = identify(bearer)
        factories.agent_version(scanner.agent, eve, enabled=False)
        return known

    monkeypatch.setattr(agents, "identify", then_suspended)
    problem(scanner.report(), 403, "agent_disabled")
    assert not m.Incident.objects.exists()
    assert not m.IdempotencyRecord.objects.exists()


def test_a_revoked_token_is_refused_by_name(scanner: Caller, eve: Person) -> None:
    agents.revoke_token(actor=PersonActor(eve.id, eve.user.pk), token_id=scanner.token.pk)
    response = scanner.report()
    problem(response, 401, "token_revoked")
    assert 'error="invalid_token"' in response["WWW-Authenticate"]
    assert last_refusal()["actor"] == scanner.agent.actor


def test_an_expired_token_is_refused_by_name(scanner: Caller, eve: Person) -> None:
    scanner.text = f"hitl_{uuid4()}"
    factories.token(scanner.agent, eve, secret=scanner.text, expires=timedelta(seconds=-1))
    problem(scanner.get("actions"), 401, "token_expired")
    assert last_refusal()["actor"] == scanner.agent.actor


# ---- strangers are counted, not listed -----------------------------------------------------------


def test_refusals_of_strangers_are_counted_by_the_minute(db: None, as_login: AsLogin) -> None:
    began = int(time.time() // 60)
    cache.delete_many([f"unknown:api:{minute}" for minute in range(began - 1, began + 3)])
    before = Entry.objects.count()
    with as_login("hitl_web"):
        for _ in range(5):
            problem(ask("POST", "reports"), 401, "not_authenticated")
    minutes = range(began, int(time.time() // 60) + 1)
    assert sum(cache.get(f"unknown:api:{minute}", 0) for minute in minutes) == 5
    # One entry per minute; the test may run into the next minute.
    recorded = [entry.data for entry in Entry.objects.order_by("id")[before:]]
    assert 1 <= len(recorded) <= len(minutes)
    assert {data["action"] for data in recorded} == {Event.SYSTEM_REFUSALS_COUNTED}


# ---- the token elsewhere -------------------------------------------------------------------------

PAGES = ["/", "/queue/", "/incidents/", "/passkeys/", "/admin/", "/audit/", "/audit/incidents/"]


@pytest.mark.parametrize("path", PAGES)
def test_a11_an_agents_token_opens_no_page(path: str, scanner: Caller) -> None:
    bearer = {"Authorization": f"Bearer {scanner.text}"}
    with scanner.as_login("hitl_web"):
        client = Client(raise_request_exception=False)
        for response in (
            client.get(path, headers=bearer),
            client.get(path, headers=bearer, follow=True),
        ):
            assert scanner.agent.name.encode() not in response.content
            assert response.wsgi_request.user.is_anonymous
        assert client.get(path, headers=bearer).status_code in (302, 403, 404)


def test_a11_an_agents_token_cannot_approve(scanner: Caller) -> None:
    """The review pages require a person, and the API has no address for reviews."""
    proposal = factories.proposal_at("in_review", agent=scanner.agent, token=scanner.token)
    before = m.Review.objects.count(), m.ReviewSession.objects.count()
    body = {"decision": "approve", "verdicts": {}, "slot": "security"}
    for verb in ("approve", "reviews", "review", "reject", "execute", "transitions"):
        problem(scanner.post(f"proposals/{proposal.pk}/{verb}", body), 404, "no_such_object")
    bearer = {"Authorization": f"Bearer {scanner.text}"}
    with scanner.as_login("hitl_web"):
        for page in ("review/start", "review/sign", "observe/"):
            response = Client(raise_request_exception=False).post(
                f"/proposals/{proposal.pk}/{page}", body, "application/json", headers=bearer
            )
            assert response.status_code in (302, 401, 403), (page, response.status_code)
    proposal.refresh_from_db()
    assert proposal.state == "in_review"
    assert (m.Review.objects.count(), m.ReviewSession.objects.count()) == before


@pytest.mark.parametrize("who", ["eve", "dave"])
def test_a11_neither_the_maker_of_the_token_nor_the_owner_decides(
    who: str, scanner: Caller, eve: Person, dave: Person
) -> None:
    """eve makes a token for dave's agent and reports with it; later she or he is an approver.

    The service and the database refuse both.
    """
    culprit, honest = {"eve": eve, "dave": dave}[who], factories.person(roles=["security"])
    proposal = m.Proposal.objects.get(pk=scanner.proposes())
    factories.assess(proposal, slots=["security"])
    proposal.refresh_from_db()
    culprit.user.groups.clear()
    factories.join(culprit.user, "security")
    for service in m.Service.objects.all():
        factories.grant(culprit.user, "review_service", service)
        factories.grant(honest.user, "review_service", service)

    def start(person: Person) -> None:
        yes = dict.fromkeys(("diagnosis", "scope", "action"), "yes")
        with scanner.as_login("hitl_web"):
            sign.start(
                actor=person.user,
                proposal_id=proposal.pk,
                page=Page(1),
                decision="approve",
                verdicts=yes,
                reason={"code": "", "text": ""},
                slot="security",
                opened=[artefact.sha256 for artefact in proposal.incident.evidence.all()],
            )

    start(honest)
    with pytest.raises(errors.Separation):
        start(culprit)
    with pytest.raises(IntegrityError, match="review_separation"), transaction.atomic():
        factories.review(proposal, culprit, "approve", "security")
    assert not m.Review.objects.exists()


def test_the_middleware_does_not_see_an_agent_as_user(scanner: Caller) -> None:
    response = scanner.get("actions")
    assert response.wsgi_request.user.is_anonymous  # type: ignore[attr-defined]
    assert "Set-Cookie" not in response
