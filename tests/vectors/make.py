"""Make the stored fixtures: one evidence file that holds, and one for each way it can fail.

Keys, times and signatures are fixed, so the same files come out every time. Run it as a module,
`python -m tests.vectors.make`, after a change of a format on purpose; a test compares the stored
files with what comes out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from audit.tlog.canonical import Json
from remediation.domain.digest import Kind, digest
from remediation.domain.halt.statement import HaltStatement, RunDecision
from tests.domain import halted, narrowed, record, waited
from tests.domain.flawed_owners import owners_story
from tests.domain.flawed_waits import go_on
from tests.domain.flaws import FLAWS
from tests.domain.story import Story, approvers

HERE = Path(__file__).parent

# Empty, the shortest object, and text outside ASCII with a character that JSON may escape.
LATER = (
    Kind.NARROWING,
    Kind.SEEN,
    Kind.ACT,
    Kind.ACT_INPUT,
)  # kinds that came after digest.json, each with a file of its own
V2 = (RunDecision.KEEP, RunDecision.UNDO, RunDecision.SETTLE)
BODIES = ("", "{}", '{"a":"ä\u2028"}')


def files() -> dict[str, bytes]:
    """Return every fixture by its file name."""
    return {
        "digest.json": _digests(kind for kind in Kind if kind not in LATER),
        **{f"digest_{kind.value}.json": _digests([kind]) for kind in LATER},
        "approvers.json": approvers().dump(),
        "log_policy.txt": record.POLICY.dump().encode(),
        "halt.json": _halt(RunDecision.HALT),
        **{f"halt_v2_{name}.json": _halt(name) for name in RunDecision if name in V2},
        **{f"halt_v3_{name}.json": _answer(name) for name in RunDecision if name.waits},
        "evidence_ok.json": Story().evidence().dump(),
        "evidence_v3_ok.json": owners_story().evidence().dump(),
        "evidence_v4_ok.json": waited.waited().dump(),
        "evidence_v4_go_on.json": go_on().dump(),
        "evidence_narrowed.json": narrowed.evidence().dump(),
        **{f"evidence_{name}.json": flaw.make().dump() for name, flaw in FLAWS.items()},
    }


def _digests(kinds: Iterable[Kind]) -> bytes:
    vectors = [
        {"kind": kind.value, "body": body, "digest": digest(kind, body.encode())}
        for kind in kinds
        for body in BODIES
    ]
    return json.dumps(vectors, indent=1).encode() + b"\n"


def _halt(decision: RunDecision) -> bytes:
    """alice's statement about a run: what she signed, its digest, and her passkey's answer."""
    composed = halted.statement(decision=decision)
    stored: dict[str, Json] = {
        "statement": composed.body().decode(),
        "digest": composed.digest,
        "assertion": halted.signed(composed).assertion.to_json(),
    }
    return json.dumps(stored, indent=1).encode() + b"\n"


def _answer(decision: RunDecision) -> bytes:
    """alice's answer to a wait: with what the page showed her."""
    plan = waited.a_rotation()
    signed = waited.says(plan, decision=decision)
    stored: dict[str, Json] = {
        "plan": plan.body.decode(),
        "digest": HaltStatement.parse(signed.statement).digest,
        "answer": signed.to_json(),
    }
    return json.dumps(stored, indent=1).encode() + b"\n"


def main() -> None:
    for name, content in files().items():
        (HERE / name).write_bytes(content)


if __name__ == "__main__":
    main()
