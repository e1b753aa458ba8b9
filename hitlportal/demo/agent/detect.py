"""Turn records into findings: score each credential, join those derived from one another.

A finding is one incident: the first credential (``origin``), the credentials derived from it, the
keys created meanwhile, and the signals. Reading alone never reaches the threshold: a burst of
refusals together with an enumeration stays below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hitlportal.demo.agent.knowledge import BURST_RULES, CALL_RULES
from hitlportal.demo.agent.links import Link, links, same_address, stolen_session
from hitlportal.demo.agent.patterns import PATTERNS
from hitlportal.demo.agent.principal import LONG_TERM, Kind, Principal, principal_of
from hitlportal.demo.agent.records import Record
from hitlportal.demo.agent.signals import THRESHOLD, Signal, World, certainty


@dataclass(frozen=True)
class CreatedKey:
    """An active access key that a member of the finding created for a user."""

    account: str
    user: str
    key_id: str
    record: Record


@dataclass(frozen=True)
class Finding:
    """One incident. ``members`` starts with ``origin``; ``others`` hold the same roles."""

    origin: Principal
    members: tuple[Principal, ...]
    signals: tuple[Signal, ...]
    links: tuple[Link, ...]
    created: tuple[CreatedKey, ...]
    context: tuple[Record, ...]
    others: tuple[Principal, ...]
    confidence: int


def detect(records: Sequence[Record]) -> list[Finding]:
    """Return all findings in ``records``, the most certain first."""
    world = by_principal(records)
    signals = {who: signals_of(who, world) for who in world}
    edges = links(world)
    suspects = [who for who in world if certainty(signals[who]) >= THRESHOLD]
    edges += same_address(world, suspects, edges)
    groups = _groups(world, signals, edges)
    found = [_finding(group, world, signals, edges) for group in groups]
    loud = [finding for finding in found if finding.confidence >= THRESHOLD]
    return sorted(loud, key=lambda f: (-f.confidence, f.origin))


def by_principal(records: Iterable[Record]) -> World:
    """Group the records by principal of the account; keep their order."""
    world: World = {}
    for record in records:
        who = principal_of(record)
        if who is not None:
            world.setdefault(who, []).append(record)
    return dict(sorted(world.items()))


def signals_of(who: Principal, world: World) -> list[Signal]:
    """Return all signals of the rules about one principal."""
    own = world[who]
    found = [signal for rule in CALL_RULES for signal in rule.signals(who, own)]
    found += [signal for burst in BURST_RULES for signal in burst.signals(who, own)]
    found += [signal for pattern in PATTERNS for signal in pattern(who, own)]
    return found + stolen_session(who, world)


def _groups(
    world: World, signals: dict[Principal, list[Signal]], edges: Sequence[Link]
) -> list[list[Principal]]:
    """Group suspicious principals with the principals they are linked to."""
    near: dict[Principal, set[Principal]] = {who: set() for who in world}
    for edge in edges:
        near[edge.parent].add(edge.child)
        near[edge.child].add(edge.parent)
    groups, seen = [], set[Principal]()
    for who in world:
        if who in seen or not signals[who]:
            continue
        group, queue = set[Principal](), [who]
        while queue:
            member = queue.pop()
            if member not in group:
                group.add(member)
                queue += sorted(near[member])
        seen |= group
        groups.append(sorted(group))
    return groups


def _finding(
    group: Sequence[Principal],
    world: World,
    signals: dict[Principal, list[Signal]],
    edges: Sequence[Link],
) -> Finding:
    inner = tuple(edge for edge in edges if edge.child in group)
    children = {edge.child for edge in inner}
    roots = [who for who in group if who not in children] or list(group)
    origin = min(roots, key=lambda who: (-certainty(signals[who]), who))
    members = (origin, *(who for who in group if who != origin))
    found = [signal for who in members for signal in signals[who]]
    found.sort(key=lambda s: (s.records[0].time, -s.weight, s.rule))
    return Finding(
        origin,
        members,
        tuple(found),
        inner,
        _created(members, world),
        _context(found, world[origin]),
        _others(members, world),
        certainty(found),
    )


def _created(members: Sequence[Principal], world: World) -> tuple[CreatedKey, ...]:
    """Return keys that a member created for a user and that were not deleted since."""
    calls = [record for who in members for record in world[who] if not record.failed]
    gone = {
        record.text("requestParameters", "accessKeyId")
        for record in calls
        if record.call == "iam:DeleteAccessKey"
        or record.text("requestParameters", "status") == "Inactive"
    }
    found: dict[str, CreatedKey] = {}
    for who in members:
        for record in world[who]:
            key = _created_key(who, record)
            if key is not None and key.key_id not in gone:
                found.setdefault(key.key_id, key)
    return tuple(found.values())


def _created_key(creator: Principal, record: Record) -> CreatedKey | None:
    """Return the key that a record created; None for root's key, which belongs to no user."""
    if record.call != "iam:CreateAccessKey" or record.failed:
        return None
    asked = record.text("requestParameters", "userName")
    if creator.kind is Kind.ROOT and not asked:
        return None
    key_id = record.text("responseElements", "accessKey", "accessKeyId")
    user = asked or record.text("responseElements", "accessKey", "userName")
    if not user or not key_id.startswith(LONG_TERM):
        return None
    return CreatedKey(creator.account, user, key_id, record)


def _context(found: Sequence[Signal], own: Sequence[Record]) -> tuple[Record, ...]:
    """Return a few calls of the origin just before and after, as context for readers."""
    first, last = found[0].records[0].time, max(s.records[-1].time for s in found)
    before = [record for record in own if record.time < first][-5:]
    after = [record for record in own if record.time > last][:3]
    return (*before, *after)


def _others(members: Sequence[Principal], world: World) -> tuple[Principal, ...]:
    """Return other sessions of the members' roles: the plan's side effects."""
    roles = {who.name for who in members if who.kind is Kind.SESSION}
    return tuple(
        who
        for who in world
        if who.kind is Kind.SESSION and who.name in roles and who not in members
    )
