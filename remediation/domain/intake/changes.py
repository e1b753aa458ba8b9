"""Compare files with the inventory before anything is written.

An attribute that a file does not state keeps its value; in a new object it gets the strictest one.
Loosening changes are marked by the same rules as in `remediation.loosened_v2` (sql/inventory.sql):
a person who loosens something cannot approve what depends on it for 7 days (promise 4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TypeAlias

from audit.tlog.canonical import Json, encode
from remediation.domain.intake.place import Place
from remediation.domain.intake.stated import (
    CRITICALITIES,
    ENVIRONMENTS,
    NOWHERE,
    Edge,
    Options,
    Said,
    Stated,
)

Value: TypeAlias = "str | bool | int | None"
Facts = Mapping[str, Value]
SERVICE, IDENTITY, DEPENDENCY = "service", "identity", "dependency"

STRICTEST: Facts = {
    "owner_team": "",
    "environment": "production",
    "criticality": "critical",
    "payment_path": True,
    "external_partner": True,
    "retired": False,
}
_IDENTITY: Facts = {"name": "", "environment": "production", "owner_team": "", "retired": False}
# How a service uses an identity, if no file says it; a missing period counts as a long one
# (services/inventory/consumers.py).
_USE: Facts = {"seen_as": "", "period_s": None, "takes_by": ""}
# Policy reads these attributes, so the report says when no file states them.
_ASSUMED = ("environment", "criticality", "payment_path", "external_partner")


@dataclass(frozen=True)
class Known:
    """The current inventory: the facts of newest versions (None: an object without a version)."""

    services: Mapping[str, Facts | None]
    identities: Mapping[str, Facts | None]
    edges: Mapping[tuple[str, str, str], Facts]  # `present`, and of an identity its use

    def teams(self) -> frozenset[str]:
        rows = (*self.services.values(), *self.identities.values())
        return frozenset(str(facts["owner_team"]) for facts in rows if facts)


@dataclass(frozen=True)
class Change:
    """One object that would get a new version. `before` is None if it has none yet."""

    what: str
    name: str
    before: Facts | None
    after: Facts
    loosens: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    key: tuple[str, str, str] = ("", "", "")  # of a dependency
    place: Place = NOWHERE

    @property
    def differing(self) -> list[tuple[str, Value, Value]]:
        """Return changed attributes with their values before and after; none for a new object."""
        before = self.before or {}
        return [
            (name, before[name], value)
            for name, value in self.after.items()
            if name in before and before[name] != value
        ]

    def to_json(self) -> dict[str, Json]:
        before: Json = {**self.before} if self.before is not None else None
        return {"what": self.what, "name": self.name, "before": before, "after": {**self.after}}


@dataclass(frozen=True)
class ChangeSet:
    """All changes of an import, and notes for the person who confirms it."""

    changes: tuple[Change, ...] = ()
    unchanged: int = 0
    # In the inventory but not in the files; unchanged unless the files are complete.
    missing_services: tuple[str, ...] = ()
    missing_edges: tuple[str, ...] = ()
    unowned: tuple[str, ...] = ()
    unknown_teams: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def added(self, what: str = "") -> list[Change]:
        return [c for c in self.changes if c.before is None and what in ("", c.what)]

    def changed(self) -> list[Change]:
        return [c for c in self.changes if c.before is not None]

    def loosening(self) -> list[Change]:
        """Return the changes of existing objects after which policy may ask for less."""
        return [c for c in self.changed() if c.loosens]

    def digest(self, source: Json) -> str:
        """Return the digest that a person confirms: of every change and its source."""
        rows: list[Json] = [change.to_json() for change in self.changes]
        body = encode({"source": source, "changes": rows})
        return sha256(b"hitlportal/import/v1\0" + body).hexdigest()


def compare(stated: Stated, known: Known, options: Options) -> ChangeSet:
    """Return what applying the files would change.

    Raises BadValue for a dependency on a service or identity that neither the files nor the
    inventory have.
    """
    edges, unresolved = _resolved(stated, known)
    compared = (
        *_services(stated, known, options),
        *_identities(stated, known),
        *_edges(edges, known),
    )
    gone = [
        key
        for key, facts in known.edges.items()
        if facts["present"] and key[1] and key[0] in stated.services and key not in edges
    ]
    missing = [
        name
        for name, facts in known.services.items()
        if name not in stated.services and not (facts and facts["retired"])
    ]
    dropped = _dropped(missing, gone, known) if options.complete else ()
    changes = tuple(one for one in compared if one.before != one.after)
    unowned, strangers = _owners(stated, known, compared)
    return ChangeSet(
        changes=(*changes, *dropped),
        unchanged=len(compared) - len(changes),
        missing_services=tuple(sorted(missing)),
        missing_edges=tuple(sorted(edge_name(key) for key in gone)),
        unowned=unowned,
        unknown_teams=strangers,
        unresolved=tuple(unresolved),
        remarks=tuple(stated.remarks),
    )


def edge_name(key: tuple[str, str, str]) -> str:
    return f"{key[0]} → {key[1] or key[2]}"


# ---- objects -------------------------------------------------------------------------------------


def _services(stated: Stated, known: Known, options: Options) -> Iterator[Change]:
    fallback = {**STRICTEST, "environment": options.environment or STRICTEST["environment"]}
    for name, (said, place) in stated.services.items():
        before = known.services.get(name)
        if options.complete and said.retired is None:
            said = replace(said, retired=False)
        yield _object(SERVICE, name, said, place, before, fallback)


def _identities(stated: Stated, known: Known) -> Iterator[Change]:
    for locator, (said, place) in stated.identities.items():
        yield _object(IDENTITY, locator, said, place, known.identities.get(locator), _IDENTITY)


def _object(
    what: str, name: str, said: Said, place: Place, before: Facts | None, fallback: Facts
) -> Change:
    given = {key: value for key, value in said.given().items() if key in fallback}
    after = {**(before or fallback), **given}
    assumed = tuple(key for key in _ASSUMED if key in fallback and key not in given)
    return Change(
        what,
        name,
        before,
        after,
        loosens=tuple(_loosened(before, after)) if before is not None else (),
        assumed=assumed if before is None else (),
        place=place,
    )


def _loosened(before: Facts, after: Facts) -> Iterator[str]:
    """Yield the attributes that became less strict, or by which other people decide."""
    service = "criticality" in before
    for name, order in (("environment", ENVIRONMENTS), ("criticality", CRITICALITIES)):
        if name in before and order.index(str(after[name])) < order.index(str(before[name])):
            yield name
    # Rights are given on environments and on owner teams, so a service that moves gives some.
    if service and ENVIRONMENTS.index(str(after["environment"])) > ENVIRONMENTS.index(
        str(before["environment"])
    ):
        yield "environment"
    for name in ("payment_path", "external_partner"):
        if name in before and before[name] and not after[name]:
            yield name
    if before["retired"] != after["retired"]:
        yield "retired"
    # Neither policy nor rights read an identity's owner.
    if service and before["owner_team"] != after["owner_team"]:
        yield "owner_team"


# ---- dependencies --------------------------------------------------------------------------------


def _resolved(stated: Stated, known: Known) -> tuple[dict[tuple[str, str, str], Edge], list[str]]:
    """Return the edges with known ends, and descriptions of those with an unknown end."""
    found: dict[tuple[str, str, str], Edge] = {}
    unresolved = []
    for key, edge in stated.edges.items():
        unknown = [
            name
            for name in (edge.source, edge.service)
            if name and name not in stated.services and name not in known.services
        ]
        identity = edge.identity
        if identity and identity not in stated.identities and identity not in known.identities:
            unknown.append(identity)
        if not unknown:
            found[key] = edge
        elif edge.named:
            unresolved.append(f"{edge_name(key)}: nothing known is called {unknown[0]}")
        else:
            raise edge.place.refusal(f"neither the files nor the inventory know {unknown[0]!r}")
    return found, unresolved


def _edges(edges: Mapping[tuple[str, str, str], Edge], known: Known) -> Iterator[Change]:
    for key, edge in edges.items():
        before = known.edges.get(key)
        if before is None and not edge.present:
            continue  # it does not exist, and should not
        if edge.service and edge.use.given():
            raise edge.place.refusal("only the use of an identity is seen and has a period")
        yield _edge(key, before, edge)


def _edge(key: tuple[str, str, str], before: Facts | None, edge: Edge) -> Change:
    use = {**{name: (before or _USE)[name] for name in _USE}, **edge.use.given()} if key[2] else {}
    after: Facts = {"present": edge.present, **use}
    return Change(
        DEPENDENCY,
        edge_name(key),
        before,
        after,
        loosens=() if before is None else tuple(_loosened_edge(key, before, after)),
        key=key,
        place=edge.place,
    )


def _loosened_edge(key: tuple[str, str, str], before: Facts, after: Facts) -> Iterator[str]:
    # A removed edge hides its source from the scope; a restored edge to an identity removes an
    # unknown.
    if before["present"] != after["present"] and (not after["present"] or key[2]):
        yield "present"
    if not (key[2] and before["present"] and after["present"]):
        return
    # A consumer that is sought under another name may be seen where it is not; a shorter period
    # shortens the time in which nobody may use the old credential.
    if before["seen_as"] != after["seen_as"]:
        yield "seen_as"
    old, new = before["period_s"], after["period_s"]
    if new is not None and (old is None or int(new) < int(old)):
        yield "period_s"


def _dropped(
    missing: list[str], gone: list[tuple[str, str, str]], known: Known
) -> tuple[Change, ...]:
    """Return the removals because the files are complete: services retire, their dependencies end.

    Identities, and dependencies on them, are removed only if a file says so by name.
    """
    place = Place("the files do not state it")
    retired = (
        _object(SERVICE, name, Said(retired=True), place, known.services[name], STRICTEST)
        for name in missing
    )
    ended = (_edge(key, known.edges[key], Edge(*key, present=False, place=place)) for key in gone)
    return (*retired, *ended)


# ---- owners --------------------------------------------------------------------------------------


def _owners(
    stated: Stated, known: Known, compared: tuple[Change, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the services without an owner, and the teams that are new."""
    services = [one for one in compared if one.what == SERVICE and not one.after["retired"]]
    unowned = sorted(one.name for one in services if not one.after["owner_team"])
    named = {str(one.after["owner_team"]) for one in services} - {""}
    return tuple(unowned), tuple(sorted(named - stated.teams - known.teams()))
