"""(22) bob reports the scanner: nothing from it is accepted, approved or run any more."""

from __future__ import annotations

from hitlportal.demo.agent.client import ApiError, Client
from hitlportal.demo.play import independent, leak_scanner
from hitlportal.demo.play.attempts import refusal
from hitlportal.demo.play.reporting import Reported
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.servers.ledger import OPERATOR
from hitlportal.demo.story import LEAKED

WHY = "It asks again and again for what we halted, with new words each time."


def check(scene: Scene) -> None:
    """Check two more reports of the scanner when bob reports it: one waits for review, the other is
    approved but held by an operator's freeze."""
    log = scene.stack.servers.target.log
    before = independent.changes_of_roles(log, OPERATOR)
    approved, waiting = (_report(scene, role) for role in list(LEAKED)[1:])
    scene.as_operator("freeze", "on", "the shop is closing its books")
    for name in ("alice", "bob"):
        scene.players[name].decide(approved.proposal, "approve")
    held = scene.comes_true(
        "the gate to hold it", lambda: scene.record.refusals(approved.proposal)[-1:] == ["frozen"]
    )
    seen = held, scene.record.state(approved.proposal)
    what = f"{approved.proposal[:8]} is approved, but an operator's freeze holds it"
    scene.checks.equal("22", what, seen, (True, "approved"))

    page = f"/proposals/{waiting.proposal}/"
    done = scene.players["bob"].fill_signed(page, f"{page}report-agent/", reason=WHY)
    ok = done.status == 200 and "is suspended" in done.text
    what = "bob reports the agent on the page of its other proposal"
    scene.checks.line("22", ok, what, WHY if ok else done.status)
    _refused(scene, waiting)
    scene.reaches(approved, "refused")
    scene.as_operator("freeze", "off", "the books are closed")
    ended = scene.record.state(approved.proposal), *scene.record.refusals(approved.proposal)[-2:]
    what = "the gate refuses the approved proposal"
    scene.checks.equal("22", what, ended, ("refused", "frozen", "agent_disabled"))
    after = independent.changes_of_roles(log, OPERATOR)
    what = "further changes of roles in the target's own log"
    scene.checks.equal("22", what, len(after) - len(before), 0)


def _report(scene: Scene, role: str) -> Reported:
    made = leak_scanner.scan(scene.stack, scene.scanner_token, (role,))
    scene.reaches(made, "in_review")
    return made


def _refused(scene: Scene, waiting: Reported) -> None:
    """Check the refusals on page and API, and that the other agent is not affected."""
    round = scene.record.round(waiting.proposal)
    page = scene.players["alice"].try_to_approve(waiting.proposal, "security", round)
    status, name, _ = refusal(page)
    what = "its other proposal can no longer be approved"
    scene.checks.equal("22", what, (status, name), (403, "agent_disabled"))
    what = "its token is refused"
    scene.checks.equal("22", what, _asks(scene, scene.scanner_token, waiting), "agent_disabled")
    what = "the other agent still reads its own"
    scene.checks.equal("22", what, _asks(scene, scene.token, scene.unknown_report), "returned")


def _asks(scene: Scene, token: str, report: Reported) -> str:
    """Return the API's answer: the proposal's state, or the name of the refusal."""
    try:
        answer = Client(scene.stack.origin, token).follow(report.proposal, tries=1).body
    except ApiError as error:
        kind = error.problem.get("type") if isinstance(error.problem, dict) else ""
        return str(kind).removeprefix("/problems/") or str(error.status)
    return str(answer.get("state")) if isinstance(answer, dict) else ""
