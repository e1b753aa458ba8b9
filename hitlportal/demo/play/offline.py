"""Verify the evidence offline, with this checkout and two files only."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audit import verifier
from hitlportal import places
from hitlportal.demo.installation import Installation
from hitlportal.demo.settings import Settings, python

# Exit status and last line of `manage.py verify_evidence`.
HOLDS = (0, "HOLDS")
DOES_NOT_HOLD = (1, "DOES NOT HOLD")


@dataclass(frozen=True)
class Replay:
    """Runs `manage.py verify_evidence` with an empty environment in an unrelated directory."""

    approvers: Path
    origin: str
    policy: Path

    def result(self, evidence: Path) -> tuple[int, str]:
        """Return the exit status and the last line of the output."""
        trusted = (
            *("--approvers", self.approvers, "--rp-id", "localhost", "--origin", self.origin),
            *("--log-policy", self.policy),
        )
        done = subprocess.run(
            places.command("verify_evidence", evidence, *trusted),
            cwd=evidence.parent,
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, (done.stdout.strip().splitlines() or [""])[-1]


@dataclass(frozen=True)
class Verifier:
    """Runs the single file `audit-verify.pyz` with the standard library alone: no packages, an
    empty environment, an unrelated directory."""

    file: Path
    policy: Path

    @classmethod
    def build(cls, directory: Path, policy: Path) -> Verifier:
        made = directory / "audit-verify.pyz"
        verifier.build(made)
        return cls(made, policy)

    def result(self, what: Path, *more: str | Path) -> tuple[int, str]:
        """Return the exit status and the output's last line (its first on failure)."""
        done = subprocess.run(
            python("-I", "-S", self.file, "verify", what, "--policy", self.policy, *more),
            cwd=what.parent,
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        lines = done.stdout.strip().splitlines() or [""]
        return done.returncode, lines[-1] if done.returncode == 0 else lines[0]


def export(
    installation: Installation, settings: Settings, proposal: str, to: Path, *more: str
) -> None:
    """Write the evidence file to ``to``, as an operator of the worker's host."""
    installation.manage(
        *("export_evidence", proposal, "--output", str(to), *more),
        process="worker",
        environment=settings.worker(),
    )


def forgeries(evidence: Path) -> Iterator[tuple[str, Path]]:
    """Yield copies with one byte changed, and the changed place."""
    raw = evidence.read_bytes()
    plan = raw.index(json.dumps(json.loads(raw)["plan"]).encode())
    # A statement is JSON inside JSON, so its quotes are escaped.
    verdicts = raw.index(b'\\"verdicts\\":')
    spots = {
        "the plan": raw.index(b"production", plan),
        "a verdict": raw.index(b"yes", verdicts),
        "a signature": raw.index(b'"signature":"') + len('"signature":"'),
    }
    if b'"use":"moved"' in raw:
        # What the worker saw last before the run went on.
        spots["what was seen"] = raw.rindex(b'"consumers_moved"') + 1
    for place, spot in spots.items():
        copy = evidence.with_name(f"{evidence.stem}-{place.split()[-1]}.json")
        copy.write_bytes(raw[:spot] + bytes([raw[spot] ^ 1]) + raw[spot + 1 :])
        yield place, copy
