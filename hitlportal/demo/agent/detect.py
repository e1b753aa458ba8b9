"""From records to findings: score each credential, join what came out of one another.

A finding is one incident: the credential where it began (``origin``), those that came out of it,
the keys that were created on the way, and the signals. Reading alone never reaches the threshold:
a burst of refusals and an enumeration together stay under it.
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
    """An access key that a member of the finding created for a user, and that still works."""

    account: str
    user: str
    key_id: str
    record: Record


@dataclass(frozen=True)
class Finding:
    """One incident. ``members`` begins with ``origin``; ``others`` hold the same roles."""

    origin: Principal
    members: tuple[Principal, ...]
    signals: tuple[Signal, ...]
    links: tuple[Link, ...]
    created: tuple[CreatedKey, ...]
    context: tuple[Record, ...]
    others: tuple[Principal, ...]
    confidence: int


def detect(records: Sequence[Record]) -> list[Finding]:
    """All findings in ``records``, the most certain first; none where nothing stands out."""
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
    """The calls of each principal of the account, in the order given."""
    world: World = {}
    for record in records:
        who = principal_of(record)
        if who is not None:
            world.setdefault(who, []).append(record)
    return dict(sorted(world.items()))


def signals_of(who: Principal, world: World) -> list[Signal]:
    """Everything that the rules say about one principal."""
    own = world[who]
    found = [signal for rule in CALL_RULES for signal in rule.signals(who, own)]
    found += [signal for burst in BURST_RULES for signal in burst.signals(who, own)]
    found += [signal for pattern in PATTERNS for signal in pattern(who, own)]
    return found + stolen_session(who, world)


def _groups(
    world: World, signals: dict[Principal, list[Signal]], edges: Sequence[Link]
) -> list[list[Principal]]:
    """Suspicious principals, together with those that they came out of or that came out of them."""
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
    said = [signal for who in members for signal in signals[who]]
    said.sort(key=lambda s: (s.records[0].time, -s.weight, s.rule))
    return Finding(
        origin,
        members,
        tuple(said),
        inner,
        _created(members, world),
        _context(said, world[origin]),
        _others(members, world),
        certainty(said),
    )


def _created(members: Sequence[Principal], world: World) -> tuple[CreatedKey, ...]:
    """Keys that a member created for a user and nobody took back since."""
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
    """The key that a record says was created; root's own key belongs to no user."""
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


def _context(said: Sequence[Signal], own: Sequence[Record]) -> tuple[Record, ...]:
    """A few calls of the origin just before and after, so that a reader sees the surroundings."""
    first, last = said[0].records[0].time, max(s.records[-1].time for s in said)
    before = [record for record in own if record.time < first][-5:]
    after = [record for record in own if record.time > last][:3]
    return (*before, *after)


def _others(members: Sequence[Principal], world: World) -> tuple[Principal, ...]:
    """Sessions of the members' roles that are not part of the finding: the side effects."""
    roles = {who.name for who in members if who.kind is Kind.SESSION}
    return tuple(
        who
        for who in world
        if who.kind is Kind.SESSION and who.name in roles and who not in members
    )
