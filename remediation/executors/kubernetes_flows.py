"""What goes to and from the pods of a workload, as the objects of its namespace say it.

Services that select its pods, addresses from outside that lead to those services, policies that
allow traffic of its pods, and policies of others that name it. Nothing here says which traffic
flows: who depends on the workload stands in the portal's inventory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from audit.tlog.canonical import Json
from remediation.executors.kubernetes_calls import Object
from remediation.executors.kubernetes_selectors import Labels, matches_any

MOST_SHOWN = 50
LONGEST = 200
DIRECTIONS = (("Ingress", "ingress", "from"), ("Egress", "egress", "to"))


def name_of(item: Object) -> str:
    return str(item.get("metadata", {}).get("name", ""))


def shown(texts: Iterable[str], longest: int = LONGEST) -> list[Json]:
    """Return texts as they are shown: each once, in order, cut, and not too many."""
    found = sorted({cut(text, longest) for text in texts})
    more = len(found) - MOST_SHOWN
    return [*found[:MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])]


def cut(text: str, longest: int = LONGEST) -> str:
    """Return a text that says how long it was if it is cut."""
    if len(text) <= longest:
        return text
    end = f" … ({len(text)} characters)"
    return text[: longest - len(end)] + end


def services_of(services: Sequence[Object], sets: Sequence[Labels]) -> list[Object]:
    """Return the services that select the pods. One without a selector selects none."""
    return [
        one
        for one in services
        if (selector := one.get("spec", {}).get("selector"))
        and matches_any({"matchLabels": selector}, sets)
    ]


def service_said(service: Object) -> str:
    spec = service.get("spec", {})
    ports = ", ".join(str(port.get("port", "")) for port in spec.get("ports") or ())
    return f"{name_of(service)} ({spec.get('type', 'ClusterIP')}, port {ports or 'none'})"


def routes(ingresses: Sequence[Object], names: Iterable[str]) -> Iterator[str]:
    """Yield each address from outside that leads to one of these services."""
    known = frozenset(names)
    for ingress in ingresses:
        for address, backend in _backends(ingress.get("spec", {})):
            service = (backend.get("service") or {}).get("name")
            if service in known:
                yield f"{address} to {service} (ingress {name_of(ingress)})"


def _backends(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if spec.get("defaultBackend"):
        yield "every other address", spec["defaultBackend"]
    for rule in spec.get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            yield f"{rule.get('host') or '*'}{path.get('path') or '/'}", path.get("backend") or {}


def allowing(policies: Sequence[Object], sets: Sequence[Labels]) -> Iterator[str]:
    """Yield each policy that selects the pods and allows some traffic, with the directions."""
    for policy in policies:
        spec = policy.get("spec", {})
        if not matches_any(spec.get("podSelector", {}), sets):
            continue
        told = [kind for kind, rules, _ in DIRECTIONS if _covers(spec, kind) and spec.get(rules)]
        if told:
            yield f"{name_of(policy)} ({', '.join(told)})"


def naming(policies: Sequence[Object], sets: Sequence[Labels]) -> Iterator[str]:
    """Yield each policy of other pods in whose rules the pods are a named peer."""
    for policy in policies:
        spec = policy.get("spec", {})
        if matches_any(spec.get("podSelector", {}), sets):
            continue
        for kind, rules, peers in DIRECTIONS:
            if _covers(spec, kind) and any(
                _names(peer, sets)
                for rule in spec.get(rules) or ()
                for peer in rule.get(peers) or ()
            ):
                yield f"{name_of(policy)} ({kind})"


def _covers(spec: Mapping[str, Any], kind: str) -> bool:
    """Return whether a policy is about a direction; without types the API server has a default."""
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    return kind in types


def _names(peer: Mapping[str, Any], sets: Sequence[Labels]) -> bool:
    """Return whether a peer is these pods by their labels; in which namespaces is not looked at."""
    return bool(peer.get("podSelector")) and matches_any(peer["podSelector"], sets)
