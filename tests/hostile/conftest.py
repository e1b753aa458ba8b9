"""Chromium in front of pages full of hostile text; whoever looks is signed in by a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Browser
from pytest_django import Settings

from tests import needs
from tests.factories import Person
from tests.flows.world import World
from tests.views.chromium import ARGUMENTS, Visitor, web_rights
from tests.views.conftest import _fresh_counters, _static_root, sign_in  # noqa: F401

Visit = Callable[[Person], Visitor]


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return {"executable_path": str(needs.chromium()), "args": ARGUMENTS}


@pytest.fixture
def origin(live_server: Any, settings: Settings) -> Iterator[str]:
    settings.ORIGIN = live_server.url
    with web_rights():
        yield live_server.url


@pytest.fixture
def world(tmp_path: Path, settings: Settings, origin: str) -> World:
    return World(tmp_path, settings)


@pytest.fixture
def visit(browser: Browser, origin: str) -> Iterator[Visit]:
    """Somebody at a browser of their own. Whatever asks, opens or complains is remembered."""
    visitors: list[Visitor] = []

    def come(someone: Person) -> Visitor:
        client = Client()
        sign_in(client, someone.user)
        name = django_settings.SESSION_COOKIE_NAME
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": origin}])
        visitor = Visitor(context, origin)
        visitors.append(visitor)
        happened = visitor.complaints
        visitor.page.on(
            "dialog", lambda it: (happened.append(f"dialog {it.message}"), it.dismiss())
        )
        visitor.page.on("popup", lambda it: happened.append(f"popup {it.url}"))
        visitor.page.on("download", lambda it: happened.append(f"download {it.url}"))
        visitor.page.on("websocket", lambda it: happened.append(f"socket {it.url}"))
        visitor.page.on("worker", lambda it: happened.append(f"worker {it.url}"))
        visitor.page.on("frameattached", lambda it: happened.append(f"frame {it.url}"))
        return visitor

    yield come
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    for visitor in visitors:
        visitor.page.context.close()
    assert complaints == [], "\n".join(complaints)
