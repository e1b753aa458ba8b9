"""What people do on the page of a run: sign about it, and propose what follows it."""

from __future__ import annotations

from hitlportal.demo.people.browser import Unexpected
from hitlportal.demo.people.player import Player, expect
from hitlportal.demo.play.reporting import Reported
from hitlportal.demo.play.scene import Scene

APPROVERS = ("alice", "bob")
TRIES = 5


def page_of(proposal: str) -> str:
    """Return the address of the page of a proposal's run."""
    return f"/proposals/{proposal}/execution/"


def sign(player: Player, proposal: str, decision: str, reason: str) -> None:
    """Sign on the page of the run: keep, undo or settle, with a reason and the passkey."""
    address = page_of(proposal)
    page = expect(player.browser.get(address), 200)
    form = page.form(action=f"{address}halt/")
    given = {"decision": decision, "reason": reason, "found": ""}
    player.sign(page, form, form.attributes["data-halt"], given)


def answer(player: Player, proposal: str, decision: str, reason: str, *, longer_s: int) -> None:
    """Sign an answer on the page of a run that waits: go_on, or longer.

    The statement is about what the page shows; when the worker saw something else meanwhile, the
    portal refuses it, and the person reads again.
    """
    address = page_of(proposal)
    for attempt in range(TRIES):
        page = expect(player.browser.get(address), 200)
        form = page.form(action=f"{address}halt/")
        given = {"decision": decision, "reason": reason, "longer_s": longer_s}
        given |= {"step": int(form.fields["step"]), "seen": form.fields["seen"]}
        try:
            player.sign(page, form, form.attributes["data-halt"], given)
        except Unexpected:
            if attempt == TRIES - 1:
                raise
        else:
            return


def propose(player: Player, proposal: str, what: str, reason: str) -> Reported:
    """Propose the ``rest`` of a run, or to ``reverse`` it, by the page's filled-in form."""
    address = page_of(proposal)
    made = expect(player.fill(address, f"{address}{what}/", reason=reason), 200)
    return Reported(what, made.url.rstrip("/").rpartition("/")[2])


def approve(scene: Scene, report: Reported) -> None:
    """Wait until the proposal is assessed, then let two people approve it."""
    scene.reaches(report, "in_review")
    for name in APPROVERS:
        scene.players[name].decide(report.proposal, "approve")
