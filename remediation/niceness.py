"""Let a process that works on what agents send give way to all others (docs/attacks.md A83).

Niceness counts only between processes of one scheduling group. Under systemd with `CPUWeight=` the
unit's weight decides, and the shipped unit of the assessor sets one. Where the kernel groups by
session (`sched_autogroup_enabled`), the session's own niceness decides, so it is set too. The
database's work for such a process is not covered.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

from remediation.queues import kinds_of

NICENESS = 10
# Queues whose work an agent can make as large as its reports.
FED_BY_AGENTS = frozenset({"assess"})
_GROUP = Path("/proc/self/autogroup")


def is_fed_by_agents(queues: Collection[str]) -> bool:
    """Return whether a worker of these queues does nothing else."""
    return bool(queues) and FED_BY_AGENTS.issuperset(kinds_of(queues))


def stand_back() -> None:
    """Lower this process's priority. It cannot be raised again, and children inherit it."""
    now = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, max(now, NICENESS))
    # A session that others share, such as a shell's, is left as it is.
    if os.getsid(0) in (os.getpid(), os.getppid()):
        with contextlib.suppress(OSError):
            _GROUP.write_text(str(NICENESS), "ascii")
