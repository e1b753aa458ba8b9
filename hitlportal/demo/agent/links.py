"""Find which credential was derived from which: the edges between principals.

An edge means that the holder of the first can hold the second: it assumed the role, created the
key or the user, or ran a command on an instance whose credentials then appear at its address.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hitlportal.demo.agent.principal import Kind, Principal, instance_of
from hitlportal.demo.agent.records import Record
from hitlportal.demo.agent.rules import CREDENTIALS
from hitlportal.demo.agent.signals import Path, Signal, World

MINTING = frozenset(
    {"sts:AssumeRole", "sts:GetFederationToken", "sts:GetSessionToken", "iam:CreateAccessKey"}
)
NEW_KEY_PATHS: tuple[Path, ...] = (
    ("responseElements", "credentials", "accessKeyId"),
    ("responseElements", "accessKey", "accessKeyId"),
)
# Only the agent on the instance makes these calls, so they come from the instance's own address.
OWN_AGENT = frozenset({"ssm:UpdateInstanceInformation", "ssm:PutInventory"})
ON_INSTANCE = frozenset({"ssm:SendCommand", "ssm:StartSession"})


@dataclass(frozen=True)
class Link:
    """``parent`` can hold ``child``; ``record`` proves it, ``says`` completes the sentence."""

    parent: Principal
    child: Principal
    says: str
    record: Record
    cite: tuple[Path, ...]


def links(world: World) -> list[Link]:
    """Return all edges between the principals of ``world``."""
    found: list[Link] = []
    for parent, records in world.items():
        for record in records:
            if not record.failed and record.call in MINTING:
                found += _minted(parent, record, world)
            elif not record.failed and record.call in ("iam:CreateUser", "iam:CreateLoginProfile"):
                found += _made(parent, record, world)
        found += _taken(parent, records, world)
    return _once(found)


def _once(found: Sequence[Link]) -> list[Link]:
    first: dict[tuple[Principal, Principal], Link] = {}
    for link in found:
        if link.parent != link.child:
            first.setdefault((link.parent, link.child), link)
    return list(first.values())


def _minted(parent: Principal, record: Record, world: World) -> Iterator[Link]:
    """Link to credentials in the answer, by key id or session name."""
    keys = {record.text(*path) for path in NEW_KEY_PATHS} - {""}
    session = record.text("responseElements", "assumedRoleUser", "arn")
    for child in world:
        if child.key_id in keys and child.key_id:
            says = f"obtained the credential of {_lower(child)}"
            yield Link(parent, child, says, record, NEW_KEY_PATHS)
        elif child.kind is Kind.SESSION and session and child.arn == session:
            cite: tuple[Path, ...] = (("responseElements", "assumedRoleUser", "arn"),)
            yield Link(parent, child, f"assumed role {child.name}", record, cite)


def _made(parent: Principal, record: Record, world: World) -> Iterator[Link]:
    """Link to a user that was created, or given a password, and then acts."""
    name = record.text("requestParameters", "userName")
    console_only = record.call == "iam:CreateLoginProfile"
    for child in world:
        kinds = (Kind.USER,) if console_only else (Kind.USER, Kind.KEY)
        if child.kind in kinds and child.name == name and child.account == parent.account:
            says = f"made {_lower(child)} usable"
            yield Link(parent, child, says, record, (("requestParameters", "userName"),))


def _taken(parent: Principal, records: Sequence[Record], world: World) -> Iterator[Link]:
    """Link a command on an instance to its credentials, when used from the caller's address."""
    if parent.kind is Kind.SESSION:
        return
    addresses = {r.address for r in records}
    for record in records:
        if record.call not in ON_INSTANCE or record.failed:
            continue
        for child in (p for p in world if stolen(p, world)):
            used_here = any(r.address in addresses for r in world[child])
            if instance_of(child) in _instances(record) and used_here:
                says = f"ran a command on instance {instance_of(child)}, whose credentials it took"
                yield Link(parent, child, says, record, (("requestParameters", "instanceIds", 0),))


def same_address(world: World, suspects: Sequence[Principal], known: Sequence[Link]) -> list[Link]:
    """Link sessions of unknown origin that are used only from the address of one suspect.

    ``suspects``: principals that reach the threshold on their own. An address links nobody else,
    because a whole office may share one.
    """
    children = {link.child for link in known}
    found = []
    for child in (p for p in suspects if p.kind is Kind.SESSION and p not in children):
        addresses = {r.address for r in world[child]}
        for parent in (p for p in suspects if p.kind is not Kind.SESSION):
            if addresses <= {r.address for r in world[parent]}:
                says = f"works from the address where role {child.name} is used"
                record = next(r for r in world[parent] if r.address in addresses)
                found.append(Link(parent, child, says, record, (("sourceIPAddress",),)))
    return _once(found)


def _instances(record: Record) -> list[str]:
    value = record.value("requestParameters", "instanceIds")
    many = value if isinstance(value, list) else [record.value("requestParameters", "target")]
    return [item for item in many if isinstance(item, str)]


def _lower(principal: Principal) -> str:
    return principal.who[0].lower() + principal.who[1:]


def stolen(principal: Principal, world: World) -> tuple[Record, ...]:
    """Return records of an instance's session from an address that a user's credential uses, too.

    Addresses of the instance's own agent are excluded: there the user works on the instance.
    """
    if not instance_of(principal):
        return ()
    own = {r.address for p in world for r in world[p] if r.call in OWN_AGENT}
    people = {r.address for p in world if p.kind is not Kind.SESSION for r in world[p]}
    return tuple(r for r in world[principal] if r.address in people - own)


def stolen_session(principal: Principal, world: World) -> list[Signal]:
    """Signal an instance's credentials that are used away from the instance."""
    kept = stolen(principal, world)
    if not kept:
        return []
    says = "used an instance's credentials from an address where a user's credential works"
    cite: tuple[Path, ...] = (("sourceIPAddress",),)
    after = f"Isolate instance {instance_of(principal)}: its credentials were taken from it."
    return [Signal("instance_role_elsewhere", CREDENTIALS, 60, principal, says, kept, cite, after)]
