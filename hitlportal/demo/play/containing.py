"""(16) An administrator sets a disabled role on again: a look sees it, the incident is open."""

from __future__ import annotations

from hitlportal.demo.play import independent
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.story import ROLE

LOOKED = "worker:incident:looked"


def begin(scene: Scene) -> tuple[str, bool]:
    """Set the role to LOGIN, and ask for a look instead of waiting a minute for the first one.

    Returns the incident's state before the look, and whether the role logs in.
    """
    report, ledger = scene.role_report, scene.stack.ledger
    ledger.let_log_in(ROLE)
    opened = independent.login_refused(ledger.dsn(ROLE)) == ""
    before = scene.record.incident(report.proposal), opened
    page = f"/incidents/{scene.record.incident_id(report.proposal)}/"
    scene.players["alice"].fill(page, f"{page}look/")
    return before


def check(scene: Scene, before: tuple[str, bool]) -> None:
    """Check what the look found."""
    report = scene.role_report
    incident = scene.record.incident_id(report.proposal)
    what = f"an administrator of the target sets {ROLE} to LOGIN again and tells nobody"
    scene.checks.equal("16", what, before, ("contained", True))
    opened = scene.comes_true(
        "a look to find access", lambda: scene.record.incident(report.proposal) == "open"
    )
    looks = scene.record.entry_data(LOOKED, f"incident:{incident}")
    found = str(looks[-1]["data"].get("found")) if looks else "no look"
    what = "alice asks for a look; the worker finds access, and the incident is open again"
    scene.checks.line("16", opened and found == "access", what, found)
    subject = scene.mailed("open again", incident)
    scene.checks.line("16", subject != "", "lead and reviewers get a mail about it", subject)
