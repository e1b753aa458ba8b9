"""(6) The main story: a service account in wrong hands gets a new password, and the run waits.

Three programs use the account all the time, each with a pool of open sessions. Two take the new
password by themselves, the third only when a person has it reload. The intruder holds a session,
too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg

from hitlportal.demo.agent.client import Client
from hitlportal.demo.people.player import expect
from hitlportal.demo.play import independent, on_runs, searching
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.servers.consumer import Counts
from hitlportal.demo.servers.ledger import OPERATOR
from hitlportal.demo.story import BY_HAND, BY_ITSELF, CONSUMERS, PLACE, ROTATED

LONGER_S = 30 * 60
WHY = "The invoices of today are half way through; their team reloads the program afterwards."
NAMES = [one.service for one in CONSUMERS]
MOVE = [one.service for one in CONSUMERS if one.takes_by == BY_ITSELF]
(STAYS,) = (one.service for one in CONSUMERS if one.takes_by == BY_HAND)
PROPOSAL = re.compile(r'href="/proposals/([0-9a-f-]{36})/')
WRONG = "password authentication failed"


def check(scene: Scene) -> None:
    """Rotate the account's password: from the two signatures to the end of the old sessions."""
    ledger, report = scene.stack.ledger, scene.account_report
    old = ledger.dsn(ROTATED)
    with closing(psycopg.connect(old, autocommit=True, application_name="psql")) as intruder:
        _signed(scene)
        _delivered(scene, old)
        _waits(scene)
        alive = intruder.execute("SELECT 1").fetchone() is not None
        what = (
            "sessions that were open go on meanwhile, the intruder's, too; bob signs: wait longer"
        )
        longer = _longer(scene)
        scene.checks.equal("6", what, (alive, longer), (True, True))
        scene.stack.consumers.reload(STAYS)
        scene.reaches(report, "succeeded")
        what = f"a person has {STAYS} reload; the run goes on and ends every old session"
        seen = scene.record.state(report.proposal), _is_open(intruder)
        scene.checks.equal("6", what, seen, ("succeeded", False))
    contained = scene.comes_true(
        "a look to find no access", lambda: scene.record.incident(report.proposal) == "contained"
    )
    scene.checks.line("6", contained, "a look finds nothing of the old one; it is contained")
    _continuity(scene)
    _nowhere_else(scene)


def _signed(scene: Scene) -> None:
    """Two people confirm what the plan reaches, and sign; nobody else touched the target."""
    report, alice = scene.account_report, scene.players["alice"].browser
    first = PROPOSAL.search(expect(alice.get("/queue/"), 200).text)
    what = "the rotation that the agent drafted stands first in alice's queue"
    scene.checks.line("6", first is not None and first[1] == report.proposal, what, report.title)
    page = expect(alice.get(f"/proposals/{report.proposal}/"), 200)
    named = [name for name in NAMES if name in page.text]
    reached = scene.record.reaches(report.proposal) >= set(NAMES)
    what = f"the plan for {ROTATED} names the systems that use it"
    scene.checks.line("6", reached and named == NAMES, what, named)
    scene.players["alice"].decide(report.proposal, "approve")
    lines = independent.touches(scene.stack.servers.target.log, OPERATOR).lines
    seen = scene.record.state(report.proposal), lines
    what = "alice confirms them and signs; one is not enough, and the target is untouched"
    scene.checks.equal("6", what, seen, ("in_review", 0))
    answer = scene.players["bob"].decide(report.proposal, "approve")
    scene.checks.equal("6", "bob signs, too", answer["resolution"], "approved")


def _delivered(scene: Scene, old: str) -> None:
    """The new password is in the store, accepted by the server, and the old one is not."""
    stack, report = scene.stack, scene.account_report
    scene.reaches(report, "waiting")
    first = independent.touches(stack.servers.target.log, OPERATOR).first
    after = first is not None and first > scene.record.approved_at(report.proposal)
    version = stack.store.version(PLACE)
    what = f"after the last approval {OPERATOR} sets a new password; the store has it"
    scene.checks.line("6", after and version.startswith("hitl-"), what, version)
    new = stack.ledger.dsn_with(ROTATED, stack.store.password(PLACE))
    refused = [independent.login_refused(dsn) for dsn in (old, new)]
    ok = WRONG in refused[0] and refused[1] == ""
    what = "the server refuses the old password and takes the new one"
    scene.checks.line("6", ok, what, [text.rpartition("FATAL:  ")[2] for text in refused])


def _waits(scene: Scene) -> None:
    """Two programs move; the run waits for the third, and says so."""
    report, version = scene.account_report, scene.stack.store.version(PLACE)
    moved = scene.comes_true(
        "two programs to use the new password",
        lambda: [n for n in NAMES if _counts(scene, n).version == version] == MOVE,
    )
    words = f"Waiting for {STAYS} to use the new credential"
    named = scene.comes_true("the page of the run to name the third", _says(scene, words))
    last = {one["service"]: one["use"] for one in scene.record.consumers_seen(report.proposal)}
    expected = dict.fromkeys(MOVE, "moved")
    seen = {name: last.get(name) for name in MOVE}, last.get(STAYS) != "moved"
    what = f"{' and '.join(MOVE)} are seen on the new password"
    scene.checks.equal("6", what, (moved, *seen), (True, expected, True))
    told = _told_to_the_agent(scene)
    what = "the agent's API says the same"
    scene.checks.equal("6", what, told, ("conditions", [STAYS]))
    state = scene.record.state(report.proposal)
    what = f"{STAYS} reloads only on request: the run waits, and its page shows for whom"
    scene.checks.equal("6", what, (named, state), (True, "waiting"))


def _told_to_the_agent(scene: Scene) -> tuple[object, list[object]]:
    """Return on what the run waits, and for which programs, as the agents' API says."""
    client = Client(scene.stack.origin, scene.token)
    body: Any = client.follow(scene.account_report.proposal, tries=1).body
    waiting = body["run"]["waiting"] or {"on": "nothing", "consumers": []}
    late = [one["service"] for one in waiting["consumers"] if one["use"] != "moved"]
    return waiting["on"], late


def _longer(scene: Scene) -> bool:
    """Let bob sign that the run waits longer; return whether its deadline moves."""
    proposal = scene.account_report.proposal
    before = scene.record.answers(proposal)
    on_runs.answer(scene.players["bob"], proposal, "longer", WHY, longer_s=LONGER_S)
    return scene.comes_true(
        "the worker to verify it", lambda: len(scene.record.answers(proposal)) > len(before)
    )


def _continuity(scene: Scene) -> None:
    """By their own counters the programs served all the time."""
    counted = {name: _counts(scene, name) for name in NAMES}
    version = scene.stack.store.version(PLACE)
    ok = all(one.failed == 0 and one.version == version for one in counted.values())
    seen = [
        f"{name}: {one.done} done, {one.failed} failed, longest pause {one.longest_gap:.1f} s"
        for name, one in counted.items()
    ]
    what = "by the programs' own counters no query failed, and all use the new password"
    scene.checks.line("6", ok, what, seen)


def _nowhere_else(scene: Scene) -> None:
    """The new password is in the store only."""
    value = scene.stack.store.password(PLACE)
    for kind, search in (("tables", searching.tables), ("files", searching.files)):
        count, found = search(scene.stack, value)
        what = f"{kind} of portal, broker and target that contain the new password"
        scene.checks.line("6", count > 0 and not found, what, found or f"none of {count}")


def _counts(scene: Scene, name: str) -> Counts:
    return scene.stack.consumers.counts(name)


def _says(scene: Scene, words: str) -> Callable[[], bool]:
    address = on_runs.page_of(scene.account_report.proposal)
    browser = scene.players["alice"].browser
    return lambda: words in expect(browser.get(address), 200).text


def _is_open(session: psycopg.Connection) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True
