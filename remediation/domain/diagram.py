"""Lay out the scope as a drawing: positions of cards, and lines between them.

Pure geometry; the template writes the SVG.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from remediation.domain.scope import Scope, ScopeService, ScopeTarget

# A card with two lines of text, in units of the drawing.
WIDTH, HEIGHT, GAP_X, GAP_Y = 220, 52, 60, 14
# A drawing of more cards is unreadable; the table below it lists all.
MAX_DRAWN = 60
# The room beside a name: the rounded ends of a target's card, and the flag of a marked one.
EDGE, TARGET_EDGE, FLAG = 12, 20, 28


@dataclass(frozen=True)
class Node:
    """A card at (x, y). `kind` is target, direct or downstream. `marks` are words, because colour
    alone is not accessible."""

    key: str
    x: int
    y: int
    kind: str
    title: str
    line: str
    marks: tuple[str, ...]

    @property
    def left(self) -> int:
        """Return where its text begins."""
        return TARGET_EDGE if self.kind == "target" else EDGE

    @property
    def short(self) -> str:
        """Return as much of the name as fits; the table and the card's title have all of it."""
        return _fit(self.title, WIDTH - self.left - (FLAG if self.marks else self.left))

    @property
    def short_line(self) -> str:
        """Return as much of the second line as fits."""
        return _fit(self.line, WIDTH - 2 * self.left)


@dataclass(frozen=True)
class Edge:
    """A line from the right side of one card to the left side of another."""

    x1: int
    y1: int
    x2: int
    y2: int
    # Whether the inventory records this dependency; otherwise it is an indirect one.
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
    """Lay out the scope in columns by depth: targets, direct services, their dependents, and so on.

    ``edges`` are the inventory's pairs of service ids: (depended on, dependent).
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
        nodes[target.locator] = _target_node(target, top)
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


def _target_node(target: ScopeTarget, y: int) -> Node:
    # The last part of a locator tells a target from its neighbours.
    place, _, name = target.locator.partition(":")[2].rpartition("/")
    marks = () if target.known else ("not in the inventory",)
    return Node(target.locator, 0, y, "target", name, place or target.kind, marks)


def _fit(text: str, room: int) -> str:
    """Cut a text to the room, by the widths of letters in a usual font of 13 pixels."""
    used = 0.0
    for at, letter in enumerate(text):
        used += 4.5 if letter in "iljtf.,:;|'!()[] /-" else 7.4 if letter.islower() else 9.2
        if used > room:
            return f"{text[: max(1, at - 1)]}…"
    return text


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
        # Reached through a service that is not drawn, or that the inventory no longer has.
        if service.depth > 1 and service.id not in drawn and service.via in nodes:
            lines.append(_line(nodes[service.via], nodes[_key(service)], recorded=False))
    return lines


def _line(one: Node, two: Node, *, recorded: bool = True) -> Edge:
    return Edge(one.x + WIDTH, one.y + HEIGHT // 2, two.x, two.y + HEIGHT // 2, recorded)


def _key(service: ScopeService) -> str:
    return f"service-{service.id}"


def _weight(service: ScopeService) -> int:
    """Sort key: the most critical services first."""
    order = ("low", "medium", "high", "critical")
    marks = 4 * service.payment_path + 2 * service.external_partner
    return order.index(service.criticality) + marks


def _top(row: int, rows: int, tallest: int) -> int:
    """Return the y of a row; columns are centred beside the tallest one."""
    return (tallest - rows) * (HEIGHT + GAP_Y) // 2 + row * (HEIGHT + GAP_Y)
