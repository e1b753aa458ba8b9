"""(3, 7, 9, 10) Check the effects at the targets, read from the targets themselves."""

from __future__ import annotations

from hitlportal.demo.play import independent
from hitlportal.demo.play.scene import Scene
from hitlportal.demo.servers.ledger import OBSERVER, OPERATOR, TICKET
from hitlportal.demo.story import ROLE

CHANGE = "iam:UpdateAccessKey"


def untouched(scene: Scene) -> None:
    """Check that before any approval only the observer connected, and that it only read."""
    log = scene.stack.servers.target.log
    observer, *acting = (independent.touches(log, who) for who in (OBSERVER, OPERATOR, TICKET))
    what = f"before approval, lines by {OPERATOR} and {TICKET} in PostgreSQL's own log"
    scene.checks.equal("3", what, [one.lines for one in acting], [0, 0])
    looked = observer.lines > 0 and not observer.changes
    scene.checks.line("3", looked, f"{OBSERVER} only read", f"{observer.lines} lines")
    calls = len(scene.stack.cloud.calls(CHANGE))
    scene.checks.equal("3", f"before approval, {CHANGE} in simulated AWS", calls, 0)
    works = independent.key_works(scene.stack.cloud, scene.key)
    scene.checks.line("3", works, "the stolen key still works (simulated)")


def still_untouched(scene: Scene) -> None:
    """Check the targets after the first of two approvals."""
    lines = independent.touches(scene.stack.servers.target.log, OPERATOR, ROLE).lines
    calls = len(scene.stack.cloud.calls(CHANGE))
    scene.checks.equal("7", "and both targets are untouched", (lines, calls), (0, 0))


def key(scene: Scene) -> None:
    """Check that the key is inactive: ask the account, and make a call with the key."""
    cloud, key = scene.stack.cloud, scene.key
    status = independent.key_status(cloud, key)
    scene.checks.equal("9", f"key {key.id} (simulated)", status, "Inactive")
    works = independent.key_works(cloud, key)
    scene.checks.line("9", not works, "a call signed with the key is refused (simulated)")
    ids = [call["parameters"]["AccessKeyId"] for call in cloud.calls(CHANGE)]
    scene.checks.equal("9", f"{CHANGE} was called once, on this key", ids, [key.id])


def role(scene: Scene) -> None:
    """Check the role: no login, no session, and the program that held a session has ended."""
    checks, stack = scene.checks, scene.stack
    refused = independent.login_refused(stack.ledger.dsn(ROLE))
    ok = "not permitted to log in" in refused
    checks.line("10", ok, f"role {ROLE} is refused at login", refused.rpartition("FATAL:  ")[2])
    job = stack.job()
    ended = job is not None and scene.comes_true(
        "the report job to notice", lambda: job.exit_code is not None
    )
    checks.line("10", ended, "its open session was ended; the program that held it ended, too")
    checks.equal("10", "sessions of the role", stack.ledger.sessions(), 0)
    first = independent.touches(stack.servers.target.log, OPERATOR, ROLE).first
    approved = scene.record.approved_at(scene.role_report.proposal)
    seen = f"{approved:%T.%f}, then {first:%T.%f}" if first else "never"
    after = first is not None and first > approved
    checks.line("10", after, f"{OPERATOR} named it only after the last approval", seen)
