"""People at Chromium, in front of the real pages. At the end their browsers have no complaint."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.servers.basehttp import ServerHandler
from django.test import Client
from playwright.sync_api import Browser, BrowserContext
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from pytest_django import Settings

from remediation import models as m
from tests import needs
from tests.browser.chromium import ARGUMENTS, Visitor, web_rights
from tests.flows.world import World
from tests.views.conftest import _fresh_counters, _static_root, sign_in

__all__ = ["_fresh_counters", "_static_root"]  # fixtures that every page needs

Visit = Callable[[], Visitor]
Come = Callable[[m.User], Visitor]


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return {"executable_path": str(needs.chromium()), "args": ARGUMENTS}


@pytest.fixture
def origin(live_server: Any, settings: Settings) -> Iterator[str]:
    """The live server's address, which is then the portal's own."""
    settings.ORIGIN = live_server.url
    with web_rights():
        yield live_server.url


@pytest.fixture
def world(tmp_path: Path, settings: Settings, origin: str) -> World:
    return World(tmp_path, settings)


class InFlight:
    """Counts the requests that the live server answers now."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._now = 0

    def counting(self, run: Callable[..., None]) -> Callable[..., None]:
        """Return `run` so that its calls are counted.

        `request_finished` would not do: it is not sent when a browser goes away in mid-answer.
        """

        def counted(*args: Any, **said: Any) -> None:
            self._add(1)
            try:
                run(*args, **said)
            finally:
                self._add(-1)

        return counted

    def wait(self) -> None:
        """Wait until none is left: what a page posted by itself must not meet the flush."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._now <= 0, timeout=60)

    def _add(self, number: int) -> None:
        with self._changed:
            self._now += number
            self._changed.notify_all()


@pytest.fixture
def in_flight(monkeypatch: pytest.MonkeyPatch) -> InFlight:
    counting = InFlight()
    monkeypatch.setattr(ServerHandler, "run", counting.counting(ServerHandler.run))
    return counting


@pytest.fixture
def visitors(in_flight: InFlight) -> Iterator[list[Visitor]]:
    """Everybody at a browser; whatever theirs complained of is told at the end."""
    everybody: list[Visitor] = []
    yield everybody
    complaints = [complaint for visitor in everybody for complaint in visitor.complaints]
    for visitor in everybody:
        if not visitor.page.is_closed() and visitor.page.url.startswith("http"):
            # A script of the page may be about to ask; polling is further apart than this waits.
            with contextlib.suppress(PlaywrightTimeout):
                visitor.page.wait_for_load_state("networkidle", timeout=5_000)
        visitor.page.context.close()
    in_flight.wait()
    assert complaints == [], "\n".join(complaints)


@pytest.fixture
def visit(browser: Browser, origin: str, visitors: list[Visitor]) -> Visit:
    """Somebody at a browser of their own, whom the portal does not know yet."""

    def come() -> Visitor:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        visitors.append(Visitor(context, origin))
        return visitors[-1]

    return come


@pytest.fixture
def come(browser: Browser, origin: str, visitors: list[Visitor]) -> Come:
    """Somebody who has signed in, at a browser of their own."""

    def coming(user: m.User) -> Visitor:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        carry_session(context, user, origin)
        visitors.append(Visitor(context, origin))
        return visitors[-1]

    return coming


def carry_session(context: BrowserContext, user: m.User, origin: str) -> None:
    """The session of somebody who has signed in, as a cookie of this browser."""
    client = Client()
    sign_in(client, user)
    name = django_settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": origin}])
