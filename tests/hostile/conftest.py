"""Chromium in front of pages full of hostile text; whoever looks is signed in by a session."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import Visitor
from tests.browser.conftest import (
    _fresh_counters,
    _static_root,
    browser_type_launch_args,
    carry_session,
    in_flight,
    origin,
    visitors,
    world,
)
from tests.factories import Person

__all__ = [
    "_fresh_counters",
    "_static_root",
    "browser_type_launch_args",
    "in_flight",
    "origin",
    "visitors",
    "world",
]

Visit = Callable[[Person], Visitor]


@pytest.fixture
def visit(browser: Browser, origin: str, visitors: list[Visitor]) -> Visit:
    """Somebody at a browser of their own. Whatever asks, opens or complains is remembered."""

    def come(someone: Person) -> Visitor:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        carry_session(context, someone.user, origin)
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

    return come
