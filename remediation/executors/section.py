"""Read a table of the targets file with typed readers; refuse unknown keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from remediation.domain.errors import Refused
from remediation.domain.plan import ENVIRONMENTS

if TYPE_CHECKING:
    from remediation.domain.gate.gate import Clearance

T = TypeVar("T")
Table = Mapping[str, object]


class TargetsFileInvalid(Refused):
    """The targets file cannot be used."""


class Source(Protocol):
    """A store that gives a worker its credential at run time."""

    def fetch(self, clearance: Clearance | None) -> str:
        """Return the credential, with the operator's login if there is a clearance.

        Raises CredentialUnavailable or TargetUnobservable.
        """


@dataclass(frozen=True)
class Secret:
    """A secret value, the file with it, or its place in a store; its repr never shows the value."""

    file: Path | None
    value: str = ""
    source: Source | None = None

    def __repr__(self) -> str:
        return f"Secret({self.source or self.file or 'inline'})"

    def read(self, clearance: Clearance | None = None) -> str:
        """Return the value. Raises OSError, ValueError if it is not UTF-8, or as `Source.fetch`."""
        if self.source is not None:
            return self.source.fetch(clearance)
        return self.value if self.file is None else self.file.read_text(encoding="utf-8").strip()


class Section:
    """One table of the file; its typed readers record which keys were read."""

    def __init__(
        self,
        table: object,
        at: str,
        base: Path,
        source_of: Callable[[str], Source] | None = None,
    ) -> None:
        """`source_of` finds the place in a store that a text names; None: there are no stores."""
        if not isinstance(table, dict):
            raise TargetsFileInvalid(f"{at} must be a table")
        self._source_of = source_of
        self._table, self._at, self._base = table, at, base
        self._known: set[str] = set()

    def refuse_unknown(self) -> None:
        unknown = sorted(set(self._table) - self._known)
        if unknown:
            raise TargetsFileInvalid(f"{self._at}: unknown {', '.join(unknown)}")

    def section(self, name: str) -> Section:
        self._known.add(name)
        at = f"{self._at}: {name}"
        return Section(self._table.get(name, {}), at, self._base, self._source_of)

    def each(self, read: Callable[[Section, str], T]) -> Mapping[str, T]:
        """Read every entry as a table; refuse keys that `read` does not ask for."""
        return {name: self._read(name, read) for name in self.names()}

    def _read(self, name: str, read: Callable[[Section, str], T]) -> T:
        section = self.section(name)
        value = read(section, name)
        section.refuse_unknown()
        return value

    def names(self) -> Iterator[str]:
        return iter(self._table)

    def has(self, name: str) -> bool:
        return name in self._table

    def text(self, name: str) -> str:
        self._known.add(name)
        value = self._table.get(name)
        if not isinstance(value, str) or not value:
            raise TargetsFileInvalid(f"{self._at}: {name} must be a text")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts with at least one."""
        self._known.add(name)
        value = self._table.get(name)
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(one, str) and one for one in value)
        ):
            raise TargetsFileInvalid(f"{self._at}: {name} must be a list of texts")
        return tuple(value)

    def boolean(self, name: str) -> bool:
        self._known.add(name)
        value = self._table.get(name, False)
        if not isinstance(value, bool):
            raise TargetsFileInvalid(f"{self._at}: {name} must be true or false")
        return value

    def path(self, name: str) -> Path:
        return self._base / self.text(name)

    def tables(self, name: str) -> Mapping[str, Table]:
        return self.section(name).each(lambda section, _: section.whole())

    def whole(self) -> Table:
        self._known |= set(self._table)
        return self._table

    def environment(self) -> str:
        """Return the minimum environment of the section's targets; "" if it has none."""
        if not self.has("environment"):
            return ""
        value = self.text("environment")
        if value not in ENVIRONMENTS:
            raise TargetsFileInvalid(f"environment is one of {', '.join(ENVIRONMENTS)}")
        return value

    def secret(self, name: str) -> Secret:
        """Return a secret that is given inline or by file, but not both."""
        if self.has(f"{name}_from"):
            return self.secret_file(name)
        if self.has(name) == self.has(f"{name}_file"):
            raise TargetsFileInvalid(f"{self._at}: give one of {name} and {name}_file")
        return Secret(None, self.text(name)) if self.has(name) else self.secret_file(name)

    def secret_file(self, name: str) -> Secret:
        """Return a secret that is given by file, or by its place in a store (`name_from`)."""
        if self.has(f"{name}_from"):
            place = self.text(f"{name}_from")
            if self._source_of is None or self.has(name) or self.has(f"{name}_file"):
                raise TargetsFileInvalid(f"{self._at}: {name}_from cannot be used here")
            return Secret(None, source=self._source_of(place))
        return Secret(self.path(f"{name}_file"))
