"""Whom a plan cuts, as the worker saw it, stands under "what breaks", not under "not stopped"."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.template.loader import render_to_string

from audit.tlog.canonical import Json
from remediation.domain.catalogue import ACTIONS
from remediation.domain.observation import Observation
from remediation.views.cards.limits import DoesNotStop, does_not_stop
from remediation.views.review import tiles
from tests.executors.contract import make_plan

pytestmark = pytest.mark.django_db

ISOLATE = "kubernetes.workload.isolate"
TARGET: dict[str, Json] = {
    "kind": "kubernetes.workload",
    "cluster": "eu-1",
    "namespace": "payments",
    "controller": "deployment",
    "name": "checkout",
}
SEEN: dict[str, Json] = {"allowed_by": [], "services": ["partner-callbacks"], "ingresses": []}


def limits_of(shown: dict[str, Json]) -> DoesNotStop:
    step = make_plan(ISOLATE, TARGET, dict(ACTIONS[ISOLATE].example)).steps[0]
    state: dict[str, Json] = {"isolated": [], "selector": "app=checkout", "uid": "1"}
    observation = Observation(True, state, shown, simulated=True)
    return does_not_stop(step, observation, datetime(2026, 11, 30, tzinfo=UTC))


def tile_of(*found: DoesNotStop) -> str:
    steps: Any = tuple(
        SimpleNamespace(does_not_stop=one, observed=None, name_untrusted="checkout")
        for one in found
    )
    scope: Any = SimpleNamespace(services=(), direct=1, downstream=0, unknown=())
    given = tiles.breaks(scope, steps)
    return render_to_string("remediation/review/breaks.html", {"tile": given})


def test_services_that_lead_to_a_workload_are_cut() -> None:
    found = limits_of(SEEN)
    [one] = found.cuts
    assert "partner-callbacks" in one.text_untrusted and not one.unknown
    assert not any("partner-callbacks" in row.text_untrusted for row in found.seen)
    assert "partner-callbacks" in tile_of(found)


def test_what_was_not_looked_at_is_told_after_what_was_seen() -> None:
    page = tile_of(limits_of({}), limits_of(SEEN))
    assert page.index("partner-callbacks") < page.index("not looked at which services")


def test_where_nothing_is_cut_the_tile_says_nothing_of_it() -> None:
    nothing: dict[str, Json] = {"allowed_by": [], "services": [], "ingresses": []}
    assert "Seen at the target" not in tile_of(limits_of(nothing))
