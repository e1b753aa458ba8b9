"""(19) alice leaves a step out of a plan and signs the rest; bob signs it, and only that runs."""

from __future__ import annotations

from hitlportal.demo.play import independent, leak_scanner
from hitlportal.demo.play.reporting import Reported
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.servers.ledger import OPERATOR
from hitlportal.demo.story import LEAKED

WHY = "The payments team has its own runbook for this role and does it tonight."


def check(scene: Scene) -> None:
    """Narrow a plan of two steps to its first; another administrator set that role on before."""
    first, second, _ = LEAKED
    ledger, log = scene.stack.ledger, scene.stack.servers.target.log
    ledger.let_log_in(first)
    old = leak_scanner.scan(scene.stack, scene.scanner_token, (first, second))
    scene.reaches(old, "in_review")
    left = scene.players["alice"].leave_out(old.proposal, 1, WHY)
    new = Reported("the rest", left)
    scene.reaches(new, "in_review")
    seen = scene.record.state(old.proposal), scene.record.replaced_by(old.proposal)
    what = f"alice leaves {second} out of {old.proposal[:8]} and signs what is left"
    scene.checks.equal("19", what, seen, ("superseded", left))
    targets = scene.record.targets(left)
    what = "the new version has the first step and nothing else"
    scene.checks.equal("19", what, targets, [f"postgres.role:ledger/{first}"])
    before = len(independent.changes_of_roles(log, OPERATOR))
    answer = scene.players["bob"].decide(left, "approve")
    what = "her signature counts as her approval: bob's is the second of two"
    scene.checks.equal("19", what, answer["resolution"], "approved")
    scene.reaches(new, "succeeded")
    changes = independent.changes_of_roles(log, OPERATOR)[before:]
    asked = [f"{verb} {role}" for verb, role in changes]
    what = "by the target's own log exactly the rest ran"
    scene.checks.equal("19", what, asked, [f"disable {first}"])
    opened = [
        role for role in (first, second) if not independent.login_refused(ledger.leaked()[role])
    ]
    scene.checks.equal("19", "what was left out logs in", opened, [second])
