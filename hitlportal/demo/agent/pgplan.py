"""Draft the plan for a misused role: rotate its password where that can be delivered, else disable.

A rotation cuts first: the old password is in use by somebody else. The programs' open sessions go
on until each of them was seen on the new one; then every session of the old one ends, the
intruder's, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from hitlportal.demo.agent.pgrules import Observation, Session
from hitlportal.demo.agent.records import Json

# For the programs to move, before people are asked.
WITHIN_S = 30 * 60
DISABLES = (
    "Without login the role opens no new session, and its open ones are ended; grants and owned "
    "objects stay, and enabling the role undoes it."
)
ROTATES = (
    "{alive} use this role now, so disabling it would interrupt {them}. A new password goes to "
    "{place}, where they read it, and the old one is refused at once. Sessions that are open go on "
    "until each program that the inventory names was seen on the new password; then every session "
    "of the old one is ended, also those of whoever else holds one. A role has one password: from "
    "the change until a program has read the new one, its new sign-ins fail."
)


def proposal(
    target: dict[str, Json],
    sessions: Sequence[Session],
    seen: Sequence[Observation],
    environment: str,
    place: str,
) -> dict[str, Json]:
    """Return the proposal of a report; ``place`` is where the password is kept, or "".

    A plan of version 2 says order and wait; for a plain one version 1 is enough.
    """
    if not place:
        disable: Json = {
            "action": "postgres.role.disable", "target": dict(target), "parameters": {}
        }  # fmt: skip
        plan: Json = {"version": 1, "environment": environment, "steps": [disable]}
        return {"plan": plan, "rationale": DISABLES}
    moved: Json = {"condition": "consumers_moved", "step": 0}
    rotate: Json = {
        "action": "postgres.role.rotate_password",
        "target": dict(target),
        "parameters": {"store": place, "end_sessions": False},
        "wait": {"conditions": [moved], "person": False, "within_s": WITHIN_S},
    }
    end: Json = {
        "action": "postgres.role.end_sessions",
        "target": dict(target),
        "parameters": {"begun_before": {"made_by": 0, "name": "set_at"}},
    }
    return {
        "plan": {
            "version": 2,
            "environment": environment,
            "order": "cut_first",
            "steps": [rotate, end],
        },
        "rationale": ROTATES.format(place=place, **_alive(sessions, seen)),
    }


def _alive(sessions: Sequence[Session], seen: Sequence[Observation]) -> dict[str, str]:
    """Describe the programs with open sessions, without those that did what was observed.

    A program's name is its own word, so only their number is shown.
    """
    suspicious = {id(line) for item in seen for line in item.lines}
    names = {
        session.app
        for session in sessions
        if session.is_open and not any(id(line) in suspicious for line in session.lines)
    }
    if not names:
        return {"alive": "Programs may", "them": "them"}
    count = len(names)
    return {
        "alive": f"{count} programs" if count > 1 else "A program with open sessions may",
        "them": "them" if count > 1 else "it",
    }
