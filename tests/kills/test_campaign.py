"""Twenty kills of real processes and servers (A40): what the target's own log, its state and the
record say agrees, and nothing gives access back."""

from __future__ import annotations

import pytest

from tests.kills import command

KILLS, SEED, AT_ONCE, LEASE_S = 20, 20, 20, 9


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    told = tmp_path_factory.mktemp("kills") / "told.json"
    asked = ("--kills", KILLS, "--seed", SEED, "--at-once", AT_ONCE, "--lease", LEASE_S)
    return command.play(told, *asked)


def test_target_state_and_record_agree(campaign: dict[str, object]) -> None:
    assert campaign["findings"] == []


def test_the_sequencer_lost_no_entry(campaign: dict[str, object]) -> None:
    assert campaign["unsequenced_entries"] == 0


def test_every_run_ended_without_people(campaign: dict[str, object]) -> None:
    assert campaign["gave_up"] == {}
    # The last run may make two. On a busy machine a run may end without coming to a kill's place:
    # that kill is counted as missed, and most must strike.
    struck, missed = campaign["kills"], campaign["killed_after_the_end"]
    assert isinstance(struck, int)
    assert isinstance(missed, int)
    assert struck + missed >= KILLS
    assert struck >= KILLS * 3 // 4


def test_no_process_is_left(campaign: dict[str, object]) -> None:
    assert campaign["processes_left"] == []
