"""Evidence of version 4 with one flaw each: runs that wait and must not go on yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from remediation.domain.gate.evidence import Evidence
from remediation.domain.holds import Mode
from remediation.domain.observation import Pinned
from remediation.domain.scope import ScopeConsumer
from tests.domain.story import ALICE
from tests.domain.thing_plans import MOVED, OLD
from tests.domain.waited import (
    LOCATOR,
    MADE,
    NIGHTLY,
    NOW,
    SHOP,
    WAITED_S,
    a_rotation,
    a_wait,
    answer,
    answer_statement,
    says,
    sighting,
    waited,
)

_PLAN = a_rotation()
_PERSON = a_rotation(person=True)
_UNSEEN = a_wait(_PLAN, sightings=(sighting(consumers=()),))


def go_on() -> Evidence:
    """alice went on without the consumers that were not seen."""
    return waited(wait=_UNSEEN, answers=(says(_PLAN, unmet=("consumers_moved",)),))


def _with(plan: Any = None, **changes: Any) -> Callable[[], Evidence]:
    return lambda: waited(plan, **changes)


def _answered(**said: Any) -> Callable[[], Evidence]:
    composed = answer_statement(**{"plan": _PERSON.digest, **said})
    return lambda: waited(_PERSON, answers=(answer(composed, ALICE),))


_NOW_MORE = (ScopeConsumer(LOCATOR, SHOP), ScopeConsumer(LOCATOR, NIGHTLY))

# By name: the gate's step, the reason, and the evidence.
FLAWS_OF_WAITS: dict[str, tuple[int, str, Callable[[], Evidence]]] = {
    "hold_missing": (5, "hold_missing", _with(_PERSON)),
    "hold_missing_not_moved": (5, "hold_missing", _with(wait=_UNSEEN)),
    "hold_missing_old_look": (
        5,
        "hold_missing",
        _with(wait=a_wait(_PLAN, sightings=(sighting(at=NOW - timedelta(minutes=11)),))),
    ),
    "hold_missing_new_consumer": (
        5, "hold_missing", _with(wait=a_wait(_PLAN, consumers=_NOW_MORE)),
    ),
    "hold_missing_overdue": (5, "hold_missing", _with(wait=a_wait(_PLAN, deadline=NOW))),
    "hold_missing_not_said": (5, "hold_missing", _with(wait=_UNSEEN, answers=(says(_PLAN),))),
    # An answer that is not what the worker verified.
    "hold_missing_other_page": (5, "signature", _answered(seen="0" * 64)),
    "hold_missing_other_step": (5, "signature", _answered(step=1)),
    "hold_missing_other_round": (5, "signature", _answered(round=2)),
    "hold_missing_other_wait": (
        5, "hold_missing",
        _with(a_rotation(MOVED, person=True), wait=a_wait(_PLAN), answers=(says(_PLAN),)),
    ),
    "deadline_waited": (5, "deadline", _with(waited_s=WAITED_S - 900)),
    "ruling_tightened_mode": (2, "ruling_tightened", _with(mode=Mode.EVERY_STEP)),
    "drift_own_step": (
        6, "drift",
        _with(observations=(replace(MADE, state={**MADE.state, "tokens": [OLD]}),)),
    ),
    "drift_made": (6, "drift", _with(made={})),
    "target_gone_own_step": (
        6, "target_gone", _with(observations=(Pinned(LOCATOR, False, {}),)),
    ),
    "digest_made": (6, "digest", _with(made={0: {"token_id": "secret"}})),
}  # fmt: skip
