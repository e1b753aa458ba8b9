"""(25 to 28) Check the evidence offline, and that no process can change the audit log."""

from __future__ import annotations

from pathlib import Path

import psycopg

from hitlportal.demo.play import offline
from hitlportal.demo.play.reporting import Reported
from hitlportal.demo.play.scene import Scene

FORBIDDEN = (
    ("web", "UPDATE audit.entry SET body = body"),
    ("worker", "DELETE FROM audit.entry"),
    ("web", "UPDATE remediation_proposal SET state = 'approved'"),
)


def evidence(scene: Scene) -> None:
    """Replay the gate of the first three runs; the bundles replay every other one, too."""
    for report in (scene.account_report, *scene.runs):
        replayed(scene, report)
    # And once more where its run went on after a wait.
    replayed(scene, scene.account_report, "--after", "1")


def replayed(scene: Scene, report: Reported, *after: str) -> None:
    """Replay the gate with an empty environment, then on files with one byte changed; ``after``:
    the evidence by which a run went on."""
    stack = scene.stack
    replay = offline.Replay(stack.settings.approvers, stack.origin, stack.log.policy)
    directory = stack.directory / "evidence"
    directory.mkdir(exist_ok=True)
    file = directory / f"{report.proposal}{''.join(after)}.json"
    offline.export(stack.installation, stack.settings, report.proposal, file, *after)
    what = (
        f"evidence of {report.proposal[:8]}{' after its wait' if after else ''}, replayed offline"
    )
    scene.checks.equal("25", what, replay.result(file), offline.HOLDS)
    for place, forged in offline.forgeries(file):
        what = f"the same with one byte flipped in {place}"
        scene.checks.equal("25", what, replay.result(forged), offline.DOES_NOT_HOLD)


def bundles(scene: Scene) -> None:
    """(27) Verify every incident's bundle without the product, then with one byte changed."""
    stack = scene.stack
    directory = stack.directory / "evidence"
    directory.mkdir(exist_ok=True)
    alone = offline.Verifier.build(directory, stack.log.policy)
    replay = offline.Replay(stack.settings.approvers, stack.origin, stack.log.policy)
    for incident in scene.record.incidents():
        file = directory / f"bundle-{incident}.json"
        scene.as_operator("export_bundle", incident, "--output", str(file))
        what = f"bundle of incident {incident[:8]}, by the standard library alone"
        scene.checks.equal("27", what, alone.result(file), offline.HOLDS)
        what = "the same with passkeys and the gate replayed"
        scene.checks.equal("27", what, replay.result(file), offline.HOLDS)
        status, output = alone.result(_flipped(file))
        what = "the same with one byte flipped in an entry"
        scene.checks.line("27", status == 1, what, output)


def log(scene: Scene) -> None:
    """(28) Verify the whole log, as rows and as files; find a cut tail and a changed entry."""
    stack = scene.stack
    directory = stack.directory / "evidence"
    alone = offline.Verifier.build(directory, stack.log.policy)
    scene.as_operator("audit_verify")
    scene.checks.line("28", True, "every row of the log follows from its entries", "audit_verify")
    older, newer = directory / "log-then", directory / "log-now"
    scene.as_operator("audit_export", str(older))
    scene.players["carol"].browser.get("/audit/entries/")
    scene.comes_true("the log to grow", lambda: stack.log.witness_size() > _size(older))
    scene.as_operator("audit_export", str(newer))
    head = newer / "checkpoint"
    what = "an export, against the head of the export before"
    result = alone.result(newer, "--seen", older / "checkpoint")
    scene.checks.equal("28", what, result, offline.HOLDS)
    status, output = alone.result(older, "--seen", head)
    scene.checks.line("28", status == 1 and "rollback" in output, "a log whose tail is cut", output)
    lines = (newer / "entries.jsonl").read_bytes()
    (newer / "entries.jsonl").write_bytes(bytes([lines[0] ^ 1]) + lines[1:])
    status, output = alone.result(newer)
    scene.checks.line("28", status == 1, "an export with one byte flipped", output)


def _size(directory: Path) -> int:
    return int((directory / "checkpoint").read_text(encoding="utf-8").split("\n")[1])


def _flipped(file: Path) -> Path:
    raw = file.read_bytes()
    spot = raw.index(b"agent:report:submitted")
    copy = file.with_name(f"{file.stem}-flipped.json")
    copy.write_bytes(raw[:spot] + b"A" + raw[spot + 1 :])
    return copy


def record(scene: Scene) -> None:
    """Check that an auditor can read the log and that no process can change it."""
    entries = scene.record.entries()
    ok = {"agent", "person", "worker", "operator"} <= set(entries)
    listed = ", ".join(f"{count} by {source}" for source, count in entries.items())
    scene.checks.line("26", ok, f"{sum(entries.values())} entries in the audit log", listed)
    page = scene.players["carol"].browser.get("/audit/entries/")
    scene.checks.equal("26", "carol, an auditor, reads them", page.status, 200)
    for login, statement in FORBIDDEN:
        what = f"hitl_{login} is refused: {statement}"
        output = _refusal_of(scene, login, statement)
        scene.checks.line("26", output != "", what, output or "it was not")


def _refusal_of(scene: Scene, login: str, statement: str) -> str:
    """Return the database's refusal of this statement; "" if it is allowed."""
    with psycopg.connect(scene.stack.installation.login_url(login)) as connection:
        try:
            connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege as error:
            return str(error).splitlines()[0]
        finally:
            connection.rollback()
    return ""
