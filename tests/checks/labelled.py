"""The whole labelled set, and its labels as they are stored (`python -m tests.checks.labelled`)."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from hitlportal.demo.agent.records import canonical
from tests.checks.flaws import TARGET_FLAWS
from tests.checks.left_flaws import LEFT_FLAWS
from tests.checks.more_flaws import TOLD_FLAWS
from tests.checks.right import RIGHT
from tests.checks.sample import Sample

FLAWED: tuple[Sample, ...] = TARGET_FLAWS + TOLD_FLAWS + LEFT_FLAWS
LABELS = Path(__file__).parent / "labels.json"


def labels() -> bytes:
    """Return each proposal's label and the digest of its report."""
    rows = [
        {
            "name": sample.name,
            "flaw": sample.flaw,
            "honest": sorted(sample.honest),
            "hard": sample.hard,
            "report": sha256(canonical(sample.make().report)).hexdigest(),
        }
        for sample in RIGHT + FLAWED
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False).encode() + b"\n"


if __name__ == "__main__":
    LABELS.write_bytes(labels())
