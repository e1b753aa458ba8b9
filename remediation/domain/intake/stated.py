"""What files state: services, identities, and dependencies.

A file may leave out attributes (None). That never changes existing values; a new object gets the
strictest value, because missing inventory is risk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

from remediation.domain.catalogue import TARGETS
from remediation.domain.intake.node import Node
from remediation.domain.intake.place import Place

NOWHERE = Place("")
ENVIRONMENTS = ("development", "staging", "production")
CRITICALITIES = ("low", "medium", "high", "critical")
TAKES_BY = ("fetch", "reload", "restart", "deploy", "by_hand")
# A period is a whole number with its unit; 0 needs none.
_PERIOD = re.compile(r"(?P<number>[0-9]{1,8})(?P<unit>[smhd])|0")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
_MOST_PERIOD_S = 400 * 24 * 3600
_TRUE, _FALSE = frozenset({"yes", "true"}), frozenset({"no", "false"})


@dataclass(frozen=True)
class Options:
    """What the files cannot state.

    `environment` is for services without one in the files. With `complete` the files state all
    services, so that others are removed.
    """

    cluster: str = ""
    environment: str = ""
    complete: bool = False


@dataclass(frozen=True)
class Said:
    """The attributes of a service or identity that a file states."""

    owner_team: str | None = None
    environment: str | None = None
    criticality: str | None = None
    payment_path: bool | None = None
    external_partner: bool | None = None
    retired: bool | None = None
    name: str | None = None

    def given(self) -> dict[str, str | bool]:
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Use:
    """What a file states about how a service uses an identity (models.DependencyVersion)."""

    seen_as: str | None = None
    period_s: int | None = None
    takes_by: str | None = None

    def given(self) -> dict[str, str | int]:
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Edge:
    """`source` depends on a service, or on an identity (by locator).

    A `named` edge comes from an address or a reference. If its end is unknown, it is reported and
    not imported.
    """

    source: str
    service: str = ""
    identity: str = ""
    present: bool = True
    named: bool = False
    place: Place = NOWHERE
    use: Use = Use()

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.source, self.service, self.identity)


@dataclass
class Stated:
    """Everything that a set of files states. Readers add to it; contradictions are refused."""

    services: dict[str, tuple[Said, Place]] = field(default_factory=dict)
    identities: dict[str, tuple[Said, Place]] = field(default_factory=dict)
    edges: dict[tuple[str, str, str], Edge] = field(default_factory=dict)
    teams: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)

    def service(self, name: str, said: Said, place: Place) -> None:
        """Add a service. Raises BadValue if two files contradict each other."""
        _add(self.services, name, said, place)

    def identity(self, locator: str, said: Said, place: Place) -> None:
        _add(self.identities, locator, said, place)

    def uses(self, name: str, identities: list[tuple[str, Place]], use: Use = Use()) -> None:
        """Add a service's dependencies on identities, by their locators."""
        for locator, place in identities:
            kind_of(locator, place)
            self.identity(locator, Said(), place)
            self.edge(Edge(name, identity=locator, place=place, use=use))

    def edge(self, edge: Edge) -> None:
        """Add a dependency; ignores one of a service on itself. Raises BadValue if contradicted."""
        if edge.source == edge.service:
            return
        other = self.edges.get(edge.key)
        if other is not None and other.present != edge.present:
            raise edge.place.refusal(f"{other.place} says the opposite")
        if other is not None:
            edge = replace(edge, use=_merged(other, edge))
            other = replace(other, use=edge.use)
            self.edges[edge.key] = other
        if other is None or other.named:
            self.edges[edge.key] = edge


def _merged(one: Edge, other: Edge) -> Use:
    """Return what two edges state together. Raises BadValue if they contradict each other."""
    before, after = one.use.given(), other.use.given()
    for name in before.keys() & after.keys():
        if before[name] != after[name]:
            raise other.place.refusal(f"{name} is {after[name]!r} here, {one.place} differs")
    return replace(one.use, **after)  # type: ignore[arg-type]


def _add(into: dict[str, tuple[Said, Place]], key: str, said: Said, place: Place) -> None:
    if key not in into:
        into[key] = (said, place)
        return
    before, where = into[key]
    for name, value in said.given().items():
        other = getattr(before, name)
        if other is not None and other != value:
            raise place.refusal(f"{key} has {name} {value!r} here and {other!r} in {where}")
    into[key] = (replace(before, **said.given()), where)  # type: ignore[arg-type]


# ---- values as text ------------------------------------------------------------------------------


def environment(text: str, place: Place) -> str:
    return one_of(text, ENVIRONMENTS, place)


def criticality(text: str, place: Place) -> str:
    return one_of(text, CRITICALITIES, place)


def one_of(text: str, allowed: tuple[str, ...], place: Place) -> str:
    """Raises BadValue."""
    if text not in allowed:
        raise place.refusal(f"{text!r} is not one of {', '.join(allowed)}")
    return text


def truth(text: str, place: Place) -> bool:
    """Raises BadValue."""
    if text.lower() not in _TRUE | _FALSE:
        raise place.refusal(f"{text!r} is neither yes nor no")
    return text.lower() in _TRUE


def takes_by(text: str, place: Place) -> str:
    return one_of(text, TAKES_BY, place)


def period(text: str, place: Place) -> int:
    """Return a period in seconds. Raises BadValue."""
    found = _PERIOD.fullmatch(text)
    if found is None:
        raise place.refusal(f"{text!r} is not a time such as 0, 90s, 15m, 24h or 31d")
    seconds = int(found["number"] or 0) * _UNITS[found["unit"] or "s"]
    if seconds > _MOST_PERIOD_S:
        raise place.refusal(f"{text!r} is longer than {_MOST_PERIOD_S // 86400}d")
    return seconds


def write_period(seconds: int) -> str:
    """Return a period as `period` reads it, in its largest whole unit."""
    for unit, length in reversed(_UNITS.items()):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return "0"


def kind_of(locator: str, place: Place) -> str:
    """Return the kind that a locator begins with. Raises BadValue."""
    kind = locator.partition(":")[0]
    if kind not in TARGETS:
        raise place.refusal(f"{locator!r} begins with none of {', '.join(TARGETS)}")
    return kind


T = TypeVar("T")


def maybe(text: str, read: Callable[[str, Place], T], place: Place) -> T | None:
    """Read a value if it is not empty."""
    return read(text, place) if text else None


# ---- annotations ---------------------------------------------------------------------------------

# In annotations and labels of any format, `hitlportal/KEY`; compose also writes `hitlportal.KEY`.
PREFIX = "hitlportal"
_READERS: Mapping[str, tuple[str, Callable[[str, Place], object]]] = {
    "owner-team": ("owner_team", lambda text, place: text),
    "environment": ("environment", environment),
    "criticality": ("criticality", criticality),
    "payment-path": ("payment_path", truth),
    "external-partner": ("external_partner", truth),
}
IDENTITIES = "identities"
# About the use of all these identities.
_USES: Mapping[str, tuple[str, Callable[[str, Place], object]]] = {
    "seen-as": ("seen_as", lambda text, place: text),
    "period": ("period_s", period),
    "takes-by": ("takes_by", takes_by),
}


@dataclass(frozen=True)
class Annotated:
    """What annotations state about a service, and the identities that it depends on."""

    said: Said
    needs: list[tuple[str, Place]]
    use: Use


def annotated(node: Node, *keys: str) -> Annotated:
    """Return what annotations state about a service.

    Raises BadValue, also for an unknown key with our prefix, which may be a typing error.
    """
    said: dict[str, object] = {}
    use: dict[str, object] = {}
    needs: list[tuple[str, Place]] = []
    for key, value in node.items(*keys):
        if not key.startswith((f"{PREFIX}/", f"{PREFIX}.")):
            continue
        ours = key[len(PREFIX) + 1 :]
        if ours == IDENTITIES:
            needs += [(locator, value.place) for locator in value.text().split()]
        elif ours in _READERS:
            name, read = _READERS[ours]
            said[name] = read(value.text(), value.place)
        elif ours in _USES:
            name, read = _USES[ours]
            use[name] = read(value.text(), value.place)
        else:
            known = ", ".join((*_READERS, IDENTITIES, *_USES))
            raise value.refusal(f"after {PREFIX}/ comes one of {known}")
    return Annotated(Said(**said), needs, Use(**use))  # type: ignore[arg-type]
