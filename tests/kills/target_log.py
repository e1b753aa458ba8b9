"""Read the calls of hitl_ops functions from a PostgreSQL log. Pure.

The cluster logs with `log_statement = all` and `log_min_duration_statement = 0`: a line when a
statement begins, and one with its duration when it was carried out. Between that line and the
commit lie microseconds; a call counts as done only when its session wrote another line, or the
server lived on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from tests.kills.history import Call

LINE = re.compile(
    r"^(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) UTC \[(?P<pid>\d+)\]"
    r" user=(?P<user>\S*) db=\S* app=.*?"
    r"(?P<level>LOG|DETAIL|ERROR|FATAL|PANIC|WARNING|STATEMENT|HINT|CONTEXT):  (?P<text>.*)$"
)
CALL = re.compile(r"^execute \S+:\s+SELECT .*?hitl_ops\.(?P<verb>disable|enable|terminate)\(")
PARAMETER = re.compile(r"parameters: \$1 = '(?P<role>[^']*)'", re.IGNORECASE)
DONE = re.compile(r"^duration: [\d.]+ ms$")
# The server was killed and runs again: no session of before lives.
RESTARTED = "starting PostgreSQL"


class Reader:
    """The sessions of one log. Feed it messages in order."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._running: dict[int, int] = {}  # a session's call that is not done: its place in calls
        self._done: dict[int, int] = {}  # a session's call that is done, perhaps not committed

    def feed(self, message: str) -> None:
        found = LINE.match(message)
        if found is None:
            return
        pid, level, text = int(found["pid"]), found["level"], found["text"]
        if level == "LOG" and text.startswith(RESTARTED):
            self._all_lost()
        elif level == "DETAIL" and pid in self._running:
            self._name(pid, text)
        elif level in ("ERROR", "FATAL", "PANIC"):
            self._end(pid, effect=False)
        elif level == "LOG" and DONE.match(text):
            if pid in self._running:
                self._done[pid] = self._running.pop(pid)
        elif level == "LOG":
            self._end(pid, effect=None)
            self._begin(pid, found)

    def finish(self) -> list[Call]:
        """Return all calls, when the server lived to the end of the log."""
        for pid in list(self._done):
            self._commit(pid)
        return self.calls

    def _begin(self, pid: int, found: re.Match[str]) -> None:
        call = CALL.match(found["text"])
        if call is None:
            return
        moment = datetime.fromisoformat(f"{found['at']}+00:00").timestamp()
        self._running[pid] = len(self.calls)
        self.calls.append(Call(call["verb"], "", moment, None, found["user"]))

    def _name(self, pid: int, text: str) -> None:
        parameter = PARAMETER.search(text)
        place = self._running[pid]
        if parameter is not None and not self.calls[place].role:
            self.calls[place] = replace(self.calls[place], role=parameter["role"])

    def _end(self, pid: int, *, effect: bool | None) -> None:
        """Another line of this session: what was done is committed; what runs has this effect."""
        self._commit(pid)
        if effect is False and pid in self._running:
            place = self._running.pop(pid)
            self.calls[place] = replace(self.calls[place], effect=False)

    def _commit(self, pid: int) -> None:
        place = self._done.pop(pid, None)
        if place is not None:
            self.calls[place] = replace(self.calls[place], effect=True)

    def _all_lost(self) -> None:
        self._running.clear()
        self._done.clear()


def read(lines: Iterable[str]) -> tuple[Call, ...]:
    """Return the calls of a log, in the order in which they began."""
    reader = Reader()
    for message in messages(lines):
        reader.feed(message)
    return tuple(reader.finish())


def messages(lines: Iterable[str]) -> Iterator[str]:
    """Join the lines of each message: those after its first begin with a tab."""
    message = ""
    for line in lines:
        if line.startswith("\t"):
            message += " " + line.strip()
            continue
        yield message
        message = line.rstrip("\n")
    yield message
