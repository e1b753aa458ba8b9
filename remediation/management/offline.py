"""Replay the gate from an evidence file or a bundle, without database, settings or network.

`manage.py verify_evidence FILE --approvers FILE --rp-id R --origin O --log-key VKEY` runs this
before Django is loaded. Trust comes only from the arguments: approvers file, relying party and
origin, the log's key or policy, a head seen before. The time is the evidence's `database_now`,
because the gate is replayed as of that moment.

In a bundle everything is checked: first the checks of `audit.tlog.bundle` (standard library alone),
then the passkey signature of every review and halt, and the gate of every run.

The output says what the file cannot prove: policy facts, people, exclusions, freeze and
observations of that moment are claims of the worker that wrote it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from audit.tlog import bundle, bundle_form, scan
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import Malformed, TlogError
from audit.tlog.note import Note, VerifierKey, from_bytes
from audit.tlog.policy import Policy
from remediation.domain import inert, instant
from remediation.domain.errors import BadInput
from remediation.domain.gate import approvers, evidence
from remediation.domain.gate.evidence import Evidence
from remediation.domain.gate.finding import Failure
from remediation.extensions import ExtensionInvalid, load_catalogue
from remediation.management.replay import Replay, Whole, check_bundle, check_evidence
from remediation.management.signed_record import Signed, Trust

HOLDS, DOES_NOT_HOLD, UNREADABLE = 0, 1, 2

_WORD_OF_THE_WORKER = (
    "Checked against the approvers file and the log's key: bodies, statements, signatures, quorum,"
    " entries. Not checked, claimed by the worker: policy facts, people, exclusions, freeze,"
    " observations and times."
)
_NOT_PROVEN = (
    "A bundle cannot prove that no other entry is about the incident. For that, verify an export"
    " of the whole log (python -m audit.tlog verify DIRECTORY)."
)
_WITHOUT_EFFECT = (
    "Some recorded reviews or halts have no valid signature of an approver; none of them had an"
    " effect."
)


class Unreadable(Exception):
    """A file or an argument cannot be read."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0 when every step holds, 1 when not, 2 when unreadable."""
    as_json = False
    try:
        arguments = _parser().parse_args(argv)
        load_catalogue()
        as_json = arguments.json
        trust = _trust(arguments)
        raw = _read(arguments.file, max(evidence.MAX_BYTES, bundle_form.MAX_BYTES))
        found = check_bundle(raw, trust) if _is_bundle(raw) else _evidence(raw, arguments, trust)
    except (Unreadable, ExtensionInvalid) as error:
        sys.stderr.write(f"verify_evidence: {inert.terminal(str(error))}\n")
        return UNREADABLE
    except TlogError as error:
        sys.stdout.write(_refused(error, as_json))
        return DOES_NOT_HOLD
    sys.stdout.write(_as_json(found) if arguments.json else _as_text(found))
    return HOLDS if found.holds else DOES_NOT_HOLD


class _Parser(argparse.ArgumentParser):
    """An argparse parser that raises Unreadable for a wrong argument and does not exit."""

    def error(self, message: str) -> NoReturn:
        raise Unreadable(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="verify_evidence",
        description="Check a bundle or replay the gate. Only these arguments are trusted.",
        epilog="Exit status: 0 every step holds, 1 one does not, 2 a file cannot be read.",
    )
    parser.add_argument("file", type=Path, help="the bundle or evidence file")
    parser.add_argument("--approvers", type=Path, required=True, help="the approvers file")
    parser.add_argument("--rp-id", required=True, help="the relying party the keys must be for")
    parser.add_argument("--origin", required=True, help="the origin the keys must be used at")
    log = parser.add_mutually_exclusive_group(required=True)
    log.add_argument("--log-key", metavar="VKEY", help="the public key that signs the audit log")
    log.add_argument("--log-policy", type=Path, help="a tlog-policy: keys, witnesses, quorum")
    parser.add_argument("--seen", type=Path, help="a head of the log that you have seen")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--allow-test", action="store_true", help="take plans of actions that exist for tests only"
    )
    return parser


def _trust(arguments: argparse.Namespace) -> Trust:
    try:
        known = approvers.Approvers.parse(_read(arguments.approvers, approvers.MAX_BYTES))
    except BadInput as error:
        raise Unreadable(f"{arguments.approvers} is not an approvers file: {error}") from None
    try:
        policy = (
            Policy.parse(_text(arguments.log_policy))
            if arguments.log_policy
            else Policy.single(VerifierKey.parse(arguments.log_key))
        )
        seen = arguments.seen and Checkpoint.parse(Note.parse(_text(arguments.seen)).text)
    except TlogError as error:
        raise Unreadable(f"--log-key, --log-policy, --seen: {error}") from None
    return Trust(
        approvers=known,
        policy=policy,
        rp_id=arguments.rp_id,
        origin=arguments.origin,
        seen=seen or None,
        allow_test=arguments.allow_test,
    )


def _is_bundle(raw: bytes) -> bool:
    return f'"type":"{bundle_form.TYPE}"'.encode() in raw[-200:]


def _evidence(raw: bytes, arguments: argparse.Namespace, trust: Trust) -> Replay:
    try:
        scan.check(raw)
        given = Evidence.parse(raw)
    except (BadInput, Malformed) as error:
        raise Unreadable(f"{arguments.file} is not an evidence file: {error}") from None
    if trust.seen is not None and given.log is not None:
        head = trust.policy.check(given.log.checkpoint).checkpoint
        bundle.check_seen(trust.seen, head, ())
    return check_evidence(given, trust)


def _text(path: Path) -> str:
    return from_bytes(_read(path, 1024 * 1024))


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            # One byte over the limit, so that the parser can refuse the size.
            return file.read(most + 1)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None


def _as_text(found: Replay | Whole) -> str:
    lines: list[str] = []
    if isinstance(found, Whole):
        head, inside = found.bundle.checked.checkpoint, found.bundle
        lines += [
            f"incident {inside.incident}",
            f"log {head.origin}, size {head.size}: the head is signed"
            + "".join(f", cosigned by {name}" for name, _ in found.bundle.checked.witnesses),
            f"{len(inside.entries) + len(inside.forged)} entries of the bundle are in the log; they"
            f" name {len(inside.documents)} documents, {inside.left_out} of them without bytes",
            *map(str, inside.forged),
            *_unwritten(inside.unwritten),
            *inside.remarks,
            *(_signed_line(signed) for signed in (*found.reviews, *found.halts)),
            *found.unfounded,
        ]
    for replay in found.replays if isinstance(found, Whole) else (found,):
        lines += _lines(replay)
    lines.append(_WORD_OF_THE_WORKER)
    if isinstance(found, Whole):
        if found.holds and any(signed.problem for signed in (*found.reviews, *found.halts)):
            lines.append(_WITHOUT_EFFECT)
        lines.append(_NOT_PROVEN)
    lines.append("HOLDS" if found.holds else "DOES NOT HOLD")
    return "\n".join(inert.terminal(line) for line in lines) + "\n"


def _unwritten(count: int) -> list[str]:
    return [f"{count} entries are from before writers were recorded"] if count else []


def _signed_line(signed: Signed) -> str:
    judged = f"no: {signed.problem}" if signed.problem else "the passkey's signature is valid"
    return f"entry {signed.index}: {signed.said}: {judged}"


def _lines(replay: Replay) -> list[str]:
    given = replay.given
    lines = [
        f"proposal {given.proposal_id}, round {given.round}, step {given.step + 1}",
        f"as of {instant.dump(given.database_now)}, the database's time in the file",
    ]
    for finding in replay.findings:
        result = finding.result
        result_text = (
            f"no: {result.reason}: {result.detail}" if isinstance(result, Failure) else "ok"
        )
        lines.append(f"{finding.number} {finding.name:32} {result_text}")
    return lines


def _as_json(found: Replay | Whole) -> str:
    if isinstance(found, Replay):
        value = {**_value(found), "note": _WORD_OF_THE_WORKER}
    else:
        head = found.bundle.checked.checkpoint
        value = {
            "incident": found.bundle.incident,
            "origin": head.origin,
            "size": head.size,
            "witnesses": [name for name, _ in found.bundle.checked.witnesses],
            "entries": len(found.bundle.entries) + len(found.bundle.forged),
            "forged": [str(one) for one in found.bundle.forged],
            "before_writers": found.bundle.unwritten,
            "documents": len(found.bundle.documents),
            "left_out": found.bundle.left_out,
            "remarks": list(found.bundle.remarks),
            "reviews": [asdict(review) for review in found.reviews],
            "halts": [asdict(halt) for halt in found.halts],
            "unfounded": list(found.unfounded),
            "runs": [_value(replay) for replay in found.replays],
            "holds": found.holds,
            "note": f"{_WORD_OF_THE_WORKER} {_NOT_PROVEN}",
        }
    return _dumped(value)


def _refused(error: TlogError, as_json: bool) -> str:
    if as_json:
        detail = error.detail or error.message
        return _dumped({"holds": False, "problem": error.name, "detail": detail})
    return f"{inert.terminal(str(error))}\nDOES NOT HOLD\n"


def _dumped(value: object) -> str:
    # json.dumps escapes non-ASCII and all control characters except DEL.
    return json.dumps(value, indent=2).replace("\x7f", "\\u007f") + "\n"


def _value(replay: Replay) -> dict[str, object]:
    steps = []
    for finding in replay.findings:
        step: dict[str, object] = {"number": finding.number, "name": finding.name}
        result = finding.result
        step["holds"] = bool(result)
        if isinstance(result, Failure):
            step |= {"reason": result.reason, "detail": result.detail}
        steps.append(step)
    return {
        "proposal": replay.given.proposal_id,
        "round": replay.given.round,
        "step": replay.given.step,
        "as_of": instant.dump(replay.given.database_now),
        "findings": steps,
        "holds": replay.holds,
    }


if __name__ == "__main__":
    sys.exit(main())
