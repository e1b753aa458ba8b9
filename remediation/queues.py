"""Name the broker's queues: one for each kind of work and environment (docs/attacks.md A72).

A worker that serves some environments takes from their queues only. That saves wrong messages; what
a worker may do, it asks at each claim (`services/outbox/serve.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

# As `domain/plan.py` has them; beat loads no domain.
ENVIRONMENTS = ("production", "staging", "development")
# Work that needs no credentials of a target has one queue for all environments.
EVERY = "all"
# Each task with its kind of work, by which processes divide them.
WORK = {
    "remediation.execute": "execute",
    "remediation.settle": "execute",
    "remediation.reconcile_one": "execute",
    "remediation.assess": "assess",
    # Sweep and expiry have their own queue, so that a flood of work cannot delay them.
    "remediation.sweep": "sweep",
    "remediation.expire": "sweep",
    "remediation.reconcile": "sweep",
    "remediation.look": "sweep",
    # A queue and a process of its own: a target that hangs delays no step and no look.
    "remediation.read_live": "live",
    # A queue of their own, so that a hanging mail server delays no execution or expiry.
    "remediation.notify": "record",
    "remediation.tell": "record",
    "remediation.deliver": "record",
    "remediation.ask_outcome": "record",
    "audit.verify": "record",
}
WITHOUT_TARGETS = frozenset(
    {"remediation.sweep", "remediation.expire"}
    | {task for task, kind in WORK.items() if kind == "record"}
)


def queue_of(task: str, environment: str = ENVIRONMENTS[0]) -> str:
    """Return the queue of a task, for the environment if the task works on targets."""
    return f"{WORK[task]}.{EVERY if task in WITHOUT_TARGETS else environment}"


def all_queues() -> list[str]:
    """Return the names of all queues."""
    return sorted({queue_of(task, each) for task in WORK for each in ENVIRONMENTS})


def kind_of(queue: str) -> str:
    """Return the kind of work of a queue: ``execute`` of ``execute.staging``."""
    return queue.partition(".")[0]


def kinds_of(queues: Iterable[str]) -> set[str]:
    """Return the kinds of work of these queues."""
    return {kind_of(queue) for queue in queues}


def served(kinds: Collection[str], environments: Collection[str]) -> list[str]:
    """Return the queues of these kinds of work (``--queues``) for a worker of these environments.

    A name that is a whole queue already stays as it is.
    """
    found = [
        queue
        for queue in all_queues()
        if kind_of(queue) in kinds and queue.partition(".")[2] in {EVERY, *environments}
    ]
    return sorted({*found, *(kind for kind in kinds if kind in all_queues())})
