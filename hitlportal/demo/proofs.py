"""(8, 10) What stays: evidence that outsiders can replay, and a record that nobody can change."""

from __future__ import annotations

import psycopg

from hitlportal.demo import offline
from hitlportal.demo.scene import Scene

FORBIDDEN = (
    ("web", "UPDATE audit.entry SET body = body"),
    ("worker", "DELETE FROM audit.entry"),
    ("web", "UPDATE remediation_proposal SET state = 'approved'"),
)


def evidence(scene: Scene) -> None:
    """The gate replayed with an empty environment; then again on files with one byte changed."""
    stack = scene.stack
    replay = offline.Replay(stack.settings.approvers, stack.origin)
    directory = stack.directory / "evidence"
    directory.mkdir(exist_ok=True)
    for report in scene.runs:
        file = directory / f"{report.proposal}.json"
        offline.export(stack.installation, stack.settings, report.proposal, file)
        what = f"evidence of {report.proposal[:8]}, replayed offline"
        scene.checks.equal("8", what, replay.result(file), offline.HOLDS)
        for place, forged in offline.forgeries(file):
            what = f"the same with one byte flipped in {place}"
            scene.checks.equal("8", what, replay.result(forged), offline.DOES_NOT_HOLD)


def record(scene: Scene) -> None:
    """Everything is on record, an auditor reads it, and no process can change it."""
    entries = scene.record.entries()
    ok = {"agent", "person", "worker", "operator"} <= set(entries)
    listed = ", ".join(f"{count} by {source}" for source, count in entries.items())
    scene.checks.line("10", ok, f"{sum(entries.values())} entries in the audit log", listed)
    page = scene.players["carol"].browser.get("/audit/entries/")
    scene.checks.equal("10", "carol, an auditor, reads them", page.status, 200)
    for login, statement in FORBIDDEN:
        what = f"hitl_{login} is refused: {statement}"
        said = _refusal_of(scene, login, statement)
        scene.checks.line("10", said != "", what, said or "it was not")


def _refusal_of(scene: Scene, login: str, statement: str) -> str:
    """What the database says to this login; "" if it lets it."""
    with psycopg.connect(scene.stack.installation.login_url(login)) as connection:
        try:
            connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege as error:
            return str(error).splitlines()[0]
        finally:
            connection.rollback()
    return ""
