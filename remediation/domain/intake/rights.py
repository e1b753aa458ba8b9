"""Read rights from CSV, strictly, with an error for each row that is not right.

    holder,right,on,name,change
    alice,review,team,payments,give
    group:oncall,see,environment,staging,give
    bob,review,service,orders,take

Comma, UTF-8, exactly these columns in any order; the last may be missing or empty, which gives. A
cell that a spreadsheet would execute is refused, as in tables.py.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from remediation.domain.errors import MalformedFile, TooManyKeys

COLUMNS = ("holder", "right", "on", "name")
OPTIONAL = "change"
# The words of the file, and the right's name.
RIGHTS: Mapping[str, str] = {"see": "view_service", "review": "review_service"}
KINDS = ("service", "team", "environment")
CHANGES = ("give", "take")
MAX_ROWS = 50_000
_LONGEST = 200
_GROUP = "group:"
# Not splitlines(), which splits at characters that are not a line break in CSV.
_ENDS = re.compile(r"[^\n]*\n|[^\n]+")
_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Asked:
    """One row: whom to give or take which right, on what."""

    line: int
    person: str
    group: str
    right: str
    kind: str
    name: str
    held: bool

    @property
    def holder(self) -> str:
        return _GROUP + self.group if self.group else self.person


@dataclass(frozen=True)
class Problem:
    """A row that cannot be done, and why."""

    line: int
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.why}"


def read(content: bytes, only: str = "") -> tuple[tuple[Asked, ...], tuple[Problem, ...]]:
    """Return the rows of a file and the problems of the others.

    With ``only``, one of CHANGES, each row must say that in `change`, or nothing and then means it.
    Raises MalformedFile where there is no table, and TooManyKeys for too many rows.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedFile(f"rights: not UTF-8 at byte {error.start}") from None
    reader = csv.reader(_ENDS.findall(text), strict=True)
    try:
        rows = list(_numbered(reader))
    except csv.Error as error:
        raise MalformedFile(f"rights, line {reader.line_num}: {error}") from None
    if not rows:
        raise MalformedFile("rights: the file is empty")
    header = rows[0][1]
    if len(set(header)) != len(header) or not set(COLUMNS) <= set(header) <= {*COLUMNS, OPTIONAL}:
        raise MalformedFile(
            f"rights, line 1: the columns are {', '.join(COLUMNS)}, and {OPTIONAL} if wanted"
        )
    found = [_row(line, header, cells, only) for line, cells in rows[1:]]
    return (
        tuple(row for row in found if isinstance(row, Asked)),
        tuple(row for row in found if isinstance(row, Problem)),
    )


def write(rows: Iterable[Sequence[str]]) -> str:
    """Return rows of the four columns as a file that `read` takes; see `runs`."""
    return "".join(",".join(map(_cell, row)) + "\n" for row in (COLUMNS, *rows))


def runs(row: Iterable[str]) -> bool:
    """Return whether a spreadsheet would run a cell of the row; `read` refuses such a row."""
    return any(cell.startswith(_RUN_BY_SPREADSHEETS) for cell in row)


def _cell(text: str) -> str:
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if set(text) & set(',"\r\n') else text


def _numbered(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    for count, cells in enumerate(reader):
        if count > MAX_ROWS:
            raise TooManyKeys(f"rights: more than {MAX_ROWS:,} rows")
        if cells:
            yield reader.line_num, [cell.strip() for cell in cells]  # type: ignore[attr-defined]


def _row(line: int, header: list[str], cells: list[str], only: str) -> Asked | Problem:
    if len(cells) != len(header):
        return Problem(line, f"{len(cells)} cells, the header has {len(header)}")
    row = {OPTIONAL: "", **dict(zip(header, cells, strict=True))}
    for column, cell in row.items():
        if len(cell) > _LONGEST or cell.startswith(_RUN_BY_SPREADSHEETS):
            return Problem(line, f"{column}: too long, or begins as a formula")
    for column in COLUMNS:
        if not row[column]:
            return Problem(line, f"{column} is empty")
    allowed = (("right", tuple(RIGHTS)), ("on", KINDS), (OPTIONAL, ("", *CHANGES)))
    for column, words in allowed:
        if row[column] not in words:
            return Problem(line, f"{column} is one of {', '.join(filter(None, words))}")
    change = row[OPTIONAL] or only or "give"
    if only and change != only:
        return Problem(line, f"{OPTIONAL} says {change}, not {only}")
    group = row["holder"].removeprefix(_GROUP) if row["holder"].startswith(_GROUP) else ""
    return Asked(
        line=line,
        person="" if group else row["holder"],
        group=group,
        right=RIGHTS[row["right"]],
        kind=row["on"],
        name=row["name"],
        held=change == "give",
    )
