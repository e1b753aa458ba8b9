"""`hitlportal demo --brief`: is this copy of the portal complete? One report goes to its effect.

The deployment checks as every process, then two people who enrol, sign in and approve over HTTP;
the worker disables a role at a real server, and the evidence is replayed. Half a minute, where
`--auto` takes several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hitlportal.demo.people.player import Player
from hitlportal.demo.play import effects, proofs
from hitlportal.demo.play.scene import Scene

APPROVERS = ("alice", "bob")
# Django's own checks of cookies and headers ask for an https origin, as in production.
ORIGIN = {"HITL_ORIGIN": "https://portal.example"}


def play(scene: Scene, codes: Mapping[str, str], add_keys: Callable[[], None]) -> list[str]:
    """Play and check; returns what failed. Raises InstallationFailed."""
    for username in APPROVERS:
        scene.players[username] = player = Player(username, scene.stack.origin)
        player.enrol(codes[username])
        player.sign_in()
    add_keys()
    made = scene.stack.settings
    own = {"web": made.web(), "worker": made.worker(), "sequencer": made.sequencer()}
    own |= {"eraser": {}, "operator": {}}
    for process, environment in own.items():
        check = ("check", "--deploy", "--fail-level", "WARNING")
        scene.stack.installation.manage(*check, process=process, environment=_checked(environment))
    effects.untouched(scene)
    report = scene.role_report
    scene.reaches(report, "in_review")
    for username, leads_to in zip(APPROVERS, ("in_review", "approved"), strict=True):
        answer = scene.players[username].decide(report.proposal, "approve")
        what = f"{username} approved {report.proposal[:8]}"
        scene.checks.equal("7", what, answer["resolution"] or "in_review", leads_to)
    scene.reaches(report, "succeeded")
    effects.role(scene)
    seen = scene.record.state(report.proposal), scene.record.incident(report.proposal)
    what = f"proposal {report.proposal[:8]} and its incident"
    scene.checks.equal("11", what, seen, ("succeeded", "contained"))
    proofs.replayed(scene, report)
    return scene.checks.failed


def _checked(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment to check: of the process, with the installation's longer key."""
    own = {name: value for name, value in environment.items() if name != "HITL_SECRET_KEY_FILE"}
    return own | ORIGIN
