"""(15) People's three ways out of a stopped run: the rest, a reversal, settled by hand.

The first two start from the run that bob stopped, the third from one that a lock stopped.
"""

from __future__ import annotations

from hitlportal.demo.people.player import expect
from hitlportal.demo.play import independent, leak_scanner, on_runs
from hitlportal.demo.play.reporting import Reported
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.servers.ledger import OPERATOR
from hitlportal.demo.story import LEAKED

REST = "The shipping team agrees: its role can go off now, too."
BACK = "The passwords of both roles are new; the checkout needs its roles again."
SETTLED = "Settled by hand"  # on the page
BY_HAND = "The database's administrators changed the second role's password themselves."


def rest(scene: Scene) -> None:
    """frank proposes the steps that were not done; others approve them."""
    left = list(LEAKED)[-1]
    stopped = scene.leak_report.proposal
    made = on_runs.propose(scene.players["frank"], stopped, "rest", REST)
    before = _log(scene)
    on_runs.approve(scene, made)
    scene.reaches(made, "succeeded")
    what = f"frank proposes the rest, filled in: {left}; two others approve it"
    asked = [f"{verb} {role}" for verb, role in _log(scene)[len(before) :]]
    ok = scene.record.state(made.proposal) == "succeeded" and set(asked) == {f"disable {left}"}
    scene.checks.line("15", ok, what, asked)
    scene.checks.equal("15", "no role of the log can log in", _on(scene), [])
    _not_contained(scene, made)


def _not_contained(scene: Scene, made: Reported) -> None:
    """The incident is about another role than the one that this run acted on."""
    incident = scene.record.incident_id(made.proposal)
    page = expect(scene.players["bob"].browser.get(f"/incidents/{incident}/"), 200)
    seen = scene.record.incident(made.proposal), "not contained" in page.text
    what = "the incident is about another role: acted on, not contained"
    scene.checks.equal("15", what, seen, ("open", True))


def back(scene: Scene) -> None:
    """frank proposes the reversal of the stopped run; only what it applied comes back."""
    first, second, third = LEAKED
    before = _log(scene)
    stopped = scene.leak_report.proposal
    made = on_runs.propose(scene.players["frank"], stopped, "reverse", BACK)
    on_runs.approve(scene, made)
    scene.reaches(made, "succeeded")
    asked = [f"{verb} {role}" for verb, role in _log(scene)[len(before) :]]
    expected = [f"enable {second}", f"enable {first}"]
    what = "the reversal of the stopped run, approved by two others, enables what it disabled"
    scene.checks.equal("15", what, asked, expected)
    scene.checks.equal("15", f"they log in again, {third} does not", _on(scene), [first, second])
    state = scene.record.state(stopped)
    scene.checks.equal("15", "the stopped run stays what it was", state, "stopped")


def by_hand(scene: Scene) -> None:
    """A step fails because an administrator's transaction holds the role; bob settles the run."""
    first, second, _ = LEAKED
    report = leak_scanner.scan(scene.stack, scene.scanner_token, (first, second))
    with scene.stack.ledger.held(second):
        on_runs.approve(scene, report)
        scene.reaches(report, "stopped")
    what = f"{second} is locked at the target: step 2 fails, the run stops and keeps step 1"
    seen = scene.record.state(report.proposal), *_on(scene)
    scene.checks.equal("15", what, seen, ("stopped", second))
    subject = scene.mailed("stopped", report.proposal)
    what = "lead and reviewers get a mail that says what stays and what they can do"
    scene.checks.line("15", subject != "", what, subject)
    on_runs.sign(scene.players["bob"], report.proposal, "settle", BY_HAND)
    page = on_runs.page_of(report.proposal)
    settled = scene.comes_true(
        "the worker to verify it",
        lambda: SETTLED in expect(scene.players["carol"].browser.get(page), 200).text,
    )
    what = "bob settles it by hand, with a reason that everybody can read"
    scene.checks.line("15", settled, what, BY_HAND)
    seen = scene.record.state(report.proposal), *_on(scene)
    what = "it stays stopped, and nothing changed at the target"
    scene.checks.equal("15", what, seen, ("stopped", second))


def _log(scene: Scene) -> list[tuple[str, str]]:
    return independent.changes_of_roles(scene.stack.servers.target.log, OPERATOR)


def _on(scene: Scene) -> list[str]:
    """Return the roles that can log in now, each tried with its own password."""
    leaked = scene.stack.ledger.leaked()
    return [role for role, dsn in leaked.items() if not independent.login_refused(dsn)]
