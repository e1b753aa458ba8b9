"""`python -m audit.tlog`, or `python3 audit-verify.pyz`: verify a log without the product.

    verify PATH --key VKEY [--policy FILE] [--seen CHECKPOINT] [--body FILE]
    open CHECKPOINT --key VKEY

PATH is an evidence bundle, a tlog-proof (with the entry's bytes by --body), an export, or any C2SP
tlog-tiles directory. Exit status: 0 it holds, 1 it does not, 2 it cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from audit.tlog import bundle, bundle_form, directory, proof
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import TlogError
from audit.tlog.inert import terminal
from audit.tlog.note import ED25519, MAX_NOTE, Note, VerifierKey, from_bytes
from audit.tlog.policy import Policy

HOLDS, DOES_NOT_HOLD, UNREADABLE = 0, 1, 2


class Unreadable(Exception):
    """A file or an argument cannot be read."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Unreadable(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status. Prints ASCII only, so that no file can control
    the terminal."""
    as_json = False
    try:
        arguments = _parser().parse_args(argv)
        as_json = arguments.json
        lines = _open(arguments) if arguments.verb == "open" else _verify(arguments)
    except (Unreadable, OSError) as error:
        sys.stderr.write(f"audit-verify: {terminal(str(error))}\n")
        return UNREADABLE
    except TlogError as error:
        _say(
            {"holds": False, "problem": error.name, "detail": error.detail or error.message},
            [str(error), "DOES NOT HOLD"],
            as_json,
        )
        return DOES_NOT_HOLD
    _say({"holds": True, "verified": lines}, [*lines, "HOLDS"], as_json)
    return HOLDS


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="audit-verify", description=__doc__, formatter_class=_Raw)
    verbs = parser.add_subparsers(dest="verb", required=True, parser_class=_Parser)
    for verb in ("verify", "open"):
        one = verbs.add_parser(verb)
        one.add_argument("path", type=Path)
        trust = one.add_mutually_exclusive_group(required=True)
        trust.add_argument("--key", action="append", metavar="VKEY", help="may be repeated")
        trust.add_argument("--policy", type=Path, help="a C2SP tlog-policy")
        one.add_argument("--seen", type=Path, metavar="CHECKPOINT", help="a head that you have")
        one.add_argument("--body", type=Path, help="the entry's bytes, for a tlog-proof")
        one.add_argument("--json", action="store_true")
    return parser


class _Raw(argparse.RawDescriptionHelpFormatter):
    pass


def _open(arguments: argparse.Namespace) -> list[str]:
    checked = _policy(arguments).check(_text(arguments.path))
    head = checked.checkpoint
    lines = [f"origin {head.origin}", f"size {head.size}", f"root {head.root.hex()}"]
    return lines + _witnesses(checked.witnesses)


def _verify(arguments: argparse.Namespace) -> list[str]:
    policy, path = _policy(arguments), arguments.path
    seen = _seen(arguments)
    if path.is_dir():
        return _directory(path, policy, seen)
    raw = _read(path, bundle_form.MAX_BYTES)
    if raw.startswith(proof.HEADER.encode()):
        return _proof(raw, policy, seen, arguments.body)
    return _bundle(raw, policy, seen)


def _directory(path: Path, policy: Policy, seen: Checkpoint | None) -> list[str]:
    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{done}/{total}" + ("\n" if done == total else ""))

    found = directory.verify(path, policy, seen=seen, progress=progress)
    head = found.checked.checkpoint
    return [
        *_head(found.checked.witnesses, head),
        f"{head.size} entries and {found.tiles} tiles are what the head signs",
        "entries.jsonl: line i is leaf i" if found.lines else "no entries.jsonl",
        *found.forged,
        *([f"{found.forged_count} entries are forged"] if found.forged_count else []),
        _seen_said(seen),
    ]


def _bundle(raw: bytes, policy: Policy, seen: Checkpoint | None) -> list[str]:
    found = bundle.verify(raw, policy, seen=seen)
    return [
        f"incident {found.incident}",
        *_head(found.checked.witnesses, found.checked.checkpoint),
        f"{len(found.entries) + len(found.forged)} entries are in it",
        *map(str, found.forged),
        *_unwritten(found.unwritten),
        f"{len(found.documents)} documents are what entries name, {found.left_out} without bytes",
        f"{len(found.heads)} older heads lead to it",
        *found.remarks,
        _seen_said(seen),
        "not checked here: passkeys and the gate (manage.py verify_evidence)",
        "not proven by a bundle: that no other entry is about the incident (verify an export)",
    ]


def _proof(raw: bytes, policy: Policy, seen: Checkpoint | None, body: Path | None) -> list[str]:
    if body is None:
        raise Unreadable("a tlog-proof needs the entry's bytes: --body FILE")
    given = proof.Proof.parse(from_bytes(raw))
    entry = _read(body, MAX_NOTE)
    checked = proof.verify(given, entry.removesuffix(b"\n"), policy)
    if seen is not None:
        bundle.check_seen(seen, checked.checkpoint, ())
    return [
        *_head(checked.witnesses, checked.checkpoint),
        f"the entry is leaf {given.index}",
        _seen_said(seen),
    ]


def _head(witnesses: Sequence[tuple[str, int]], head: Checkpoint) -> list[str]:
    lines = [f"log {head.origin}, size {head.size}, root {head.root.hex()}: signed"]
    return lines + _witnesses(witnesses)


def _witnesses(witnesses: Sequence[tuple[str, int]]) -> list[str]:
    return [f"cosigned by {name} at {time} (POSIX seconds)" for name, time in witnesses]


def _unwritten(count: int) -> list[str]:
    return [f"{count} entries are from before writers were recorded"] if count else []


def _seen_said(seen: Checkpoint | None) -> str:
    if seen is None:
        return "no head from elsewhere was given (--seen): a log cut short would go unseen"
    return f"it goes on from the head seen, size {seen.size}"


def _policy(arguments: argparse.Namespace) -> Policy:
    try:
        if arguments.policy:
            return Policy.parse(_text(arguments.policy))
        keys = tuple(VerifierKey.parse(text) for text in arguments.key)
    except TlogError as error:
        raise Unreadable(f"--key, --policy: {error}") from None
    if any(key.algorithm != ED25519 for key in keys):
        raise Unreadable("--key: a witness's key; name witnesses in a --policy")
    return Policy(keys)


def _seen(arguments: argparse.Namespace) -> Checkpoint | None:
    if arguments.seen is None:
        return None
    try:
        return Checkpoint.parse(Note.parse(_text(arguments.seen)).text)
    except TlogError as error:
        raise Unreadable(f"--seen: {error}") from None


def _text(path: Path) -> str:
    return from_bytes(_read(path, MAX_NOTE))


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            found = file.read(most + 1)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    if len(found) > most:
        raise Unreadable(f"{path}: too long")
    return found


def _say(value: dict[str, object], lines: Sequence[str], as_json: bool) -> None:
    if as_json:
        # json.dumps escapes non-ASCII and all control characters except DEL.
        sys.stdout.write(json.dumps(value).replace("\x7f", "\\u007f") + "\n")
    else:
        sys.stdout.write("".join(f"{terminal(line)}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
