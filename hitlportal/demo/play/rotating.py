"""(20) An administrator of the target gives a role another password: the leaked one is over."""

from __future__ import annotations

from hitlportal.demo.play import independent, live
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.story import SHARED


def check(scene: Scene) -> None:
    """Rotate the password of the wiki's page elsewhere, and look at what the incident's page says.

    The role stays off, so the server refuses both passwords, each for its own reason.
    """
    ledger, incident = scene.stack.ledger, scene.wiki_incident
    leaked = ledger.dsn(SHARED)
    ledger.rotate(SHARED)
    refused = [independent.login_refused(dsn) for dsn in (leaked, ledger.dsn(SHARED))]
    ok = "password authentication failed" in refused[0] and "not permitted to log" in refused[1]
    what = f"an administrator of the target gives {SHARED} another password; the leaked one fails"
    seen = [text.rpartition("FATAL:  ")[2] for text in refused]
    scene.checks.line("20", ok, what, seen)
    said = live.reads(scene, incident, live.NOT_IN_FORCE)
    what = "alice reads again: the page says that it is no longer in force, and since when"
    scene.checks.equal("20", what, (said, live.verdict(scene, incident)), (True, "no"))
    password = leaked.partition(f"{SHARED}:")[2].partition("@")[0]
    quoted = scene.record.quoting(password)
    scene.checks.equal("20", "audit log entries that contain the password", quoted, 0)
    stays = ledger.may_log_in(SHARED), scene.record.incident(scene.plan_report.proposal)
    what = "the role stays off, and its incident contained"
    scene.checks.equal("20", what, stays, (False, "contained"))
