"""Read docker-compose files: services, ``depends_on``, ``links``, and hosts in the environment.

Several files are layers of one project, as with ``-f a -f b``. ``${NAME:-default}`` becomes its
default; a variable without a default is unknown here, and so is the value that contains it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from remediation.domain.intake.addresses import hosts, resource_attributes
from remediation.domain.intake.node import Node
from remediation.domain.intake.place import Place
from remediation.domain.intake.stated import (
    CRITICALITIES,
    ENVIRONMENTS,
    Edge,
    Options,
    Said,
    Stated,
    annotated,
)

_VARIABLE = re.compile(r"\$\$|\$\{\w+(?::?-([^${}]*))?(?::?[?+][^${}]*)?\}|\$\w+")
_NOT_TAKEN = ("secrets", "extends", "env_file")


@dataclass
class _Project:
    services: dict[str, list[Node]] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)


def read(documents: Iterable[Node], options: Options) -> Stated:
    """Return what the project states. Raises BadInput with file, document and path."""
    stated, project = Stated(), _Project()
    for document in documents:
        for name, node in document.need("services").items():
            project.services.setdefault(name, []).append(node)
            project.hosts.update(dict.fromkeys(_hostnames(name, node), name))
        if document.get("include") is not None:
            project.others["include"] += 1
    for name, nodes in project.services.items():
        for node in nodes:
            _service(name, node, project, stated)
    for what, count in sorted(project.others.items()):
        stated.remarks.append(f"{what}, {count} times: not taken")
    return stated


def _service(name: str, node: Node, project: _Project, stated: Stated) -> None:
    labels = annotated(_as_mapping(node, "labels"))
    said = replace(_of_telemetry(node), **labels.said.given())  # type: ignore[arg-type]
    stated.service(name, said, node.place)
    stated.uses(name, labels.needs, labels.use)
    for service, place in (*_declared(node), *_addressed(node, project)):
        stated.edge(Edge(name, service=service, named=True, place=place))
    for what in _NOT_TAKEN:
        if node.get(what) is not None:
            project.others[what] += 1


def _hostnames(name: str, node: Node) -> Iterator[str]:
    yield name.lower()
    for key in ("container_name", "hostname"):
        if node.said(key):
            yield node.said(key).lower()
    networks = node.get("networks")
    if networks is not None and isinstance(networks.value, dict):
        for _, network in networks.items():
            for alias in network.each("aliases"):
                yield alias.text().lower()


def _declared(node: Node) -> Iterator[tuple[str, Place]]:
    """Yield the services in depends_on, links and volumes_from, and of a shared network."""
    depends = node.get("depends_on")
    if depends is not None and isinstance(depends.value, dict):
        for name in depends.value:
            yield name, depends.place.below(name)
    else:
        for needed in node.each("depends_on"):
            yield needed.text(), needed.place
    for key in ("links", "volumes_from"):
        for needed in node.each(key):
            if not needed.text().startswith("container:"):
                yield needed.text().split(":")[0], needed.place
    for key in ("network_mode", "ipc", "pid"):
        kind, _, name = node.said(key).partition(":")
        if kind == "service" and name:
            yield name, node.place.below(key)


def _addressed(node: Node, project: _Project) -> Iterator[tuple[str, Place]]:
    for key, value, place in _environment(node):
        for address in hosts(key, value):
            if address.host in project.hosts:
                yield project.hosts[address.host], place


def _of_telemetry(node: Node) -> Said:
    """Return criticality and environment from the service's OpenTelemetry attributes."""
    said: dict[str, str] = {}
    for key, value, _ in _environment(node):
        said |= resource_attributes(key, value)
    critical = said.get("service.criticality", "")
    stage = said.get("deployment.environment.name", said.get("deployment.environment", ""))
    return Said(
        criticality=critical if critical in CRITICALITIES else None,
        environment=stage if stage in ENVIRONMENTS else None,
    )


def _environment(node: Node) -> Iterator[tuple[str, str, Place]]:
    for key, value in _as_mapping(node, "environment").items():
        yield key, _VARIABLE.sub(lambda match: match[1] or "", value.text()), value.place


def _as_mapping(node: Node, key: str) -> Node:
    """Return ``KEY: VALUE`` and ``- KEY=VALUE`` as the former; ignores a key without a value."""
    found = node.get(key)
    if found is None:
        return Node({}, node.place.below(key))
    if isinstance(found.value, dict):
        return found
    pairs = (one.text().partition("=") for one in node.each(key))
    return Node({name: value for name, equals, value in pairs if equals}, found.place)
