"""The scope as a drawing: who stands where, and which lines lead from whom to whom. Pure geometry;
the template writes it as SVG.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from remediation.domain.scope import Scope, ScopeService

# A card with two lines of text, in units of the drawing.
WIDTH, HEIGHT, GAP_X, GAP_Y = 190, 52, 70, 14
# More cannot be read as a drawing; all of them stand in the table below it.
MAX_DRAWN = 60
# Characters that fit a card; the whole name is in the table, and in the card's title.
FITS = 24


@dataclass(frozen=True)
class Node:
    """A card at (x, y). `kind` is target, direct or downstream; `marks` are words, never colour
    alone."""

    key: str
    x: int
    y: int
    kind: str
    title: str
    line: str
    marks: tuple[str, ...]

    @property
    def short(self) -> str:
        return self.title if len(self.title) <= FITS else f"{self.title[: FITS - 1]}…"


@dataclass(frozen=True)
class Edge:
    """A line from the right side of one card to the left side of another."""

    x1: int
    y1: int
    x2: int
    y2: int
    # Which the inventory records; a line that is not recorded only says "somehow from here".
    recorded: bool = True

    @property
    def path(self) -> str:
        middle = (self.x1 + self.x2) // 2
        return f"M{self.x1} {self.y1}C{middle} {self.y1} {middle} {self.y2} {self.x2} {self.y2}"


@dataclass(frozen=True)
class Diagram:
    width: int
    height: int
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    left_out: int


def draw(scope: Scope, edges: Collection[tuple[int, int]]) -> Diagram:
    """Lay the scope out in columns by depth: targets, direct services, theirs, and so on.

    ``edges`` are pairs of service ids, (depended on, dependent), as the inventory has them.
    """
    nearest = {s.id: s for s in sorted(scope.services, key=lambda s: -s.depth)}
    ordered = sorted(nearest.values(), key=lambda s: (s.depth, -_weight(s), s.name))
    shown = ordered[:MAX_DRAWN]
    columns: dict[int, list[ScopeService]] = {}
    for service in shown:
        columns.setdefault(service.depth, []).append(service)
    first = len(scope.targets) + bool(scope.unknown)
    tallest = max([first, *(len(column) for column in columns.values())])
    nodes: dict[str, Node] = {}
    for row, target in enumerate(scope.targets):
        top = _top(row, first, tallest)
        nodes[target.locator] = Node(
            target.locator, 0, top, "target", target.locator.partition(":")[2],
            target.kind, () if target.known else ("not in the inventory",),
        )  # fmt: skip
    if scope.unknown:
        top, said = _top(first - 1, first, tallest), f"{len(scope.unknown)} in the list above"
        nodes["unknown"] = Node("unknown", 0, top, "unknown", "Not known", said, ())
    for place, depth in enumerate(sorted(columns), 1):
        for row, service in enumerate(columns[depth]):
            top = _top(row, len(columns[depth]), tallest)
            node = _service_node(service, place * (WIDTH + GAP_X), top)
            nodes[node.key] = node
    return Diagram(
        width=(len(columns) + 1) * (WIDTH + GAP_X) - GAP_X,
        height=tallest * (HEIGHT + GAP_Y) - GAP_Y,
        nodes=tuple(nodes.values()),
        edges=tuple(_edges(scope, shown, nodes, edges)),
        left_out=len(ordered) - len(shown),
    )


def _service_node(service: ScopeService, x: int, y: int) -> Node:
    words = {
        "payment path": service.payment_path,
        "partner": service.external_partner,
        "no owner": not service.owner_team,
    }
    return Node(
        key=_key(service),
        x=x,
        y=y,
        kind="direct" if service.depth == 1 else "downstream",
        title=service.name,
        line=f"{service.environment} · {service.criticality}",
        marks=tuple(word for word, applies in words.items() if applies),
    )


def _edges(
    scope: Scope,
    shown: list[ScopeService],
    nodes: Mapping[str, Node],
    recorded: Collection[tuple[int, int]],
) -> list[Edge]:
    by_id = {service.id: service for service in shown}
    lines = [
        _line(nodes[s.via], nodes[_key(s)])
        for s in scope.services
        if s.depth == 1 and s.via in nodes and s.id in by_id
    ]
    drawn = set()
    for below, above in sorted(set(recorded)):
        one, two = by_id.get(below), by_id.get(above)
        if one is not None and two is not None and one.depth < two.depth:
            lines.append(_line(nodes[_key(one)], nodes[_key(two)]))
            drawn.add(above)
    for service in shown:
        # Reached over something that is not drawn, or that the inventory no longer has.
        if service.depth > 1 and service.id not in drawn and service.via in nodes:
            lines.append(_line(nodes[service.via], nodes[_key(service)], recorded=False))
    return lines


def _line(one: Node, two: Node, *, recorded: bool = True) -> Edge:
    return Edge(one.x + WIDTH, one.y + HEIGHT // 2, two.x, two.y + HEIGHT // 2, recorded)


def _key(service: ScopeService) -> str:
    return f"service-{service.id}"


def _weight(service: ScopeService) -> int:
    """The gravest first."""
    order = ("low", "medium", "high", "critical")
    marks = 4 * service.payment_path + 2 * service.external_partner
    return order.index(service.criticality) + marks


def _top(row: int, rows: int, tallest: int) -> int:
    """Columns are centred beside the tallest one."""
    return (tallest - rows) * (HEIGHT + GAP_Y) // 2 + row * (HEIGHT + GAP_Y)
