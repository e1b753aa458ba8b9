"""Parse a PostgreSQL server log (stderr format or csvlog) into entries with user and message.

The stderr format is parsed with the cluster's ``log_line_prefix``. A caller controls its
application name and its statements; user, database and process can be trusted only if they come
before ``%a`` in the prefix. csvlog quotes everything and is exact.
Source: PostgreSQL manual, 19.8 "Error Reporting and Logging".
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PREFIX = "%m [%p] user=%u db=%d app=%a "
MAX_LOG_BYTES = 64 * 1024 * 1024
SEVERITIES = "DEBUG[1-5]|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|CONTEXT|STATEMENT"
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{3})? \S+"
ESCAPES = {
    "m": f"(?P<time>{STAMP})",
    "t": f"(?P<time>{STAMP})",
    "p": r"(?P<pid>\d+)",
    "u": r"(?P<user>\S*?)",
    "d": r"(?P<database>\S*?)",
    "a": r"(?P<app>.{0,63}?)",
    "q": "",
    "%": "%",
}
# csvlog columns, counted from 0.
TIME, USER, DATABASE, PID, SEVERITY, MESSAGE, APP = 0, 1, 2, 3, 11, 13, 22


class NotALog(Exception):
    """No line of the file has the form of the prefix or of csvlog."""


@dataclass(frozen=True)
class Line:
    """One entry of the log with its continuation lines: raw text and parsed parts."""

    number: int
    text: str
    time: str
    pid: int
    user: str
    database: str
    app: str
    severity: str
    message: str


@dataclass(frozen=True)
class Log:
    """A log file: its name, the digest of its bytes, its format, its entries."""

    name: str
    sha256: str
    prefix: str
    lines: tuple[Line, ...]


def read(path: Path, prefix: str = DEFAULT_PREFIX) -> Log:
    """Read the log in ``path``; ``prefix`` is the cluster's log_line_prefix. Raises NotALog."""
    with path.open("rb") as file:
        raw = file.read(MAX_LOG_BYTES + 1)
    if len(raw) > MAX_LOG_BYTES:
        raise NotALog(f"more than {MAX_LOG_BYTES} bytes")
    return parse(path.name, raw, prefix)


def parse(name: str, raw: bytes, prefix: str = DEFAULT_PREFIX) -> Log:
    """Parse the log in ``raw``; ``name`` decides between csvlog (``.csv``) and stderr format."""
    text = raw.decode("utf-8", "backslashreplace")
    is_csv = name.endswith(".csv")
    lines = tuple(_csv_lines(text) if is_csv else _stderr_lines(text, pattern_of(prefix)))
    if not lines:
        raise NotALog("no line has the expected form")
    return Log(name, hashlib.sha256(raw).hexdigest(), "csv" if is_csv else prefix, lines)


def pattern_of(prefix: str) -> re.Pattern[str]:
    """Turn a log_line_prefix into a regular expression with severity and message after it.

    Raises ValueError when the prefix does not contain process, user and database.
    """
    parts = []
    for escape, plain in re.findall(r"%-?\d*([a-zA-Z%])|([^%]+)", prefix):
        parts.append(re.escape(plain) if plain else ESCAPES.get(escape, r"\S*?"))
    for name in ("pid", "user", "database"):
        if f"(?P<{name}>" not in "".join(parts):
            raise ValueError(f"log_line_prefix does not contain the {name}")
    return re.compile(f"{''.join(parts)}(?P<severity>{SEVERITIES}):  (?P<message>.*)", re.DOTALL)


def _stderr_lines(text: str, pattern: re.Pattern[str]) -> Iterator[Line]:
    """Yield entries; the server indents continuation lines with a tab."""
    number, held = 0, list[str]()
    for at, line in enumerate(text.split("\n"), start=1):
        if line.startswith("\t") and held:
            held.append(line)
            continue
        yield from _stderr_line(number, "\n".join(held), pattern)
        number, held = at, [line]
    yield from _stderr_line(number, "\n".join(held), pattern)


def _stderr_line(number: int, text: str, pattern: re.Pattern[str]) -> Iterator[Line]:
    match = pattern.match(text)
    if match:
        found = match.groupdict("")
        yield Line(
            number,
            text,
            found.get("time", ""),
            int(found["pid"]),
            found["user"],
            found["database"],
            found.get("app", ""),
            found["severity"],
            found["message"].replace("\n\t", "\n"),
        )


def _csv_lines(text: str) -> Iterator[Line]:
    """Yield entries; a quoted value may span several lines."""
    number, held = 1, ""
    for at, line in enumerate(text.split("\n"), start=1):
        held += line + "\n"
        if held.count('"') % 2 == 0:
            yield from _csv_line(number, held)
            number, held = at + 1, ""


def _csv_line(number: int, held: str) -> Iterator[Line]:
    for row in csv.reader(io.StringIO(held, newline="")):
        if len(row) > APP and row[PID].isdigit():
            yield Line(
                number,
                held.rstrip("\n"),
                row[TIME],
                int(row[PID]),
                row[USER],
                row[DATABASE],
                row[APP],
                row[SEVERITY],
                row[MESSAGE],
            )
