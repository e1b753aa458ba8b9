"""Calls and refusals of agents are counted by day, in the cache."""

from __future__ import annotations

from uuid import uuid4

from pytest import MonkeyPatch

from remediation.services.reporting import token_use


def test_counts_of_the_last_days(monkeypatch: MonkeyPatch) -> None:
    agent, other, token = uuid4(), uuid4(), uuid4()
    now = 1_800_000_000.0
    monkeypatch.setattr(token_use.time, "time", lambda: now)
    token_use.count_call(token_id=token, agent_id=agent)
    now += 6 * token_use.DAY
    token_use.count_call(token_id=token, agent_id=agent)
    token_use.count_refusal(agent)
    assert token_use.of_agents([agent, other]) == {
        agent: token_use.Use(2, 1),
        other: token_use.Use(0, 0),
    }
    assert token_use.last_used([token, uuid4()])[token].timestamp() == now
    now += token_use.DAY
    assert token_use.of_agents([agent])[agent] == token_use.Use(1, 1)
