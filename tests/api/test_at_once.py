"""Agents' reports cannot take every thread of the web process (docs/attacks.md A83)."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from pytest_django import Settings

from remediation import models as m
from remediation.api import at_once
from tests.api.conftest import CallerOf, key, problem, told

pytestmark = pytest.mark.django_db


def test_a83_a_report_beyond_the_places_is_refused_at_once(
    caller_of: CallerOf, settings: Settings
) -> None:
    settings.REPORTS_AT_ONCE = 2
    one, two = caller_of("one"), caller_of("two")
    proposal_id, used = one.proposes("t2"), key()
    with ExitStack() as held:
        held.enter_context(at_once.place(one.agent.pk))
        # The last place is never for the agent that has the others.
        problem(one.report("t1", key=used), 503, "unavailable")
        told(two.report("t1"), 201)
        held.enter_context(at_once.place(two.agent.pk))
        answer = two.report("t3")
        problem(answer, 503, "unavailable")
        assert int(answer["Retry-After"]) > 0
        # Other requests need no place.
        told(one.get(f"proposals/{proposal_id}"))
        # Control: with more places it is taken.
        settings.REPORTS_AT_ONCE = 4
        told(two.report("t3"), 201)
    settings.REPORTS_AT_ONCE = 2
    told(one.report("t1", key=used), 201)
    assert m.IncidentReport.objects.count() == 4 and not at_once._held
