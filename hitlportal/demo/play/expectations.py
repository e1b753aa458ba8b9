"""Print one line per check: OK or FAIL, a number, and the observed value."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Checks:
    """Prints each check at once and keeps those that failed."""

    failed: list[str] = field(default_factory=list)

    def line(self, number: str, ok: bool, what: str, seen: object = "") -> None:
        """Print one line. ``seen`` is the observed value; it is always shown."""
        if not ok:
            self.failed.append(what)
        shown = f"  ({_plain(seen)})" if seen != "" else ""
        print(f"{'OK  ' if ok else 'FAIL'} {number:>3}  {what}{shown}", flush=True)

    def equal(self, number: str, what: str, seen: object, expected: object) -> None:
        """Print OK when ``seen`` equals ``expected``."""
        ok = seen == expected
        self.line(number, ok, what, seen if ok else f"{_plain(seen)}, not {_plain(expected)}")


def _plain(seen: object) -> str:
    if isinstance(seen, tuple | list):
        return ", ".join(str(part) for part in seen)
    return str(seen)
