"""Kills around a run that waits, with RabbitMQ as the broker and beat itself (A40).

The other kills do not meet the broker: a step asks the database who may work, whatever brought the
message. `python -m tests.benchmarks.kills --broker rabbitmq` plays all of them.
"""

from __future__ import annotations

from pathlib import Path

from tests.kills import command, rabbit
from tests.kills.scenario import WAIT_PLACES

LEASE_S = 9
# Each edge of waiting once. A killed worker holds a message that is not acknowledged; the broker is
# away when a run begins to wait and when it goes on, so that only beat's messages make it go on.
PLAYED = (
    "worker before:wait 0 wait 0",
    "broker after:wait 0 wait 0",
    "broker before:intended 1 wait 0",
    "here after:intended 1 wait 0",
)


def test_every_edge_of_waiting_is_played() -> None:
    assert sorted(words.split()[1] for words in PLAYED) == sorted(WAIT_PLACES)


def test_runs_that_wait_end_whatever_is_killed(tmp_path: Path) -> None:
    rabbit.required()
    asked = ("--broker", rabbit.NAME, "--lease", LEASE_S, "--at-once", len(PLAYED))
    found = command.play(tmp_path / "told.json", *asked, "--this", *PLAYED)
    assert (found["findings"], found["gave_up"]) == ([], {})
    assert (found["unsequenced_entries"], found["processes_left"]) == (0, [])
    assert found["kills"] == len(PLAYED)
