"""(8) frank adds a missing service to the scope; others decide on the new version."""

from __future__ import annotations

from dataclasses import replace

from hitlportal.demo.people.browser import Unexpected
from hitlportal.demo.people.player import Player, expect
from hitlportal.demo.play.attempts import refusal
from hitlportal.demo.play.reporting import Reported
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.story import MISSED_SERVICE

WHY = "The mails about orders are sent with this key, too."


def correct(frank: Player, proposal: str) -> str:
    """Add the missing service to the scope; return the id of the corrected version."""
    path = f"/proposals/{proposal}/correct/"
    page = expect(frank.browser.get(path), 200)
    typed = {"missing": MISSED_SERVICE, "reason": WHY}
    made = expect(frank.submit_signed(page, page.form_with("missing"), **typed), 200)
    new = made.url.rstrip("/").rpartition("/")[2]
    if new == proposal:
        raise Unexpected(f"{path}: no new version, but {made.url}")
    return new


def check(scene: Scene) -> None:
    """Correct the version that alice approved; `scene.key_report` becomes the new version, which
    is approved again."""
    old = scene.key_report
    scene.first_version = old
    new = replace(old, proposal=correct(scene.players["frank"], old.proposal))
    scene.key_report = new
    scene.reaches(new, "in_review")
    seen = scene.record.state(old.proposal), scene.record.replaced_by(old.proposal)
    what = f"frank corrects the scope of {old.proposal[:8]}: {new.proposal[:8]} supersedes it"
    scene.checks.equal("8", what, seen, ("superseded", new.proposal))
    reaches = [MISSED_SERVICE in scene.record.reaches(r.proposal) for r in (old, new)]
    what = f"the old scope lacks {MISSED_SERVICE}, the new one has it"
    scene.checks.equal("8", what, reaches, [False, True])
    _decided(scene, new)


def _decided(scene: Scene, new: Reported) -> None:
    """Check that alice's old approval does not count and that frank may not approve his version."""
    scene.players["bob"].decide(new.proposal, "approve")
    what = "bob approves the new version; alice's approval of the old one is void"
    scene.checks.equal("8", what, scene.record.state(new.proposal), "in_review")
    round = scene.record.round(new.proposal)
    page = scene.players["frank"].try_to_approve(new.proposal, "service_owner", round)
    status, name, words = refusal(page)
    ok = (status, name) == (403, "separation") and "edited the plan" in words
    what = "frank may not approve what he corrected"
    scene.checks.line("8", ok, what, f"{status} {name}" if ok else words)
    answer = scene.players["alice"].decide(new.proposal, "approve")
    what = "alice reads and approves the new version, too"
    scene.checks.equal("8", what, answer["resolution"], "approved")
