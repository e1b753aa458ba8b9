"""Read Backstage catalogue files (``catalog-info.yaml``).

Components and resources become services. A component that consumes an API depends on the components
that provide it. Our own annotations state criticality and payment paths, which Backstage does not
have. References are ``[kind:][namespace/]name``, in any letter case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from remediation.domain.intake.node import Node
from remediation.domain.intake.place import Place
from remediation.domain.intake.stated import Edge, Options, Said, Stated, annotated

_TAKEN = ("Component", "Resource")
_LOOKED_AT = (*_TAKEN, "API", "System", "Group", "User")
# Backstage: experimental is "an early, non-production component". Any other value counts as
# production, also "deprecated", because it still runs.
_EXPERIMENTAL = "experimental"
_DEFAULT = "default"


@dataclass(frozen=True)
class _Ref:
    """A reference to an entity, in lower case; `name` keeps its letter case."""

    kind: str
    name: str

    @classmethod
    def read(cls, text: str, default_kind: str) -> _Ref:
        kind, colon, rest = text.rpartition(":")
        namespace, slash, name = rest.rpartition("/")
        where = namespace if slash and namespace.lower() != _DEFAULT else ""
        return cls((kind if colon else default_kind).lower(), f"{where}/{name}" if where else name)

    @property
    def key(self) -> tuple[str, str]:
        return (self.kind, self.name.lower())


@dataclass
class _Catalogue:
    """The entities of all files, before references are resolved."""

    entities: list[tuple[_Ref, Node]] = field(default_factory=list)
    systems: dict[tuple[str, str], str] = field(default_factory=dict)
    providers: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)


def read(documents: Iterable[Node], options: Options) -> Stated:
    """Return what the catalogue states. Raises BadInput with file, document and path."""
    stated, found = Stated(), _Catalogue()
    for document in documents:
        _collect(document, found, stated)
    for ref, node in found.entities:
        if ref.kind in ("component", "resource"):
            _service(ref, node, found, stated)
    for kind, count in sorted(found.others.items()):
        stated.remarks.append(f"{count} of kind {kind}: not taken")
    return stated


def _collect(node: Node, found: _Catalogue, stated: Stated) -> None:
    version, kind = node.need("apiVersion").text(), node.need("kind").text()
    if not version.startswith("backstage.io/") or kind not in _LOOKED_AT:
        found.others[kind] += 1
        return
    name, namespace = node.need("metadata", "name").text(), node.said("metadata", "namespace")
    ref = _Ref.read(f"{kind}:{namespace or _DEFAULT}/{name}", kind)
    if ref.key in found.names:
        raise node.refusal(f"a second {kind} is called {ref.name}")
    found.names[ref.key] = ref.name
    found.entities.append((ref, node))
    if kind in ("Group", "User"):
        stated.teams.add(_team(f"{kind}:{ref.name}"))
    elif kind == "System":
        found.systems[ref.key] = node.said("spec", "owner")
    elif kind == "Component":
        for api in node.each("spec", "providesApis"):
            key = _Ref.read(api.text(), "api").key
            found.providers.setdefault(key, []).append(ref.name)


def _service(ref: _Ref, node: Node, found: _Catalogue, stated: Stated) -> None:
    stating = annotated(node, "metadata", "annotations")
    said = replace(_said(node, found), **stating.said.given())  # type: ignore[arg-type]
    stated.service(ref.name, said, node.place)
    stated.uses(ref.name, stating.needs, stating.use)
    for edge in _edges(ref.name, node, found, stated):
        stated.edge(edge)


def _said(node: Node, found: _Catalogue) -> Said:
    """Return owner and environment; a missing owner is that of the system."""
    owner, system = node.said("spec", "owner"), node.said("spec", "system")
    if not owner and system:
        owner = found.systems.get(_Ref.read(system, "system").key, "")
    stage = node.said("spec", "lifecycle").lower()
    environment = "development" if stage == _EXPERIMENTAL else "production" if stage else None
    return Said(owner_team=_team(owner) if owner else None, environment=environment)


def _edges(name: str, node: Node, found: _Catalogue, stated: Stated) -> Iterator[Edge]:
    for needed in node.each("spec", "dependsOn"):
        yield from _needs(name, needed, found, stated)
    for user in node.each("spec", "dependencyOf"):
        ref = _Ref.read(user.text(), "component")
        yield Edge(found.names.get(ref.key, ref.name), service=name, named=True, place=user.place)
    for api in node.each("spec", "consumesApis"):
        yield from _providers(name, _Ref.read(api.text(), "api"), api.place, found, stated)


def _needs(name: str, needed: Node, found: _Catalogue, stated: Stated) -> Iterator[Edge]:
    ref = _Ref.read(needed.text(), "component")
    if ref.kind == "api":
        yield from _providers(name, ref, needed.place, found, stated)
    elif ref.kind in ("component", "resource"):
        service = found.names.get(ref.key, ref.name)
        yield Edge(name, service=service, named=True, place=needed.place)
    else:
        stated.remarks.append(f"{needed.place}: {name} needs {ref.kind}:{ref.name}, not taken")


def _providers(
    name: str, api: _Ref, place: Place, found: _Catalogue, stated: Stated
) -> Iterator[Edge]:
    providers = found.providers.get(api.key, [])
    if not providers:
        stated.remarks.append(f"{place}: {name} consumes api:{api.name}, which nobody provides")
    for provider in providers:
        yield Edge(name, service=provider, place=place)


def _team(owner: str) -> str:
    """Return a group's name; a person, who is not a team, gets the kind as prefix."""
    ref = _Ref.read(owner, "group")
    return ref.name if ref.kind == "group" else f"{ref.kind}:{ref.name}"
