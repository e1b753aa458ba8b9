"""Read what a run of a playbook said: which tasks change something, fail, or cannot be tried."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain import inert
from remediation.domain.observation import Observation
from remediation.domain.secrets.masking import mask_text
from remediation.executors.ansible_process import Ended

MOST_TASKS, MOST_LINES, MOST_LINE = 20, 60, 160
_BAD = ("failures", "unreachable")


@dataclass(frozen=True)
class Seen:
    """The results of one run."""

    hosts: Mapping[str, Mapping[str, int]]
    changed: tuple[Mapping[str, Any], ...]
    failed: tuple[Mapping[str, Any], ...]
    unchecked: tuple[Mapping[str, Any], ...]
    # Why it did not come to its own end; "" if it did.
    broken: str

    @property
    def bad_hosts(self) -> tuple[str, ...]:
        return tuple(h for h, said in self.hosts.items() if any(said.get(n) for n in _BAD))

    @property
    def is_clean(self) -> bool:
        """Return whether each host was reached and no task failed."""
        return bool(self.hosts) and not self.broken and not self.bad_hosts

    @property
    def digest(self) -> str:
        """Return the digest of all that changes, "" if nothing does. The order of hosts varies."""
        parts = sorted([str(o.get(n)) for n in ("host", "task", "digest")] for o in self.changed)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest() if parts else ""


def read(ended: Ended) -> Seen:
    results = [one for one in ended.events if one.get("event") != "stats"]
    refused = [one for one in results if one.get("event") == "refused"]
    stats = [one for one in ended.events if one.get("event") == "stats"]
    hosts = _hosts(stats[-1].get("hosts")) if stats else {}
    broken = ended.why
    if refused:
        broken = f"task {_text(refused[0].get('task'), 100)} sets check_mode: it was not begun"
    if not broken and not stats:
        broken = f"ansible-playbook ended with status {ended.code} and no results"
    if not broken and not hosts:
        broken = "the playbook runs on none of these hosts"
    if not broken and ended.code and not any(said.get(n) for said in hosts.values() for n in _BAD):
        broken = f"ansible-playbook ended with status {ended.code}"
    return Seen(
        hosts=hosts,
        changed=tuple(one for one in results if one.get("changed") and not one.get("unchecked")),
        failed=tuple(one for one in results if one.get("event") in ("failed", "unreachable")),
        unchecked=tuple(one for one in results if one.get("unchecked")),
        broken=broken,
    )


def observation(content: str, seen: Seen) -> Observation:
    """Return the check for people: each text is cut, and what looks like a secret is covered."""
    changes = seen.digest
    state: dict[str, Json] = {
        "content": content,
        "state": "pending" if changes or seen.unchecked else "in place",
        "changes": changes,
    }
    lines = [*_lines(seen)]
    more = len(lines) - MOST_LINES
    shown: dict[str, Json] = {
        "tasks": _named(seen.changed),
        "unchecked": _named(seen.unchecked),
        "failing": _named(seen.failed),
        "diff": [*lines[:MOST_LINES], *([f"… {more} lines more"] if more > 0 else [])],
    }
    return Observation(True, state, shown, simulated=False)


def why_not_clean(seen: Seen) -> str:
    """Return in words why a run is not clean; "" if it is."""
    if seen.broken:
        return seen.broken
    if not seen.bad_hosts:
        return ""
    good = len(seen.hosts) - len(seen.bad_hosts)
    names = ", ".join(_text(host, 60) for host in seen.bad_hosts[:5])
    return f"{len(seen.bad_hosts)} hosts failed or were not reached ({names}), {good} did not fail"


def counts(seen: Seen) -> dict[str, Json]:
    """Return the recap for the step record."""
    return {
        _text(host, 100): {
            name: int(said.get(name, 0)) for name in ("ok", "changed", *_BAD, "skipped")
        }
        for host, said in sorted(seen.hosts.items())[:50]
    }


def _hosts(found: object) -> dict[str, Mapping[str, int]]:
    if not isinstance(found, dict):
        return {}
    return {
        str(host): {str(n): v for n, v in said.items() if isinstance(v, int)}
        for host, said in found.items()
        if isinstance(said, dict)
    }


def _named(results: tuple[Mapping[str, Any], ...]) -> list[Json]:
    named = dict.fromkeys(
        f"{_text(one.get('host'), 60)}: {_text(one.get('task'), 100)}" for one in results
    )
    more = len(named) - MOST_TASKS
    return [*list(named)[:MOST_TASKS], *([f"… {more} more"] if more > 0 else [])]


def _lines(seen: Seen) -> Iterator[str]:
    """Yield the lines of all diffs. A secret is covered before lines are made and cut."""
    for one in seen.changed:
        yield f"{_text(one.get('host'), 60)}: {_text(one.get('task'), 90)}"
        diffs = one.get("diff")
        for diff in diffs if isinstance(diffs, list) else []:
            if isinstance(diff, dict):
                yield from _diff(diff)


def _diff(diff: Mapping[str, Any]) -> Iterator[str]:
    if "prepared" in diff:
        yield from (_text(line, MOST_LINE) for line in _covered(diff["prepared"]))
        return
    before, after = _covered(diff.get("before", "")), _covered(diff.get("after", ""))
    for line in [*difflib.unified_diff(before, after, lineterm="", n=1)][2:]:
        yield _text(line, MOST_LINE)


def _covered(text: object) -> list[str]:
    return mask_text(str(text)).splitlines()[:400]


def _text(value: object, most: int) -> str:
    return inert.noted(mask_text(str(value)[: 8 * most]), most)
