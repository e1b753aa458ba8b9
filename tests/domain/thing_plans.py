"""Plans on test things that make a token, wait until it is used, and retire the old one."""

from __future__ import annotations

from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.plan import Plan, parse

OLD = "tk-000000000000"
NEW = "tk-0123456789ab"
MOVED: dict[str, Json] = {"condition": "consumers_moved", "step": 0}
QUIET: dict[str, Json] = {"condition": "old_quiet", "step": 0}


def wait(*conditions: Json, person: bool = False, within_s: int = 3_600) -> dict[str, Json]:
    return {"conditions": list(conditions), "person": person, "within_s": within_s}


def made(step: int, name: str = "token_id") -> dict[str, Json]:
    return {"made_by": step, "name": name}


def thing(action: str, name: str = "one", **more: Json) -> dict[str, Json]:
    """One step: test.thing.ACTION on the thing NAME; `wait` is the step's, the rest parameters."""
    step: dict[str, Json] = {
        "action": f"test.thing.{action}",
        "target": {"kind": "test.thing", "name": name},
        "parameters": {key: value for key, value in more.items() if key != "wait"},
    }
    return {**step, "wait": more["wait"]} if "wait" in more else step


def make(name: str = "one", **more: Json) -> dict[str, Json]:
    return thing("make", name, store="file:one", **more)


def retire(name: str = "one", **more: Json) -> dict[str, Json]:
    return thing("retire", name, token_id=OLD, **more)


def restore(name: str = "one", **more: Json) -> dict[str, Json]:
    return thing("restore", name, token_id=OLD, **more)


def rotate(name: str = "one", **more: Json) -> dict[str, Json]:
    return thing("rotate", name, store="file:one", token_id=OLD, **more)


def second(*steps: Json, order: str = "move_first", **changes: Json) -> dict[str, Json]:
    """A plan of version 2."""
    return {
        "version": 2, "environment": "production", "order": order, "steps": list(steps), **changes
    }  # fmt: skip


# Make, wait until the consumers were seen on the new token, retire the old one.
def rotation(**changes: Json) -> dict[str, Json]:
    return second(make(wait=wait(MOVED)), retire(), **changes)


def parsed(value: Json, **options: Any) -> Plan:
    return parse(value, protected=frozenset(), allow_test=True, **options)
