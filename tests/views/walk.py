"""Every page of the portal, found in the URLconf, so that a new page is covered by itself.

Tests of what all pages must keep (titles, hostile text, accessibility, language, no queries in
templates) ask `pages` what there is to open. A page needs an entry here only if its address has an
argument that no page had before (`values_of`), or if none of `people` may open it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, TypeAlias

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from remediation import models as m
from remediation.domain import inert
from tests import factories
from tests.factories import Person
from tests.flows.world import World
from tests.views.conftest import sign_in

# Where the views of pages live; Django's admin and allauth bring their own.
PACKAGES = ("remediation.views.", "audit.views.")
# Answers of views that are no pages: a form's POST, and a way to another address.
ONLY_POST, MOVED = 405, (301, 302)
SHOWN = (200, 286)

Values: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """A page that somebody may open; a part of one is what a page polls."""

    name: str
    path: str
    who: str
    part: bool
    html: str = field(repr=False)


@dataclass(frozen=True)
class Route:
    name: str
    pattern: str
    arguments: tuple[str, ...]


def routes(packages: tuple[str, ...] = PACKAGES) -> list[Route]:
    """Every named address whose view lies in one of the packages."""
    return [
        Route(str(pattern.name), where, tuple(pattern.pattern.converters))
        for where, pattern in _patterns(get_resolver(), "/")
        if getattr(pattern.callback, "__module__", "").startswith(packages)
    ]


def _patterns(resolver: URLResolver, before: str) -> Iterator[tuple[str, URLPattern]]:
    for one in resolver.url_patterns:
        where = f"{before}{one.pattern}"
        if isinstance(one, URLResolver):
            yield from _patterns(one, where)
        else:
            yield where, one


def values_of(proposal: m.Proposal) -> Values:
    """A value for every argument of an address, by its name."""
    evidence = m.Evidence.objects.filter(incident=proposal.incident_id).earliest("pk")
    return {
        "proposal_id": proposal.pk,
        "incident_id": proposal.incident_id,
        "sha256": evidence.sha256,
        "number": 1,  # a review
        "pk": proposal.entry,  # an entry of the log
        "kind": "jsonl",  # a form of the whole log
        "person": m.User.objects.earliest("pk").person,
        "service_id": m.Service.objects.earliest("pk").pk,
        "user_id": m.User.objects.earliest("pk").pk,
    }


def people(world: World) -> dict[str, Person | None]:
    """Who tries to open each page, in this order."""
    carol = factories.person(roles=["auditor"])
    m.User.objects.filter(pk=carol.user.pk).update(is_staff=True)
    return {"bob": world.people["bob"], "carol": carol, "nobody": None}


def decided_by_one(world: World) -> m.Proposal:
    """A proposal in review with one of its two reviews, in the log."""
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    world.integrate()
    return world.get(proposal_id)


def pages(
    values: Values,
    who: Mapping[str, Person | None],
    packages: tuple[str, ...] = PACKAGES,
) -> list[Page]:
    """Every page, opened by the first person who may. Fails for one that nobody can open."""
    clients = {name: _client(someone) for name, someone in who.items()}
    found = (_open(route, values, clients) for route in routes(packages))
    return [page for page in found if page is not None]


def _client(someone: Person | None) -> Client:
    client = Client(raise_request_exception=True)
    if someone is not None:
        sign_in(client, someone.user)
    return client


def _open(route: Route, values: Values, clients: Mapping[str, Client]) -> Page | None:
    """The page; None where the route is none: it takes a POST, leads on, or hands out a file."""
    missing = [name for name in route.arguments if name not in values]
    if missing:
        pytest.fail(
            f"The page {route.name!r} ({route.pattern}) cannot be opened: no value for"
            f" {', '.join(missing)}. Add one to `values_of` in tests/views/walk.py."
        )
    path = reverse(route.name, kwargs={name: values[name] for name in route.arguments})
    statuses = {}
    for name, client in clients.items():
        answer = client.get(path)
        statuses[name] = answer.status_code
        if answer.status_code == ONLY_POST:
            return None
        if answer.status_code in MOVED and "/account/login/" not in answer["Location"]:
            return None
        if answer.status_code in SHOWN:
            if answer.streaming or not answer["Content-Type"].startswith("text/html"):
                return None
            html = answer.content.decode()
            return Page(route.name, path, name, "<html" not in html, html)
    pytest.fail(
        f"The page {route.name!r} ({path}) is shown to nobody: {statuses}. Make a value in"
        " `values_of`, or somebody in `people`, that can open it: tests/views/walk.py."
    )


class _Texts(HTMLParser):
    """What a page says: its texts and attributes."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.texts += [value for _, value in attrs if value]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def hidden_in(html: str) -> list[str]:
    """Texts of a page with characters that nobody sees: what an agent wrote went past `inert`."""
    reader = _Texts()
    reader.feed(html)
    reader.close()
    # Django sets a no-break space between a number and its unit.
    texts = (text.replace("\u00a0", " ") for text in reader.texts)
    return [text for text in texts if any(piece.unseen for piece in inert.pieces(text))]


Tell: TypeAlias = Callable[[Page], list[str]]


def complaints(found: list[Page], tell: Tell) -> list[str]:
    """What `tell` finds wrong on the pages, each with its page."""
    return [f"{page.name} ({page.path}): {wrong}" for page in found for wrong in tell(page)]
