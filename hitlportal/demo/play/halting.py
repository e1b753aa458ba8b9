"""(13) A person halts a run with stop and undo: only that signature gives access back."""

from __future__ import annotations

from hitlportal.demo.play import independent, leak_scanner, on_runs
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.servers.ledger import OPERATOR
from hitlportal.demo.story import LEAKED

WHY = "The checkout stands still; the shop needs these logins tonight."


def check(scene: Scene) -> None:
    """Halt while the second step waits at the target: an administrator locks the role."""
    first, second, third = LEAKED
    ledger, log = scene.stack.ledger, scene.stack.servers.target.log
    report = leak_scanner.scan(scene.stack, scene.scanner_token, (first, second))
    before = len(independent.changes_of_roles(log, OPERATOR))
    with ledger.held(second) as waits:
        on_runs.approve(scene, report)
        came = scene.comes_true("the second step to wait at the target", waits)
        # Without delay: the executor ends a statement that waits longer than five seconds.
        on_runs.sign(scene.players["bob"], report.proposal, "undo", WHY)
        off = came, ledger.may_log_in(first), scene.record.state(report.proposal)
        what = "step 1 is done, step 2 waits at the target; bob signs: stop and undo"
        scene.checks.equal("13", what, off, (True, False, "executing"))
    scene.reaches(report, "rolled_back")
    seen = scene.record.state(report.proposal), scene.record.incident(report.proposal)
    scene.checks.equal("13", "what was applied is undone", seen, ("rolled_back", "open"))
    asked = independent.changes_of_roles(log, OPERATOR)[before:]
    changes = [f"{verb} {role}" for verb, role in asked]
    undone = [f"enable {second}", f"enable {first}"]
    what = f"last step first by the target's own log, and {third} was never touched"
    ok = changes[-2:] == undone and not any(third in change for change in changes)
    scene.checks.line("13", ok, what, changes)
    opened = [role for role in (first, second) if not independent.login_refused(ledger.dsn(role))]
    scene.checks.equal("13", "both roles log in", opened, [first, second])
