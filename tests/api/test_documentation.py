"""The OpenAPI document matches the API; its page loads nothing from other hosts."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator
from playwright.sync_api import Browser
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from remediation.api import examples, reference, schema, urls
from remediation.domain.catalogue import ACTIONS, is_test
from tests import factories
from tests.api.conftest import Caller, problem, told
from tests.browser.conftest import browser_type_launch_args, origin
from tests.factories import proposal_at

__all__ = ["browser_type_launch_args", "origin"]  # fixtures


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(schema.document())
    return value


def test_the_document_is_valid_openapi_without_warnings(
    document: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    validate_schema(document)  # type: ignore[no-untyped-call]
    schema.document.cache_clear()
    schema.document()
    assert capsys.readouterr().err == ""


def test_every_endpoint_is_in_the_document(document: dict[str, Any]) -> None:
    named = [route for route in urls.urlpatterns if getattr(route, "name", None)]
    paths = {"/api/v1/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(r.pattern)) for r in named}
    assert set(document["paths"]) == paths - {"/api/v1/schema", "/api/v1/docs"}
    assert get_resolver().resolve("/api/v1/schema").func is schema.schema


def test_every_post_names_its_key_and_the_limits_of_an_answer(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["security"] == [{"agentToken": []}], path
            assert {"401", "403", "429", "503"} <= set(operation["responses"])
            names = [each["name"] for each in operation.get("parameters", ())]
            assert ("Idempotency-Key" in names) is (method == "post")


def fits(document: dict[str, Any], name: str, value: Any) -> None:
    """Check a value against a component; OpenAPI 3.0's `nullable` is translated first."""
    text = json.dumps(document).replace("#/components/", "urn:api#/components/")
    root = _translated(json.loads(text))
    registry: Registry[Any] = Registry().with_resource("urn:api", DRAFT202012.create_resource(root))
    pointer = {"$ref": f"urn:api#/components/schemas/{name}"}
    Draft202012Validator(pointer, registry=registry).validate(value)


def _translated(value: Any) -> Any:
    if isinstance(value, list):
        return [_translated(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: _translated(each) for key, each in value.items() if key != "nullable"}
    return {"anyOf": [{"type": "null"}, made]} if value.get("nullable") is True else made


def test_the_examples_match_the_document(document: dict[str, Any]) -> None:
    fits(document, "ReportRequest", examples.REPORT)
    fits(document, "ReportRequest", examples.ALTERNATIVES)
    fits(document, "WithdrawRequest", examples.WITHDRAW)
    fits(document, "SupersedeRequest", examples.SUPERSEDE)
    fits(document, "Submitted", examples.SUBMITTED)
    fits(document, "Problem", examples.PROBLEM)


@pytest.mark.django_db
def test_the_endpoints_accept_the_examples(scanner: Caller, document: dict[str, Any]) -> None:
    made = told(scanner.post("reports", examples.REPORT), 201)
    fits(document, "Submitted", made)
    assert set(made) == set(examples.SUBMITTED)
    path = f"proposals/{made['proposal']}"
    new = told(scanner.post(f"{path}/supersede", examples.SUPERSEDE), 201)
    fits(document, "Superseding", new)
    ended = told(scanner.post(f"proposals/{new['proposal']}/withdraw", examples.WITHDRAW))
    fits(document, "Withdrawn", ended)
    two = told(scanner.post("reports", examples.ALTERNATIVES), 201)
    fits(document, "Submitted", two)
    assert len(two["alternatives"]) == 2
    bad = json.loads(json.dumps(examples.REPORT))
    bad["incident"]["severity"] = "high"
    sent = {"X-Request-ID": examples.PROBLEM["instance"].removeprefix("urn:uuid:")}
    answer = problem(scanner.post("reports", bad, **sent), 400, "unknown_field")
    assert answer == examples.PROBLEM
    fits(document, "Problem", answer)


@pytest.mark.django_db
def test_answers_match_the_document(scanner: Caller, document: dict[str, Any]) -> None:
    for state in ("submitted", "in_review", "returned", "succeeded", "superseded"):
        proposal = proposal_at(state, agent=scanner.agent, token=scanner.token)
        fits(document, "Proposal", told(scanner.get(f"proposals/{proposal.pk}")))
    fits(document, "Catalogue", told(scanner.get("actions")))


# ---- the catalogue -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_catalogue_shows_every_action_with_schemas_that_hold(
    scanner: Caller, settings: Any
) -> None:
    settings.ALLOW_TEST_ACTIONS = False
    shown = told(scanner.get("actions"))
    assert [each["action"] for each in shown["actions"]] == [k for k in ACTIONS if not is_test(k)]
    assert not any(each["kind"].startswith("test.") for each in shown["targets"])
    (role,) = [each for each in shown["actions"] if each["action"] == "postgres.role.disable"]
    target = Draft202012Validator(role["target"])
    assert target.is_valid(examples.ROLE)
    for wrong in ({**examples.ROLE, "x": "y"}, {**examples.ROLE, "role": ""}, {"kind": "x"}):
        assert not target.is_valid(wrong)
    assert target.is_valid({**examples.ROLE, "role": "my app identity"})
    assert not target.is_valid({**examples.ROLE, "role": "a\0b"})
    assert not target.is_valid({**examples.ROLE, "role": "a" * 64})
    assert "1 to 63 bytes of UTF-8" in role["target"]["properties"]["role"]["description"]
    declared = {limit.field for limit in ACTIONS["postgres.role.disable"].limits}
    assert {limit["field"] for limit in role["limits"]} == declared
    assert Draft202012Validator(role["parameters"]).is_valid({})
    assert shown["limits"]["plan_bytes"] == 32_768


@pytest.mark.django_db
def test_test_actions_are_shown_only_where_they_are_allowed(scanner: Caller) -> None:
    assert "test.noop" in [each["action"] for each in told(scanner.get("actions"))["actions"]]
    assert b"test.noop" not in schema.document()


@pytest.mark.django_db
def test_the_catalogue_has_an_etag(scanner: Caller) -> None:
    etag = scanner.get("actions")["ETag"]
    assert scanner.get("actions", **{"If-None-Match": etag}).status_code == 304


# ---- pages ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_document_is_open_and_cached_by_its_etag() -> None:
    first = Client().get("/api/v1/schema")
    assert first["Content-Type"] == "application/vnd.oai.openapi+json"
    again = Client().get("/api/v1/schema", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert Client().post("/api/v1/schema").status_code == 405


@pytest.mark.django_db
def test_the_page_names_every_field_of_the_document(document: dict[str, Any]) -> None:
    page = unescape(Client().get("/api/v1/docs").content.decode())
    shown = set(re.findall(r"<code>([^<]+)</code>", page))
    for name, component in document["components"]["schemas"].items():
        if name in {"Catalogue", "TargetKind", "Action"} or name.endswith("Request"):
            assert set(component.get("properties", {})) <= shown, name
    for each in reference.read(document).operations:
        assert {row.name for row in (*each.parameters, *each.body)} <= shown
        said = [text for answer in each.answers for text, _ in answer.words]
        assert all(text in page for text in said)


@pytest.mark.django_db
def test_the_page_has_nothing_inline_and_no_foreign_address() -> None:
    response = Client().get("/api/v1/docs")
    page = response.content.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|https?://|<script(?![^>]*\ssrc=)", page)
    assert "unsafe" not in response["Content-Security-Policy"]
    assert "data:" not in response["Content-Security-Policy"]


@pytest.mark.django_db
def test_the_page_reveals_nothing_about_this_installation() -> None:
    factories.freeze(reason="The billing database is under attack.")
    page = Client().get("/api/v1/docs").content.decode()
    assert "frozen" not in page
    assert "billing database" not in page


@pytest.mark.django_db(transaction=True)
def test_a_browser_shows_the_page_without_complaint(browser: Browser, origin: str) -> None:
    page = browser.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{origin}/api/v1/docs")
    assert page.locator(".operation").count() == 5
    for summary in page.locator("main summary").all():
        summary.click()
    page.get_by_role("link", name="a target").first.click()
    assert page.url.endswith("#targets")
    page.close()
    assert complaints == []
    assert all(url.startswith(origin) for url in asked)
