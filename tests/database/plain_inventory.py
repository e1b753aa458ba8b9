"""A plain second implementation of the inventory's 24 hours and 7 days rules.

Reads the whole inventory into memory and checks every version. `scope_v1` and `excluded_v1`
use indexes; test_scale_same.py compares the results.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

ENVIRONMENTS = ("development", "staging", "production")
CRITICALITIES = ("low", "medium", "high", "critical")
Row = Mapping[str, Any]
DAY, WEEK = timedelta(hours=24), timedelta(days=7)


def _read(table: str) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM remediation_{table} ORDER BY id")
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _in_force(versions: list[Row], since: datetime) -> list[Row]:
    """Return the versions recorded after `since`, and the newest one before."""
    older = [version for version in versions if version["recorded_at"] <= since]
    return older[-1:] + [v for v in versions if v["id"] > (older[-1]["id"] if older else 0)]


def _strictest(values: Iterable[str], order: tuple[str, ...]) -> str | None:
    return max(values, key=order.index, default=None)


@dataclass
class Inventory:
    now: datetime
    services: dict[int, Row]
    identities: dict[str, Row]
    edges: list[Row]
    _versions: dict[str, list[Row]]

    @classmethod
    def read(cls) -> Inventory:
        with connection.cursor() as cursor:
            cursor.execute("SELECT now()")
            (now,) = cursor.fetchone()
        return cls(
            now,
            {row["id"]: row for row in _read("service")},
            {row["locator"]: row for row in _read("identity")},
            _read("dependency"),
            {kind: _read(f"{kind}version") for kind in ("service", "identity", "dependency")},
        )

    def versions(self, kind: str, pk: int) -> list[Row]:
        return [row for row in self._versions[kind] if row[f"{kind}_id"] == pk]

    def recent(self, kind: str, pk: int, span: timedelta = DAY) -> list[Row]:
        return _in_force(self.versions(kind, pk), self.now - span)

    # ---- scope ----------------------------------------------------------------------------------

    def scope(self, locators: list[str], max_depth: int, most: int) -> list[tuple[Any, ...]]:
        targets = list(enumerate(locators, start=1))
        near = sorted(
            (depth, service, place)
            for place, locator in targets
            for depth, service in self._reach(locator, max_depth, most)
        )[:most]
        rows = []
        for place, locator in targets:
            mine = [(depth, service) for depth, service, at in near if at == place]
            for depth, service in mine or [(None, None)]:
                rows.append((place, *self._target(locator), *self._service(service, depth)))
        return sorted(rows, key=lambda row: (row[0], row[8] or 0, row[7] or "", row[6] or 0))

    def _lives(self, service: int) -> bool:
        versions = self.versions("service", service)
        return not versions or any(not v["retired"] for v in self.recent("service", service))

    def _users(self, column: str, of: set[int]) -> set[int]:
        """Return the services that are not retired and have an edge to one of these."""
        return {
            edge["source_id"]
            for edge in self.edges
            if edge[column] in of
            and any(v["present"] for v in self.recent("dependency", edge["id"]))
            and self._lives(edge["source_id"])
        }

    def _reach(self, locator: str, max_depth: int, most: int) -> list[tuple[int, int]]:
        identity = self.identities.get(locator)
        found = self._users("identity_id", {identity["id"]}) if identity else set()
        seen, depth, steps = set(found), 1, [(1, service) for service in found]
        while found and depth <= max_depth and len(seen) < most:
            found = self._users("service_id", found) - seen
            seen, depth = seen | found, depth + 1
            steps += [(depth, service) for service in found]
        return steps

    def _target(self, locator: str) -> tuple[Any, ...]:
        identity = self.identities.get(locator)
        if identity is None:
            return None, "", False, True, True
        recent = self.recent("identity", identity["id"])
        return (
            _strictest((v["environment"] for v in recent), ENVIRONMENTS),
            recent[-1]["owner_team"] if recent else "",
            any(v["retired"] for v in recent),
            not any(v["recorded_at"] <= self.now - DAY for v in recent),
            not any(self._was_used(edge) for edge in self._edges_to(identity["id"])),
        )

    def _edges_to(self, identity: int) -> list[Row]:
        return [edge for edge in self.edges if edge["identity_id"] == identity]

    def _was_used(self, edge: Row) -> bool:
        """All of the 24 hours, by a living service, and not only because a reviewer says so."""
        recent = self.recent("dependency", edge["id"])
        return (
            any(v["recorded_at"] <= self.now - DAY for v in recent)
            and all(v["present"] and not v["by_reviewer"] for v in recent)
            and not any(v["retired"] for v in self.recent("service", edge["source_id"]))
        )

    def _service(self, pk: int | None, depth: int | None) -> tuple[Any, ...]:
        if pk is None:
            return None, None, None, "production", "critical", True, True, "", True, False, True
        recent, service = self.recent("service", pk), self.services[pk]
        old = self.now - DAY
        settled = any(v["recorded_at"] <= old for v in recent)
        return (
            pk,
            service["name"],
            depth,
            _strictest((v["environment"] for v in recent), ENVIRONMENTS) or "production",
            _strictest((v["criticality"] for v in recent), CRITICALITIES) or "critical",
            any(v["payment_path"] for v in recent) or not recent,
            any(v["external_partner"] for v in recent) or not recent,
            recent[-1]["owner_team"] if recent else "",
            any(v["owner_team"] == "" for v in recent) or not recent,
            any(v["retired"] for v in recent),
            not recent or (service["recorded_at"] <= old and not settled),
        )

    # ---- who loosened it ------------------------------------------------------------------------

    def loosened_by(self, locator: str, assessed: set[int]) -> set[str]:
        """Return people who loosened something with a version of the last 7 days."""
        identity = self.identities[locator]["id"]
        services = assessed | self._touched(identity)
        pairs = [
            *(pair for pk in services for pair in self._pairs("service", pk) if _less(*pair)),
            *(pair for pair in self._pairs("identity", identity) if _less(*pair)),
        ]
        for edge in self.edges:
            changes = self._pairs("dependency", edge["id"])
            if {edge["source_id"], edge["service_id"]} & services:
                pairs += [(o, v) for o, v in changes if o and o["present"] and not v["present"]]
            if edge["identity_id"] == identity:
                pairs += [(o, v) for o, v in changes if _less_unknown(o, v)]
        authors = {str(new["author"]) for _, new in pairs}
        return {a.removeprefix("person:") for a in authors if a.startswith("person:")}

    def _touched(self, identity: int) -> set[int]:
        """Return services that needed it in the last 7 days, at any distance, retired or not."""
        edges = [
            edge
            for edge in self.edges
            if any(v["present"] for v in self.recent("dependency", edge["id"], WEEK))
        ]
        found = {edge["source_id"] for edge in edges if edge["identity_id"] == identity}
        while more := {e["source_id"] for e in edges if e["service_id"] in found} - found:
            found |= more
        return found

    def _pairs(self, kind: str, pk: int) -> list[tuple[Row | None, Row]]:
        """Yield each version of the last 7 days with the one before it."""
        versions = self.versions(kind, pk)
        before: list[Row | None] = [None, *versions]
        return [
            (old, new)
            for old, new in zip(before, versions, strict=False)
            if new["recorded_at"] > self.now - WEEK
        ]


def _less(old: Row | None, new: Row) -> bool:
    """Of a service or an identity."""
    if old is None or old["retired"] != new["retired"]:
        return True
    if "criticality" not in new:
        return ENVIRONMENTS.index(new["environment"]) < ENVIRONMENTS.index(old["environment"])
    # A service that moves gives others the right to decide.
    if any(new[name] != old[name] for name in ("environment", "owner_team")):
        return True
    return (
        CRITICALITIES.index(new["criticality"]) < CRITICALITIES.index(old["criticality"])
        or new["payment_path"] < old["payment_path"]
        or new["external_partner"] < old["external_partner"]
        or (old["owner_team"] == "" and new["owner_team"] != "")
    )


def _less_unknown(old: Row | None, new: Row) -> bool:
    """Of an edge to the identity: it came, it went, or what a reviewer said was confirmed."""
    if old is None or old["present"] != new["present"]:
        return bool(new["present"] or (old and old["present"]))
    return bool(new["present"] and old["by_reviewer"] and not new["by_reviewer"])
