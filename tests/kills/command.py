"""Play a campaign in a process of its own, with servers and ports of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

# A run waits for conditions, never for luck; this is for a campaign that hangs.
PATIENCE_S = 600


def play(told: Path, *given: object) -> dict[str, object]:
    """Return what the command reports in the file ``told``."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.kills", *map(str, given), "--json", str(told)],
        cwd=Path(__file__).parents[2],
        env={name: text for name, text in os.environ.items() if not name.startswith("HITL_")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert told.exists(), done.stdout + done.stderr
    found: dict[str, object] = json.loads(told.read_text(encoding="utf-8"))
    return found
