"""`make demo AUTO=1`: play seven people over HTTP and check every result.

Results are read independently of the portal where possible: from the targets' own logs, with
separate clients and logins, and with the auditor's login. docs/demo.md explains the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hitlportal.demo.agent.client import Client
from hitlportal.demo.people.player import Player
from hitlportal.demo.play import (
    api_token,
    attempts,
    containing,
    correcting,
    effects,
    halting,
    imports,
    leak_scanner,
    narrowing,
    planning,
    proofs,
    reopening,
    revealing,
    rotating,
    service_account,
    sharing,
    stopping,
    suspecting,
    ways_out,
    workload,
)
from hitlportal.demo.play.scene import Scene

PLAYED = ("alice", "bob", "carol", "dave", "eve", "frank", "irene")
BOB_SAYS = ("none_of_them", "The inventory knows neither of these keys; whose account is it?")
# Their first page after signing in is not the queue.
QUEUE, KEEPERS = "/queue/", ["carol", "irene"]


@dataclass(frozen=True)
class Operator:
    """What an operator of the host does during the play: add newly enrolled passkeys to the
    approvers file, and give the approvers rights on newly imported services."""

    add_keys: Callable[[], None]
    give_rights: Callable[[], object]


def play(scene: Scene, codes: Mapping[str, str], operator: Operator) -> list[str]:
    """Play and check; return the checks that failed."""
    _enrol(scene, codes)
    operator.add_keys()
    imports.check(scene)
    operator.give_rights()
    _reported(scene)
    effects.untouched(scene)
    attempts.check(scene)
    revealing.check(scene)
    service_account.check(scene)
    _approve(scene)
    correcting.check(scene)
    for report in scene.runs:
        scene.reaches(report, "succeeded")
    effects.key(scene)
    effects.role(scene)
    _ended(scene)
    reopening.check(scene)
    halting.check(scene)
    stopping.check(scene)
    ways_out.rest(scene)
    ways_out.back(scene)
    # The worker looks at it within ten seconds, while the next scene is played.
    before = containing.begin(scene)
    ways_out.by_hand(scene)
    containing.check(scene, before)
    planning.check(scene)
    sharing.check(scene)
    narrowing.check(scene)
    rotating.check(scene)
    _return(scene)
    suspecting.check(scene)
    api_token.check(scene)
    workload.check(scene)
    proofs.evidence(scene)
    proofs.record(scene)
    proofs.bundles(scene)
    proofs.log(scene)
    return scene.checks.failed


def _reported(scene: Scene) -> None:
    """Show the reference agent's four reports, and make the scanner's after the import."""
    scene.leak_report = leak_scanner.scan(scene.stack, scene.scanner_token)
    planning.begin(scene)
    watched = scene.token_report, scene.workload_report
    others = scene.unknown_report, scene.leak_report, *watched
    for report in (scene.account_report, *scene.runs, *others):
        scene.reaches(report, "in_review")
        state = scene.record.state(report.proposal)
        what = f"an agent reported {report.proposal[:8]}: {report.title[:64]}"
        scene.checks.equal("2", what, state, "in_review")


def _enrol(scene: Scene, codes: Mapping[str, str]) -> None:
    for number, username in enumerate(PLAYED, 1):
        # Addresses of this machine's loopback network (Linux).
        player = Player(username, scene.stack.origin, f"127.0.0.{10 + number}")
        scene.players[username] = player
        player.enrol(codes[username])
        if username == "alice":
            player.sign_in()
        else:
            player.sign_in_by_passkey()
    homes = {name: player.home for name, player in scene.players.items()}
    others = {name: home for name, home in homes.items() if home != QUEUE}
    what = "alice signs in by password and passkey, the others by passkey alone, to their own work"
    scene.checks.line("1", list(others) == KEEPERS, what, sorted({QUEUE, *others.values()}))


def _approve(scene: Scene) -> None:
    """Check that alice's approval alone changes nothing and that bob's completes it."""
    for report in scene.runs:
        scene.players["alice"].decide(report.proposal, "approve")
        state = scene.record.state(report.proposal)
        what = f"alice approved {report.proposal[:8]}; one is not enough"
        scene.checks.equal("7", what, state, "in_review")
    effects.still_untouched(scene)
    role = scene.role_report.proposal
    answer = scene.players["bob"].decide(role, "approve")
    what = f"bob approved {role[:8]} too"
    scene.checks.equal("7", what, answer["resolution"], "approved")


def _ended(scene: Scene) -> None:
    for report in scene.runs:
        seen = scene.record.state(report.proposal), scene.record.incident(report.proposal)
        what = f"proposal {report.proposal[:8]} and its incident"
        scene.checks.equal("11", what, seen, ("succeeded", "contained"))


def _return(scene: Scene) -> None:
    """bob takes none of the two plans of the third report: its keys are not in the inventory."""
    report = scene.unknown_report
    others = [state for _, state in scene.record.alternatives(report.proposal)]
    what = "the agent offers two plans for one incident"
    scene.checks.equal("21", what, others, ["in_review"])
    scene.players["bob"].decide(
        report.proposal, "return", reason=BOB_SAYS, doubts=("scope", "action")
    )
    scene.reaches(report, "returned")
    state = scene.record.state(report.proposal)
    what = "bob wants none of them; the worker verified his signature"
    scene.checks.equal("21", what, state, "returned")
    ended = scene.comes_true(
        "the other plan to end",
        lambda: all(s == "superseded" for _, s in scene.record.alternatives(report.proposal)),
    )
    scene.checks.line("21", ended, "that one signature ends the other plan, too")
    answer = Client(scene.stack.origin, scene.token).follow(report.proposal, tries=1).body
    reasons = answer.get("reasons") if isinstance(answer, dict) else None
    code, text = BOB_SAYS
    ok = reasons == [{"code": code, "text": text}]
    scene.checks.line("21", ok, "and the agent reads why", text if ok else reasons)
