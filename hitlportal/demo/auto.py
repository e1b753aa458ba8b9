"""`make demo AUTO=1`: alice and bob are played over HTTP, then everything is checked.

What is checked is read past the portal where that is possible: from the targets' own logs, with
own clients and logins, and with the auditor's login to the record. README.md explains the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hitlportal.demo import attempts, effects, proofs
from hitlportal.demo.agent.client import Client
from hitlportal.demo.player import Player
from hitlportal.demo.scene import Scene

PLAYED = ("alice", "bob", "carol", "dave", "eve")
BOB_SAYS = ("scope_unclear", "The inventory knows neither of these keys; whose account is it?")


def play(scene: Scene, codes: Mapping[str, str], add_keys: Callable[[], None]) -> list[str]:
    """Play and check; returns what failed. ``add_keys`` is the operator's part: it puts newly
    enrolled passkeys into the approvers file."""
    _reported(scene)
    _enrol(scene, codes)
    add_keys()
    effects.untouched(scene)
    attempts.check(scene)
    _approve(scene)
    effects.key(scene)
    effects.role(scene)
    _ended(scene)
    proofs.evidence(scene)
    _return(scene)
    proofs.record(scene)
    proofs.bundles(scene)
    proofs.log(scene)
    return scene.checks.failed


def _reported(scene: Scene) -> None:
    for report in (*scene.runs, scene.unknown_report):
        scene.reaches(report, "in_review")
        state = scene.record.state(report.proposal)
        what = f"the agent reported {report.proposal[:8]}: {report.title[:64]}"
        scene.checks.equal("1", what, state, "in_review")


def _enrol(scene: Scene, codes: Mapping[str, str]) -> None:
    for username in PLAYED:
        player = scene.players[username] = Player(username, scene.stack.origin)
        player.enrol(codes[username])
        player.sign_in()


def _approve(scene: Scene) -> None:
    """alice's word alone moves nothing; with bob's it is approved and carried out."""
    for report in scene.runs:
        scene.players["alice"].decide(report.proposal, "approve")
        state = scene.record.state(report.proposal)
        what = f"alice approved {report.proposal[:8]}; one is not enough"
        scene.checks.equal("4", what, state, "in_review")
    effects.still_untouched(scene)
    for report in scene.runs:
        answer = scene.players["bob"].decide(report.proposal, "approve")
        what = f"bob approved {report.proposal[:8]} too"
        scene.checks.equal("4", what, answer["resolution"], "approved")
    for report in scene.runs:
        scene.reaches(report, "succeeded")


def _ended(scene: Scene) -> None:
    for report in scene.runs:
        seen = scene.record.state(report.proposal), scene.record.incident(report.proposal)
        what = f"proposal {report.proposal[:8]} and its incident"
        scene.checks.equal("7", what, seen, ("succeeded", "contained"))


def _return(scene: Scene) -> None:
    """The third report is about keys that the inventory does not know."""
    report = scene.unknown_report
    scene.players["bob"].decide(report.proposal, "return", reason=BOB_SAYS)
    scene.reaches(report, "returned")
    state = scene.record.state(report.proposal)
    what = "bob returned what the inventory does not know; the worker verified his signature"
    scene.checks.equal("9", what, state, "returned")
    answer = Client(scene.stack.origin, scene.token).follow(report.proposal, tries=1).body
    told = answer.get("reasons") if isinstance(answer, dict) else None
    code, text = BOB_SAYS
    ok = told == [{"code": code, "text": text}]
    scene.checks.line("9", ok, "and the agent reads why", text if ok else told)
