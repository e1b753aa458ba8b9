"""The recipe "add a page", performed: a view and a route, and the walk finds and checks the page.

The page lives in this file. It is mounted by the URLconf that this module is, and its template is
written into a folder of the test.
"""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import include, path
from pytest_django import Settings

from remediation.models import Incident
from remediation.services.reporting import submit
from remediation.views import decorators
from tests.flows.world import World, acts
from tests.views import walk
from tests.views.walk import Page

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])

HOSTILE = "Approve\u202e now\u200b <b>it</b>"
INERT = (
    "{% extends 'base.html' %}{% load inert %}{% block content %}{{ title|inert }}{% endblock %}"
)
PACKAGES = (*walk.PACKAGES, __name__)


@decorators.page
def notes(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """The new page: an incident's title, which an agent wrote."""
    incident = Incident.objects.get(pk=incident_id)
    return render(request, "notes.html", {"title": incident.title})


@decorators.form
def note(request: HttpRequest, incident_id: UUID) -> HttpResponse:
    """A form's address beside it, which is no page."""
    return HttpResponse(status=204)


@decorators.page
def shelf(request: HttpRequest, shelf_number: int) -> HttpResponse:
    """A page with an argument that no page had before."""
    return HttpResponse("a shelf")


urlpatterns = [
    path("incidents/<uuid:incident_id>/notes/", notes, name="notes"),
    path("incidents/<uuid:incident_id>/note", note, name="note"),
    path("", include("hitlportal.urls")),
]


class WithShelf:
    """A URLconf in which the shelf's argument has no value."""

    urlpatterns = [path("shelves/<int:shelf_number>/", shelf, name="shelf"), *urlpatterns]


def walked(world: World, tmp_path: Path, settings: Settings, template: str) -> list[Page]:
    (tmp_path / "notes.html").write_text(template, encoding="utf-8")
    settings.ROOT_URLCONF = __name__
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    proposal = walk.decided_by_one(world)
    titled = world.report(
        incident={
            "kind": "hostile_title",
            "title": HOSTILE,
            "identity": {"kind": "test.target", "name": "t1"},
            "detected_at": "2026-11-22T11:00:00Z",
        }
    )
    values = walk.values_of(proposal)
    with acts("hitl_web"), transaction.atomic():
        made = submit.report(titled, actor=world.agent)
    world.integrate()
    values["incident_id"] = made.incident_id
    return walk.pages(values, walk.people(world), PACKAGES)


def hidden(found: list[Page]) -> set[str]:
    return {page.name for page in found if walk.hidden_in(page.html)}


def test_a_page_and_its_route_are_found_and_checked(
    world: World, tmp_path: Path, settings: Settings
) -> None:
    found = walked(world, tmp_path, settings, INERT)
    assert ["U+202E" in page.html for page in found if page.name == "notes"] == [True]
    assert "note" not in {page.name for page in found}
    assert hidden(found) == set()


def test_hostile_text_past_inert_fails_the_walk(
    world: World, tmp_path: Path, settings: Settings
) -> None:
    found = walked(world, tmp_path, settings, INERT.replace("|inert", ""))
    assert hidden(found) == {"notes"}


def test_a_page_that_cannot_be_opened_says_what_to_add(world: World, settings: Settings) -> None:
    settings.ROOT_URLCONF = WithShelf
    values = walk.values_of(walk.decided_by_one(world))
    with pytest.raises(pytest.fail.Exception, match=r"'shelf'.*shelf_number.*values_of"):
        walk.pages(values, walk.people(world), PACKAGES)


def test_a_page_that_nobody_may_open_says_so(world: World) -> None:
    values = walk.values_of(walk.decided_by_one(world))
    with pytest.raises(pytest.fail.Exception, match=r"is shown to nobody: \{'nobody': 302\}"):
        walk.pages(values, {"nobody": None})
