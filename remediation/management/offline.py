"""Replay the gate from an evidence file: no database, no settings, no network.

`manage.py verify_evidence FILE --approvers FILE --rp-id R --origin O` comes here before Django is
loaded. Trust comes only from the arguments: the approvers file, the relying party and the origin.
The time is the evidence's own `database_now`: the question is what the gate had to say then.

What the file cannot prove stands in the output: what policy facts, people, exclusions, freeze and
observations were at that moment is the word of the worker that wrote it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from remediation.domain import approvers, evidence, gate, instant
from remediation.domain.errors import BadInput

HOLDS, DOES_NOT_HOLD, UNREADABLE = 0, 1, 2

_WORD_OF_THE_WORKER = (
    "Checked against the approvers file: bodies, statements, signatures, quorum. The worker's"
    " word: policy facts, people, exclusions, freeze, observations and times."
)


class Unreadable(Exception):
    """A file or an argument cannot be read."""


@dataclass(frozen=True)
class Replay:
    """What was asked, and what each step found."""

    given: evidence.Evidence
    findings: tuple[gate.Finding, ...]

    @property
    def holds(self) -> bool:
        return all(finding.result for finding in self.findings)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0 when every step holds, 1 when not, 2 when unreadable."""
    try:
        arguments = _parser().parse_args(argv)
        replay = _replay(arguments)
    except Unreadable as error:
        sys.stderr.write(f"verify_evidence: {error}\n")
        return UNREADABLE
    sys.stdout.write(_as_json(replay) if arguments.json else _as_text(replay))
    return HOLDS if replay.holds else DOES_NOT_HOLD


class _Parser(argparse.ArgumentParser):
    """argparse, but a wrong argument is an answer of ours, not an exit of its own."""

    def error(self, message: str) -> NoReturn:
        raise Unreadable(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="verify_evidence",
        description="Replay the gate from an evidence file, trusting only these arguments.",
        epilog="Exit status: 0 every step holds, 1 one does not, 2 a file cannot be read.",
    )
    parser.add_argument("file", type=Path, help="the evidence file")
    parser.add_argument("--approvers", type=Path, required=True, help="the approvers file")
    parser.add_argument("--rp-id", required=True, help="the relying party the keys must be for")
    parser.add_argument("--origin", required=True, help="the origin the keys must be used at")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--allow-test", action="store_true", help="take plans of test actions (test.noop)"
    )
    return parser


def _replay(arguments: argparse.Namespace) -> Replay:
    try:
        given = evidence.Evidence.parse(_read(arguments.file, evidence.MAX_BYTES))
    except BadInput as error:
        raise Unreadable(f"{arguments.file} is not an evidence file: {error}") from None
    try:
        trusted = approvers.Approvers.parse(_read(arguments.approvers, approvers.MAX_BYTES))
    except BadInput as error:
        raise Unreadable(f"{arguments.approvers} is not an approvers file: {error}") from None
    findings = gate.examine(
        given,
        approvers=trusted,
        now=given.database_now,
        rp_id=arguments.rp_id,
        origin=arguments.origin,
        allow_test=arguments.allow_test,
    )
    return Replay(given, findings)


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            # One byte more than allowed is enough for the parser to refuse it by name.
            return file.read(most + 1)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None


def _as_text(replay: Replay) -> str:
    given = replay.given
    lines = [
        f"proposal {given.proposal_id}, round {given.round}, step {given.step + 1}",
        f"as of {instant.dump(given.database_now)}, the database's time in the file",
    ]
    for finding in replay.findings:
        result = finding.result
        said = f"no: {result.reason}: {result.detail}" if isinstance(result, gate.Failure) else "ok"
        lines.append(f"{finding.number} {finding.name:32} {_inert(said)}")
    lines += [_WORD_OF_THE_WORKER, "HOLDS" if replay.holds else "DOES NOT HOLD"]
    return "\n".join(lines) + "\n"


def _as_json(replay: Replay) -> str:
    steps = []
    for finding in replay.findings:
        step: dict[str, object] = {"number": finding.number, "name": finding.name}
        result = finding.result
        step["holds"] = bool(result)
        if isinstance(result, gate.Failure):
            step |= {"reason": result.reason, "detail": result.detail}
        steps.append(step)
    value = {
        "proposal": replay.given.proposal_id,
        "round": replay.given.round,
        "step": replay.given.step,
        "as_of": instant.dump(replay.given.database_now),
        "findings": steps,
        "holds": replay.holds,
        "note": _WORD_OF_THE_WORKER,
    }
    return json.dumps(value, indent=2) + "\n"


def _inert(text: str) -> str:
    """Text of a file of unknown origin: nothing in it may steer a terminal (A52)."""
    return text.encode("ascii", errors="backslashreplace").decode().translate(_CONTROLS)


_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), 127)}


if __name__ == "__main__":
    sys.exit(main())
