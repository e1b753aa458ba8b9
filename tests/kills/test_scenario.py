"""The campaign's choices: repeatable, and each victim at each kind of place."""

from __future__ import annotations

from tests.kills.scenario import Abilities, campaign, scenario

NEW = Abilities(keep=True, tightens=True, waits=True)


def test_a_seed_and_a_number_choose_the_same_run() -> None:
    assert [scenario(7, n, NEW) for n in range(50)] == [scenario(7, n, NEW) for n in range(50)]
    assert scenario(7, 1, NEW) != scenario(8, 1, NEW)


def test_a_campaign_has_the_kills_that_were_asked_for() -> None:
    for kills in (1, 20, 200):
        chosen = campaign(1, kills, NEW)
        assert kills <= sum(run.count for run in chosen) <= kills + 1
        assert [run.number for run in chosen] == list(range(len(chosen)))


def test_two_hundred_kills_meet_everything() -> None:
    chosen = campaign(1, 200, NEW)
    kills = [kill for run in chosen for kill in run.kills]
    assert {kill.victim for kill in kills} >= {
        "here", "master", "worker", "sweeper", "portal", "target", "broker", "sequencer",
    }  # fmt: skip
    assert {run.twist for run in chosen} == {
        "",
        "undo",
        "keep",
        "after",
        "locked",
        "stuck",
        "open",
        "wait",
    }
    places = {kill.place for kill in kills}
    assert places >= {"", "after:intended", "during", "before:applied", "after:verified"}
    assert places >= {"before:wait", "after:wait", "before:intended"}
    assert places >= {"before:rollback", "after:tighten", "during_sessions"}


def test_a_product_that_cannot_keep_is_not_asked_to() -> None:
    twists = {run.twist for run in campaign(1, 200, Abilities())}
    assert twists <= {"", "undo", "locked", "stuck"}
