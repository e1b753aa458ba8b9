"""Read CSV strictly: four tables, recognised by their header.

    service,owner_team,environment,criticality,payment_path,external_partner,retired
    identity,name,owner_team,environment,retired
    service,needs_service,needs_identity,present
    service,needs_identity,present,seen_as,period,takes_by

Comma, UTF-8, exactly these columns in any order. An empty cell states nothing. Booleans are ``yes``
and ``no``; a period is 0, 90s, 15m, 24h or 31d. A cell that a spreadsheet would execute (it begins
with ``= + - @``, a tab or a line break) is refused, so that accepted files are safe to open in a
spreadsheet (docs/attacks.md A52).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from remediation.domain.errors import BadInput, MalformedFile, MissingField, TooManyKeys
from remediation.domain.inert import quoted
from remediation.domain.intake.place import Place
from remediation.domain.intake.stated import (
    Edge,
    Options,
    Said,
    Stated,
    Use,
    criticality,
    environment,
    kind_of,
    maybe,
    period,
    takes_by,
    truth,
)

MAX_ROWS = 1_000_000
_LONGEST_CELL = 1_000
# Not splitlines(), which splits at characters that are not a line break in CSV.
_ENDS = re.compile(r"[^\n]*\n|[^\n]+")
_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class _Row:
    cells: Mapping[str, str]
    place: Place

    def text(self, column: str) -> str:
        return self.cells[column]

    def at(self, column: str) -> Place:
        return self.place.below(column)

    def need(self, column: str) -> str:
        if not self.cells[column]:
            raise self.at(column).refusal("empty", MissingField)
        return self.cells[column]


def _service(row: _Row, stated: Stated) -> None:
    name = row.need("service")
    _once(name, stated.services, row)
    said = Said(
        owner_team=row.text("owner_team") or None,
        environment=maybe(row.text("environment"), environment, row.at("environment")),
        criticality=maybe(row.text("criticality"), criticality, row.at("criticality")),
        payment_path=maybe(row.text("payment_path"), truth, row.at("payment_path")),
        external_partner=maybe(row.text("external_partner"), truth, row.at("external_partner")),
        retired=maybe(row.text("retired"), truth, row.at("retired")),
    )
    stated.service(name, said, row.place)


def _identity(row: _Row, stated: Stated) -> None:
    locator = row.need("identity")
    kind_of(locator, row.at("identity"))
    _once(locator, stated.identities, row)
    said = Said(
        name=row.text("name") or None,
        owner_team=row.text("owner_team") or None,
        environment=maybe(row.text("environment"), environment, row.at("environment")),
        retired=maybe(row.text("retired"), truth, row.at("retired")),
    )
    stated.identity(locator, said, row.place)


def _dependency(row: _Row, stated: Stated) -> None:
    source, service, identity = (
        row.need("service"), row.text("needs_service"), row.text("needs_identity"),
    )  # fmt: skip
    if bool(service) == bool(identity):
        raise row.place.refusal("name a service or an identity that it needs, not both")
    if source == service:
        raise row.place.refusal("a service does not depend on itself")
    if identity:
        kind_of(identity, row.at("needs_identity"))
    present = maybe(row.text("present"), truth, row.at("present"))
    edge = Edge(source, service, identity, present is not False, place=row.place)
    _once(edge.key, stated.edges, row)
    stated.edge(edge)


def _consumer(row: _Row, stated: Stated) -> None:
    source, identity = row.need("service"), row.need("needs_identity")
    kind_of(identity, row.at("needs_identity"))
    present = maybe(row.text("present"), truth, row.at("present"))
    use = Use(
        seen_as=row.text("seen_as") or None,
        period_s=maybe(row.text("period"), period, row.at("period")),
        takes_by=maybe(row.text("takes_by"), takes_by, row.at("takes_by")),
    )
    edge = Edge(source, "", identity, present is not False, place=row.place, use=use)
    _once(edge.key, stated.edges, row)
    stated.edge(edge)


_TABLES: Mapping[frozenset[str], Callable[[_Row, Stated], None]] = {
    frozenset(
        {
            *("service", "owner_team", "environment", "criticality", "payment_path"),
            *("external_partner", "retired"),
        }
    ): _service,
    frozenset({"identity", "name", "owner_team", "environment", "retired"}): _identity,
    frozenset({"service", "needs_service", "needs_identity", "present"}): _dependency,
    frozenset({"service", "needs_identity", "present", "seen_as", "period", "takes_by"}): _consumer,
}


def read(files: list[tuple[str, str]], options: Options) -> Stated:
    """Return what the tables (name, text) state. Raises BadInput with file, line and column."""
    stated = Stated()
    for name, text in files:
        lines = _lines(name, text)
        header, place = next(lines, ([], Place(name)))
        take = _TABLES.get(frozenset(header))
        if take is None or len(set(header)) != len(header):
            raise _other_header(header, place)
        for cells, place in lines:
            if len(cells) != len(header):
                raise place.refusal(
                    f"{len(cells)} cells, the header has {len(header)}", MalformedFile
                )
            take(_Row(dict(zip(header, cells, strict=True)), place), stated)
    return stated


def _other_header(header: list[str], place: Place) -> BadInput:
    """Return the refusal of a header: what is wrong in it, compared with the nearest table's."""
    if not header:
        return place.refusal(f"there is no header. Expected one of: {_headers()}", MalformedFile)
    nearest = max(_TABLES, key=lambda known: len(known & set(header)))
    unknown = [name for name in dict.fromkeys(header) if name not in nearest]
    missing = sorted(nearest - set(header))
    twice = sorted({name for name in header if header.count(name) > 1})
    wrong = [
        f"{what} {', '.join(quoted(name[:60]) for name in names[:5])}"
        for what, names in (
            ("unknown columns:", unknown),
            ("missing columns:", missing),
            ("columns that occur twice:", twice),
        )
        if names
    ]
    return place.refusal(f"{'; '.join(wrong)}. Expected one of: {_headers()}", MalformedFile)


def _headers() -> str:
    return " or ".join(sorted(",".join(sorted(one)) for one in _TABLES))


def _lines(name: str, text: str) -> Iterator[tuple[list[str], Place]]:
    if "\0" in text:
        raise Place(name).refusal("it holds a NUL", MalformedFile)
    rows = csv.reader(_ENDS.findall(text), strict=True)
    count = 0
    while True:
        try:
            cells = next(rows, None)
        except csv.Error as problem:
            raise Place(name, f"line {rows.line_num}").refusal(
                str(problem), MalformedFile
            ) from None
        if cells is None:
            return
        if not cells:
            continue
        place, count = Place(name, f"line {rows.line_num}"), count + 1
        if count > MAX_ROWS:
            raise place.refusal(f"more than {MAX_ROWS:,} rows", TooManyKeys)
        for cell in cells:
            _check(cell, place)
        yield cells, place


def _check(cell: str, place: Place) -> None:
    if cell.startswith(_RUN_BY_SPREADSHEETS):
        raise place.refusal(f"a cell begins with {cell[0]!r}, which a spreadsheet would run")
    if len(cell) > _LONGEST_CELL:
        raise place.refusal(f"a cell has more than {_LONGEST_CELL:,} characters")


def _once(key: object, known: Mapping[Any, Any], row: _Row) -> None:
    if key in known:
        before = known[key]
        where = before.place if isinstance(before, Edge) else before[1]
        raise row.place.refusal(f"{where} speaks of it already")
