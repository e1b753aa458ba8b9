"""Does the evidence hold for somebody who has this checkout, two files and nothing else?"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hitlportal.demo.installation import ROOT, Installation
from hitlportal.demo.settings import Settings, python

HOLDS, DOES_NOT_HOLD = 0, 1


@dataclass(frozen=True)
class Replay:
    """`manage.py verify_evidence`, run with an empty environment."""

    approvers: Path
    origin: str

    def status(self, evidence: Path) -> int:
        """Its exit status."""
        trusted = ("--approvers", self.approvers, "--rp-id", "localhost", "--origin", self.origin)
        done = subprocess.run(
            python(ROOT / "manage.py", "verify_evidence", evidence, *trusted),
            cwd=evidence.parent,
            env={},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return done.returncode


def export(installation: Installation, settings: Settings, proposal: str, to: Path) -> None:
    """Write the evidence file, as an operator of the worker's host."""
    installation.manage(
        *("export_evidence", proposal, "--output", str(to)),
        process="worker",
        environment=settings.worker(),
    )


def forgeries(evidence: Path) -> list[Path]:
    """Copies with one byte changed: in the plan, in a verdict, in a signature."""
    raw = evidence.read_bytes()
    value = json.loads(raw)
    # The bodies are JSON inside JSON, so their quotes are escaped.
    spots = (
        raw.index(json.dumps(value["plan"]).encode()) + len('"{\\"environment\\":\\"'),
        raw.index(b'\\"diagnosis\\":\\"yes') + len(b'\\"diagnosis\\":\\"'),
        raw.index(b'"signature":"') + len(b'"signature":"'),
    )
    made = []
    for number, spot in enumerate(spots, start=1):
        copy = evidence.with_name(f"{evidence.stem}-forged-{number}.json")
        copy.write_bytes(raw[:spot] + bytes([raw[spot] ^ 1]) + raw[spot + 1 :])
        made.append(copy)
    return made
