"""(17) An incident without a plan: people are notified, frank plans, and he does not decide it."""

from __future__ import annotations

from hitlportal.demo.people.player import Player, expect
from hitlportal.demo.play import live, wiki
from hitlportal.demo.play.attempts import refusal
from hitlportal.demo.play.reporting import Reported
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.story import SHARED, SHARED_LOCATOR

STEP = f"postgres.role.disable {SHARED_LOCATOR}"
WHY = "Everybody in the company has the password. Both teams can wait until it is new."


def plan(frank: Player, incident: str) -> Reported:
    """Make a plan of one step as a person does: add it, look at the preview, submit."""
    typed = {"environment": "production", "rationale": WHY}
    page = expect(frank.browser.get(f"/incidents/{incident}/plan/"), 200)
    for button in ({"add": STEP}, {"do": "preview"}):
        page = expect(
            frank.browser.submit(page, page.form_with("rationale"), **typed, **button), 200
        )
    made = expect(frank.browser.submit(page, page.form_with("previewed"), do="submit"), 200)
    return Reported(f"plan for {SHARED}", made.url.rstrip("/").rpartition("/")[2])


def begin(scene: Scene) -> None:
    """Report it long before: people are told after thirty seconds without a plan."""
    scene.wiki_incident = wiki.scan(scene.stack, scene.scanner_token)


def check(scene: Scene) -> None:
    """Check the incident before and after frank's plan, which becomes `scene.plan_report`."""
    incident = scene.wiki_incident
    page = expect(scene.players["frank"].browser.get(f"/incidents/{incident}/"), 200)
    ok = "Nobody has proposed what to do about it." in page.text
    what = f"an agent reports a password of {SHARED} and proposes nothing: it needs a plan"
    scene.checks.line("17", ok, what, incident[:8])
    subject = scene.mailed("needs a plan", incident)
    scene.checks.line("17", subject != "", "people who can make one get a mail", subject)
    said = live.reads(scene, incident, live.IN_FORCE)
    verdict = live.verdict(scene, incident)
    what = "alice opens its page: the worker compares, the leaked password is in force"
    scene.checks.equal("17", what, (said, verdict), (True, "yes"))
    scene.plan_report = made = plan(scene.players["frank"], incident)
    scene.reaches(made, "in_review")
    what = f"frank makes a plan of the catalogue's action: {made.proposal[:8]}"
    scene.checks.equal("17", what, scene.record.state(made.proposal), "in_review")
    round = scene.record.round(made.proposal)
    tried = scene.players["frank"].try_to_approve(made.proposal, "service_owner", round)
    status, name, words = refusal(tried)
    ok = (status, name) == (403, "separation")
    what = "frank may not approve what he planned"
    scene.checks.line("17", ok, what, f"{status} {name}" if ok else words)
