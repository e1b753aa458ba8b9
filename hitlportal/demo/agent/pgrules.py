"""Rules over a role's sessions in a PostgreSQL server log.

In: a `pglog.Log`. Out: the sessions of each role, and the rules' observations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from hitlportal.demo.agent.pglog import Line, Log

# Roles that no plan may disable: the cluster's administrator, PostgreSQL's own roles, and the
# portal's logins on the target (the portal refuses such plans).
SPARED = re.compile(r"postgres|pg_.*|hitl_.*|\[unknown\]|", re.IGNORECASE)
ROLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$.-]{0,62}")
STATEMENT = re.compile(r"(?:statement|execute [^:]*): (.*)", re.DOTALL)
DENIED = re.compile(r"permission denied (?:for|to) (.*)")
HOST = re.compile(r"connection received: host=(\S+)")
APP = re.compile(r"application_name=(.*)$")
BAD_PASSWORD = re.compile(r"password authentication failed")
# Literals and comments do not show what a statement touches.
INERT_SQL = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class SqlRule:
    """A rule for single statements; the pattern is applied without literals and comments."""

    name: str
    weight: int
    pattern: re.Pattern[str]
    says: str


def sql(text: str) -> re.Pattern[str]:
    """Compile a pattern over SQL text."""
    return re.compile(text, re.IGNORECASE | re.DOTALL)


SQL_RULES = (
    SqlRule("program_run", 70, sql(r"\bcopy\b.*\b(to|from)\s+program\b"), "tried to run a program"),
    SqlRule(
        "server_files",
        50,
        sql(
            r"\b(pg_read_(binary_)?file|pg_ls_dir|lo_import|lo_export)\b|\bcopy\b.*\b(to|from)\s+''"
        ),
        "tried to reach files of the server",
    ),
    SqlRule(
        "password_hashes",
        50,
        sql(r"\b(pg_authid|pg_shadow)\b"),
        "asked for the password hashes of roles",
    ),
    SqlRule(
        "rights_raised",
        45,
        sql(r"^\s*(create|alter|drop)\s+(role|user|group)\b|^\s*set\s+session\s+authorization\b"),
        "tried to create or change roles",
    ),
    SqlRule("catalogue_read", 10, sql(r"\b(pg_roles|pg_user)\b"), "read the catalogue of roles"),
)


@dataclass
class Session:
    """One connection of a role: its address, application name and lines."""

    role: str
    host: str = ""
    app: str = ""
    opened: list[Line] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    entered: bool = False
    is_open: bool = False


@dataclass(frozen=True)
class Observation:
    """A rule's observation; ``says`` completes a sentence about the role."""

    rule: str
    weight: int
    says: str
    lines: tuple[Line, ...]


def by_role(log: Log) -> dict[str, list[Session]]:
    """Return the sessions of each role that may be disabled, in order."""
    open_now: dict[int, Session] = {}
    received: dict[int, Line] = {}
    roles: dict[str, list[Session]] = {}
    for line in log.lines:
        # Before a login the server knows no user; a caller cannot forge such a line.
        if line.user in ("", "[unknown]") and HOST.match(line.message):
            received[line.pid] = line
            open_now.pop(line.pid, None)
        elif not SPARED.fullmatch(line.user) and ROLE.fullmatch(line.user):
            session = open_now.get(line.pid)
            if session is None:
                session = _opened(line, received.get(line.pid))
                open_now[line.pid] = session
                roles.setdefault(line.user, []).append(session)
            _add(session, line)
    return roles


def _opened(line: Line, received: Line | None) -> Session:
    host = HOST.match(received.message) if received else None
    return Session(line.user, host=host[1] if host else "", opened=[received] if received else [])


def _add(session: Session, line: Line) -> None:
    if line.message.startswith("connection authorized"):
        named = APP.search(line.message)
        session.app = named[1] if named else ""
        session.opened.append(line)
        session.entered = session.is_open = True
    if line.severity == "FATAL" or line.message.startswith("disconnection"):
        session.is_open = False
    session.lines.append(line)


def observe(sessions: Sequence[Session]) -> list[Observation]:
    """Return all observations about one role."""
    seen = [*_statements(sessions), *_refused(sessions), *_guessed(sessions)]
    return seen + _new_client(sessions, seen) if seen else []


def _statements(sessions: Sequence[Session]) -> Iterator[Observation]:
    lines = [line for session in sessions for line in session.lines]
    for rule in SQL_RULES:
        hits = tuple(line for line in lines if rule.pattern.search(_sql_of(line)))
        if hits:
            yield Observation(rule.name, rule.weight, rule.says, hits)


def _sql_of(line: Line) -> str:
    """Return the statement in a line, without literals and comments; "" for other lines."""
    match = STATEMENT.match(line.message) if line.severity == "LOG" else None
    return INERT_SQL.sub("''", match[1]) if match else ""


def _refused(sessions: Sequence[Session]) -> Iterator[Observation]:
    """Observe refusals on several objects: somebody tries what the role may do."""
    first: dict[str, Line] = {}
    for line in (line for session in sessions for line in session.lines):
        match = DENIED.match(line.message) if line.severity == "ERROR" else None
        if match:
            first.setdefault(match[1], line)
    if len(first) >= 3:
        says = f"was refused {len(first)} different things"
        yield Observation("refusals", 35, says, tuple(first.values()))


def _guessed(sessions: Sequence[Session]) -> Iterator[Observation]:
    """Observe wrong passwords followed by the right one."""
    wrong: list[Line] = []
    for session in sessions:
        failed = [line for line in session.lines if BAD_PASSWORD.match(line.message)]
        wrong += failed
        if session.entered and len(wrong) >= 3:
            says = f"logged in after {len(wrong)} wrong passwords"
            yield Observation("password_guessed", 30, says, (*wrong, session.opened[-1]))
            return


def _new_client(sessions: Sequence[Session], seen: Sequence[Observation]) -> list[Observation]:
    """Observe suspicious lines under a new application name or from a new address."""
    suspicious = {id(line) for item in seen for line in item.lines}
    before: list[Session] = []
    for session in sessions:
        if not session.entered:
            continue
        if before and any(id(line) in suspicious for line in session.lines):
            news = [
                words
                for words, new in (
                    (f"as application {session.app!a}", session.app not in _of(before, "app")),
                    (f"from address {session.host}", session.host not in _of(before, "host")),
                )
                if new
            ]
            if news:
                lines = (*before[-1].opened[-1:], *session.opened)
                says = f"did this {' and '.join(news)}, which it never used before in this log"
                return [Observation("new_client", 25, says, lines)]
        before.append(session)
    return []


def _of(sessions: Iterable[Session], name: str) -> set[str]:
    return {getattr(session, name) for session in sessions}
