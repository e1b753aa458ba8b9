"""The result of a check, and the canonical record of all results that people sign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from audit.tlog.canonical import Json, encode
from remediation.domain import inert
from remediation.domain.catalogue.locators import escape, is_plain
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadValue
from remediation.domain.fields import Fields
from remediation.domain.strict import parse as parse_json

MAX_BYTES = 512 * 1024
# People read a reason, so it names only the first few findings and counts the rest.
SHOWN = 5
_QUOTED = 120


class Outcome(StrEnum):
    PASS = "pass"  # noqa: S105  a finding
    WARN = "warn"
    FAIL = "fail"
    NOT_READ = "not_read"  # no machine read what the check would have looked at


Result = tuple[Outcome, str]


@dataclass(frozen=True)
class Check:
    """One finding. A fail makes policy ask for more; the others are only shown."""

    name: str
    outcome: Outcome
    reason: str

    def to_json(self) -> dict[str, Json]:
        return {"name": self.name, "outcome": self.outcome.value, "reason": self.reason}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Check:
        source = Fields(value, at, required=("name", "outcome", "reason"))
        return cls(
            name=source.text("name", 100, least=1),
            outcome=Outcome(source.one_of("outcome", tuple(Outcome))),
            reason=source.text("reason", 20_000),
        )


def body(checks: tuple[Check, ...]) -> bytes:
    """Return the canonical record of the findings."""
    return encode({"checks": [check.to_json() for check in checks]})


def parse(raw: bytes) -> tuple[Check, ...]:
    """Parse stored findings. Raises BadInput unless they are canonical and well-formed."""
    source = Fields(parse_json(raw, max_bytes=MAX_BYTES), required=("checks",))
    checks = source.array("checks", Check.from_json, least=1, most=100)
    if body(checks) != raw:
        raise BadValue("the checks are not canonical")
    return checks


def checks_digest(raw: bytes) -> str:
    return digest(Kind.CHECKS, raw)


def verdict(failed: Sequence[str], passed: str, *, warned: Sequence[str] = ()) -> Result:
    """Return a fail (with `failed` before `warned`), a warning, or a pass with its sentence."""
    found = [*failed, *warned]
    if not found:
        return Outcome.PASS, passed
    rest = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    outcome = Outcome.FAIL if failed else Outcome.WARN
    return outcome, "; ".join(found[:SHOWN]) + rest


def listed(names: Sequence[str]) -> str:
    """Format the first few names, and the number of the others."""
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest


def quoted(text: str) -> str:
    """Quote untrusted text for a reason: short, on one line, hidden characters made visible."""
    line = inert.visible(" ".join(text.split()))
    return f"“{line[:_QUOTED]} […]”" if len(line) > _QUOTED else f"“{line}”"


def shown(name: str) -> str:
    """Return the free name of a target: as it is, or quoted and with its escaped form."""
    return name if is_plain(name) else f"{inert.quoted(name)} ({escape(name)})"
