"""Lines of a PostgreSQL server log, whole or split into fields by an agent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set

from remediation.domain.formats.body import Body, say
from remediation.domain.formats.form import Format

_ERROR = re.compile(r"(?:^|\s)(ERROR|FATAL|PANIC): +(.{0,120})")
_STATEMENT = ("statement:", "execute ")
_PROCESS = re.compile(r"\[(\d+)\]")


class ServerLog(Format):
    """A line is an object with ``user``, and ``message`` or ``text`` (the whole line)."""

    def is_record(self, names: Set[str], body: Body) -> bool:
        return "user" in names and bool(names & {"message", "text"})

    def time(self, body: Body) -> str:
        return say(body, "text")[:60]

    def user(self, body: Body) -> str:
        return say(body, "user")

    def message(self, body: Body) -> str:
        return say(body, "message") or say(body, "text")

    def acts(self, body: Body) -> bool:
        return self.message(body).startswith(_STATEMENT)

    def session(self, body: Body) -> str:
        found = _PROCESS.search(say(body, "text")[:100])
        return found[1] if found else ""

    def ends_session(self, body: Body) -> bool:
        text = say(body, "text")
        return self.message(body).startswith("disconnection") or "disconnection:" in text

    def error(self, body: Body) -> str | None:
        found = _ERROR.search(say(body, "text")[:400])
        return f"{found[1]}: {found[2]}" if found else None

    def late_errors(
        self, bodies: Sequence[tuple[str, Body]], errors: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Find errors in later lines: PostgreSQL writes an error after its statement."""
        open_now: dict[str, str] = {}
        refused: dict[str, str] = {}
        for pointer, body in bodies:
            process = self.session(body)
            if not process:
                continue
            if self.acts(body):
                open_now[process] = pointer
            elif errors[pointer] and process in open_now:
                refused[open_now.pop(process)] = errors[pointer]
        return refused
