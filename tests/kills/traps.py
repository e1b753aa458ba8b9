"""What the campaign adds to a worker: shorter times, and places where it can be made to wait.

`celery worker -I tests.kills.traps` loads it before the pool forks. A trap is a file named after a
step and a place; while it exists, the process that comes there writes its id beside it and waits.
So a kill meets a real process at the place that was chosen, on a machine of any speed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial, wraps
from math import ceil
from pathlib import Path
from typing import Any

DIRECTORY = "KILLS_DIRECTORY"
LEASE = "KILLS_LEASE_S"
RUN_WITHIN = "KILLS_RUN_WITHIN_S"
LOOK_S = 0.01
# Parts of a lease, as in the product: 90 s of lease for 30 s of call, 5 s of margin and 5 s of a
# statement.
CALL, MARGIN, STATEMENT = 3, 10, 9
PRODUCTS_LEASE_S = 90


def trap(directory: Path, step: str, place: str) -> Path:
    """Return the file of a trap. ``step`` is `<proposal>-<index>` or the name of the role."""
    return directory / f"{step}.{place.replace(':', '-')}"


def here(of: Path) -> Path:
    """Return the file in which the waiting process writes its id."""
    return of.with_name(f"{of.name}.here")


def wait(step: str, place: str) -> None:
    """Wait while there is a trap that nobody is in: who takes over the run goes on."""
    found = trap(Path(os.environ[DIRECTORY]), step, place)
    written = here(found)
    if not found.exists() or written.exists():
        return
    draft = written.with_name(f"{written.name}.{os.getpid()}")
    draft.write_text(str(os.getpid()))
    draft.replace(written)
    while found.exists():
        time.sleep(LOOK_S)


def install() -> None:
    """Set the times, and put places around what the record and the target see."""
    from remediation.executors import postgres
    from remediation.services import transition
    from remediation.services.execution import record_step

    _shorten()
    setattr(record_step, "record", _around_record(record_step.record))  # noqa: B010
    setattr(transition, "move", _around_move(transition.move))  # noqa: B010
    for kind in (postgres.DisableRole, postgres.EnableRole):
        for name in ("apply", "verify", "rollback", "tighten"):
            setattr(kind, name, _around_call(name, getattr(kind, name)))


def _shorten() -> None:
    """Shorten the lease and what must fit into it, in the product's proportions."""
    from remediation.domain import policy
    from remediation.domain.catalogue.postgres_login import DISABLE, ENABLE
    from remediation.executors import postgres_session
    from remediation.services.execution import in_flight, lease

    seconds = float(os.environ[LEASE])
    setattr(lease, "LEASE_S", seconds)  # noqa: B010
    setattr(in_flight, "WATCH_S", seconds)  # noqa: B010
    setattr(lease, "MARGIN_S", seconds / MARGIN)  # noqa: B010
    setattr(postgres_session, "STATEMENT_SECONDS", seconds / STATEMENT)  # noqa: B010
    setattr(policy, "RUN_WITHIN_S", int(os.environ[RUN_WITHIN]))  # noqa: B010
    for spec in (DISABLE, ENABLE):
        object.__setattr__(spec, "hard_timeout_s", seconds / CALL)
        spreads = ceil(spec.propagation_s * seconds / PRODUCTS_LEASE_S)
        object.__setattr__(spec, "propagation_s", spreads)


def _around_record(real: Callable[..., Any]) -> Callable[..., Any]:
    from django.db import transaction

    @wraps(real)
    def record(actor: Any, execution: Any, step: int, phase: str, *rest: Any, **named: Any) -> Any:
        key = f"{execution.proposal_id}-{step}"
        wait(key, f"before:{phase}")
        found = real(actor, execution, step, phase, *rest, **named)
        # After the commit; the record of `intended` stands in a transaction of the caller.
        transaction.on_commit(partial(wait, key, f"after:{phase}"))
        return found

    return record


def _around_move(real: Callable[..., Any]) -> Callable[..., Any]:
    from django.db import transaction

    @wraps(real)
    def move(**named: Any) -> Any:
        ends = str(named["target"]) in ("succeeded", "failed", "stopped", "rolled_back", "unknown")
        key = f"{named['proposal_id']}-0"
        name = "end" if ends else "wait" if str(named["target"]) == "waiting" else ""
        if name:
            wait(key, f"before:{name}")
        found = real(**named)
        if name:
            transaction.on_commit(partial(wait, key, f"after:{name}"))
        return found

    return move


def _around_call(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(real)
    def call(self: Any, clearance: Any, step: Any, *rest: Any) -> Any:
        role = step.target.fields["role"]
        wait(role, f"before:{name}")
        found = real(self, clearance, step, *rest)
        wait(role, f"after:{name}")
        return found

    return call


if DIRECTORY in os.environ:
    install()
