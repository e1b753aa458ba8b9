"""Step 6 of the gate: a refusal says what changed, and about which target."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.tlog.canonical import Json
from remediation.domain.errors import Digest, Drift, TargetGone, TargetUnobservable
from remediation.domain.observation import Pinned, Unobservable
from tests.domain.gate.verifying import GOOD, two_steps, verify
from tests.domain.story import LOCATOR, an_observation
from tests.every import every

STATE = an_observation().state


@every(
    ("state", "said"),
    [
        ({**STATE, "login": False}, "login was True, is False"),
        (
            {**STATE, "login": False, "oid": 1},
            "login was True, is False, oid was 16400, is 1",
        ),
        ({**STATE, "login": 1}, "login was True, is 1"),
        ({**STATE, "superuser": 0}, "superuser was False, is 0"),
        ({**STATE, "new": "x"}, "new was None, is x"),
        ({k: v for k, v in STATE.items() if k != "oid"}, "oid was 16400, is None"),
    ],
)
def test_drift_names_exactly_what_changed(state: dict[str, Json], said: str) -> None:
    with pytest.raises(Drift) as refused:
        verify(replace(GOOD, observations=(Pinned(LOCATOR, True, state),)))
    assert refused.value.detail == f"{LOCATOR}: {said}"


def test_a_target_that_is_gone_or_unobservable_is_named() -> None:
    with pytest.raises(TargetGone) as gone:
        verify(replace(GOOD, observations=(Pinned(LOCATOR, False, {}),)))
    assert gone.value.detail == LOCATOR
    with pytest.raises(TargetUnobservable) as unseen:
        verify(replace(GOOD, unobservable=(Unobservable(LOCATOR, "no route"),)))
    assert unseen.value.detail == f"{LOCATOR}: no route"
    with pytest.raises(TargetUnobservable) as unasked:
        verify(replace(GOOD, observations=()))
    assert unasked.value.detail == f"{LOCATOR} was not observed"


@every("applied", [(), (0, 1)])
def test_a_step_runs_only_right_after_the_steps_before_it(applied: tuple[int, ...]) -> None:
    later = replace(two_steps().evidence(), step=1, applied=applied)
    with pytest.raises(Digest) as refused:
        verify(later)
    assert refused.value.detail == "the steps before this one are not the applied ones"
