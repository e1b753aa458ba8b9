"""Places in files, which refusals name."""

from __future__ import annotations

from dataclasses import dataclass, replace

from remediation.domain.errors import BadInput, BadValue
from remediation.domain.inert import visible


@dataclass(frozen=True)
class Place:
    """A file, a part of it ("document 3", "line 12"), and a path in that part."""

    file: str
    part: str = ""
    path: str = ""

    def below(self, key: str | int) -> Place:
        step = f"[{key}]" if isinstance(key, int) else f".{key}" if self.path else key
        return replace(self, path=self.path + step)

    def refusal(self, what: str, kind: type[BadInput] = BadValue) -> BadInput:
        """Return a refusal that names this place; text from the file is made inert."""
        return kind(f"{self}: {visible(what)}")

    def __str__(self) -> str:
        return visible(", ".join(part for part in (self.file, self.part, self.path) if part))
