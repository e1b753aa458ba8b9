"""(12) Halt a plan of three steps in the middle: applied steps are undone in reverse order."""

from __future__ import annotations

from hitlportal.demo.people.player import Player, expect
from hitlportal.demo.play import independent
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.servers.ledger import OPERATOR
from hitlportal.demo.story import LEAKED

WHY = "The checkout stands still; the shop needs these logins tonight."
HALTED = "person:execution:halted"


def halt(player: Player, proposal: str) -> None:
    """Halt the run on its page with a reason and the passkey."""
    address = f"/proposals/{proposal}/execution/"
    page = expect(player.browser.get(address), 200)
    form = page.form(action=f"{address}halt/")
    player.sign(page, form, form.attributes["data-halt"], {"decision": "undo", "reason": WHY})


def check(scene: Scene) -> None:
    """Halt while step 2 waits: an administrator of the target locks the second role."""
    ledger, report = scene.stack.ledger, scene.leak_report
    first, second, third = LEAKED
    log = scene.stack.servers.target.log
    before = len(independent.changes_of_roles(log, OPERATOR))
    with ledger.held(second) as waits:
        for name in ("alice", "bob"):
            scene.players[name].decide(report.proposal, "approve")
        came = scene.comes_true("the second step to wait at the target", waits)
        # Without delay: the executor ends a statement that waits longer than five seconds.
        halt(scene.players["bob"], report.proposal)
        entries = scene.record.entry_data(HALTED, f"proposal:{report.proposal}")
        state = scene.record.state(report.proposal)
        halted = state, *(WHY for entry in entries if WHY in str(entry["data"]))
        off = " ".join(role for role in LEAKED if not ledger.may_log_in(role))
        what = f"{report.proposal[:8]}: step 1 is done, step 2 waits at the target"
        scene.checks.equal("12", what, (came, off), (True, first))
        what = "bob halts the run; the halt and its reason are recorded at once"
        scene.checks.equal("12", what, halted, ("executing", WHY))
    scene.reaches(report, "rolled_back")
    seen = scene.record.state(report.proposal), scene.record.incident(report.proposal)
    scene.checks.equal("12", "what was applied is undone", seen, ("rolled_back", "open"))
    asked = independent.changes_of_roles(log, OPERATOR)[before:]
    undone = [("disable", first), ("disable", second), ("enable", second), ("enable", first)]
    what = f"in reverse order by the target's own log, and {third} was never touched"
    changes = [f"{verb} {role}" for verb, role in asked]
    scene.checks.line("12", asked == undone, what, changes)
    opened = [role for role, dsn in ledger.leaked().items() if not independent.login_refused(dsn)]
    scene.checks.equal("12", "all three roles log in", opened, list(LEAKED))
