"""A value of a document with its place, and typed access to its members."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from remediation.domain.errors import BadInput, MissingField, WrongType
from remediation.domain.intake.documents import Value
from remediation.domain.intake.place import Place


@dataclass(frozen=True)
class Node:
    """An existing value; a null counts as absent."""

    value: Value
    place: Place

    def get(self, *keys: str) -> Node | None:
        """Return the node below these keys, or None. Raises WrongType for a wrong parent."""
        node = self
        for key in keys:
            inner = node._mapping().get(key)
            if inner is None:
                return None
            node = Node(inner, node.place.below(key))
        return node

    def need(self, *keys: str) -> Node:
        """Return the node as `get` does. Raises MissingField if it does not exist."""
        found = self.get(*keys)
        if found is None:
            raise self.place.refusal(f"{'.'.join(keys)} is missing", MissingField)
        return found

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.refusal("not text", WrongType)
        return self.value

    def said(self, *keys: str, default: str = "") -> str:
        """Return the text below these keys, or the default."""
        found = self.get(*keys)
        return default if found is None else found.text()

    def items(self, *keys: str) -> Iterator[tuple[str, Node]]:
        """Yield the members of the mapping below these keys, if it exists."""
        found = self.get(*keys)
        if found is not None:
            for key, value in found._mapping().items():
                if value is not None:
                    yield key, Node(value, found.place.below(key))

    def each(self, *keys: str) -> Iterator[Node]:
        """Yield the items of the list below these keys, if it exists. Raises WrongType."""
        found = self.get(*keys)
        if found is None:
            return
        if not isinstance(found.value, list):
            raise found.refusal("not a list", WrongType)
        for place, value in enumerate(found.value):
            if value is not None:
                yield Node(value, found.place.below(place))

    def refusal(self, what: str, kind: type[BadInput] | None = None) -> BadInput:
        return self.place.refusal(what, kind) if kind else self.place.refusal(what)

    def _mapping(self) -> dict[str, Value]:
        if not isinstance(self.value, dict):
            raise self.refusal("not a mapping", WrongType)
        return self.value
