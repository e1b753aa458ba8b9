"""(14) A run is halted and keeps what it applied, while one session cannot be ended."""

from __future__ import annotations

from hitlportal.demo.people.player import expect
from hitlportal.demo.play import independent, on_runs
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.servers.ledger import OPERATOR
from hitlportal.demo.story import LEAKED

WHY = "Leave the third role on until the shipping team has answered the telephone."
HALTED = "person:execution:halted"


def check(scene: Scene) -> None:
    """Halt with stop and keep, while the second role's session takes no signal."""
    ledger, report = scene.stack.ledger, scene.leak_report
    first, second, third = LEAKED
    log = scene.stack.servers.target.log
    before = len(independent.changes_of_roles(log, OPERATOR))
    with ledger.stuck(second) as pid:
        on_runs.approve(scene, report)
        came = scene.comes_true(
            "step 2 to be applied",
            lambda: scene.record.phases(report.proposal, 1)[-1:] == ["applied"],
        )
        refused = independent.login_refused(ledger.dsn(second))
        ok = came and "not permitted to log in" in refused
        what = f"{second} is refused at login, but its session {pid} takes no signal"
        scene.checks.line("14", ok, what, refused.rpartition("FATAL:  ")[2])
        _not_confirmed(scene, pid)
        on_runs.sign(scene.players["bob"], report.proposal, "keep", WHY)
        entries = scene.record.entry_data(HALTED, f"proposal:{report.proposal}")
        ok = any(WHY in str(entry["data"]) for entry in entries)
        scene.checks.line("14", ok, "bob signs: stop and keep; it is recorded at once", WHY)
        kept = scene.record.state(report.proposal), ledger.may_log_in(second)
        what = "nobody gets access back for the session that does not end"
        scene.checks.equal("14", what, kept, ("executing", False))
    scene.reaches(report, "stopped")
    seen = scene.record.state(report.proposal), scene.record.incident(report.proposal)
    what = "the session ends, the step is confirmed, and the run stops"
    scene.checks.equal("14", what, seen, ("stopped", "open"))
    asked = independent.changes_of_roles(log, OPERATOR)[before:]
    verbs = [verb for verb, _ in asked]
    what = "by the target's own log two roles were disabled and none enabled"
    ok = "enable" not in verbs and dict.fromkeys(role for _, role in asked) == dict.fromkeys(
        (first, second)
    )
    scene.checks.line("14", ok, what, [f"{verb} {role}" for verb, role in asked])
    off = [role for role, dsn in ledger.leaked().items() if independent.login_refused(dsn)]
    scene.checks.equal("14", f"they stay off; {third} logs in", off, [first, second])


def _not_confirmed(scene: Scene, pid: int) -> None:
    """Check that the page of the run names the step's state and the open session."""
    proposal = scene.leak_report.proposal
    bob = scene.players["bob"].browser
    shown = ""

    def named() -> bool:
        nonlocal shown
        shown = expect(bob.get(on_runs.page_of(proposal)), 200).text
        return str(pid) in shown

    ok = scene.comes_true("the page to name the session", named) and "not yet confirmed" in shown
    what = "the page says: applied, not yet confirmed, and names server and process"
    scene.checks.line("14", ok, what, f"pid {pid}")
