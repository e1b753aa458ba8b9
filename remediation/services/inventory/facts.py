"""Change the inventory: add versions of services, identities and dependencies.

A change never overwrites: it adds a version with author, audit entry and the database's time.
Every change takes `actor=`, runs in one transaction, and raises `Refused`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from django.db import OperationalError, connection, transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain.errors import (
    AlreadyExists,
    BadValue,
    InventoryBusy,
    NoSuchObject,
    StaleDigest,
)
from remediation.domain.events import Event
from remediation.models import (
    Dependency,
    DependencyVersion,
    Identity,
    IdentityVersion,
    Service,
    ServiceVersion,
)
from remediation.models.inventory import Criticality, Environment
from remediation.services.actors import Actor, PersonActor
from remediation.services.inventory.consumer_facts import (
    ConsumerFacts,
    check_one_of,
    check_text,
)
from remediation.services.inventory.identity_kinds import check_locator
from remediation.services.people import accounts

# One change of the inventory at a time, so that the newest version stays the newest between
# reading and writing; changes are rare. The number is arbitrary.
_LOCK = 0x696E7631
_LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL's name for a lock_timeout


@dataclass(frozen=True)
class ServiceFacts:
    """The attributes in one version of a service."""

    owner_team: str
    environment: str
    criticality: str
    payment_path: bool
    external_partner: bool
    retired: bool = False

    def check(self) -> None:
        """Refuse values that are not allowed. Raises BadValue."""
        check_text("owner team", self.owner_team, 100, least=0)
        check_one_of("environment", self.environment, Environment.values)
        check_one_of("criticality", self.criticality, Criticality.values)

    @classmethod
    def of(cls, version: ServiceVersion) -> ServiceFacts:
        return cls(**{name: getattr(version, name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class IdentityFacts:
    """The attributes in one version of an identity."""

    name: str
    environment: str
    owner_team: str
    retired: bool = False

    def check(self) -> None:
        """Refuse values that are not allowed. Raises BadValue."""
        check_text("name", self.name, 200, least=0)
        check_text("owner team", self.owner_team, 100, least=0)
        check_one_of("environment", self.environment, Environment.values)

    @classmethod
    def of(cls, version: IdentityVersion) -> IdentityFacts:
        return cls(**{name: getattr(version, name) for name in cls.__dataclass_fields__})


@transaction.atomic
def add_service(*, actor: Actor, name: str, facts: ServiceFacts) -> Service:
    """Add a service with its first version. Raises NotEntitled, BadValue, AlreadyExists."""
    begin(actor)
    check_name(name)
    facts.check()
    if Service.objects.filter(name=name).exists():
        raise AlreadyExists(f"there is already a service named {name}")
    entry = _record(actor, f"service:{name}", None, asdict(facts))
    service = Service.objects.create(name=name, entry=entry)
    ServiceVersion.objects.create(service=service, author=actor.ref, entry=entry, **asdict(facts))
    return service


@transaction.atomic
def change_service(
    *, actor: Actor, service_id: int, facts: ServiceFacts, based_on: int | None = None
) -> ServiceVersion:
    """Add the next version of a service; return the present one when nothing differs.

    ``based_on`` is the version that the editor saw. Raises NotEntitled, BadValue, NoSuchObject,
    and StaleDigest when somebody else has changed the service since.
    """
    begin(actor)
    facts.check()
    service = Service.objects.filter(pk=service_id).first()
    if service is None:
        raise NoSuchObject(f"service {service_id}")
    newest = service.versions.order_by("-id").first()
    _refuse_stale(newest, based_on)
    before = ServiceFacts.of(newest) if newest else None
    if newest is not None and before == facts:
        return newest
    entry = _record(
        actor, f"service:{service.name}", asdict(before) if before else None, asdict(facts)
    )
    return ServiceVersion.objects.create(
        service=service, author=actor.ref, entry=entry, **asdict(facts)
    )


@transaction.atomic
def add_identity(*, actor: Actor, kind: str, locator: str, facts: IdentityFacts) -> Identity:
    """Add an identity with its first version; ``kind`` is one of `domain.catalogue.TARGETS`.

    Raises NotEntitled, UnknownTargetKind, BadValue, AlreadyExists.
    """
    begin(actor)
    check_locator(kind, locator)
    facts.check()
    if Identity.objects.filter(locator=locator).exists():
        raise AlreadyExists(f"{locator} is already in the inventory")
    entry = _record(actor, f"identity:{locator}", None, asdict(facts))
    identity = Identity.objects.create(locator=locator, kind=kind, entry=entry)
    IdentityVersion.objects.create(
        identity=identity, author=actor.ref, entry=entry, **asdict(facts)
    )
    return identity


@transaction.atomic
def change_identity(
    *, actor: Actor, identity_id: int, facts: IdentityFacts, based_on: int | None = None
) -> IdentityVersion:
    """Add the next version of an identity; see `change_service`."""
    begin(actor)
    facts.check()
    identity = Identity.objects.filter(pk=identity_id).first()
    if identity is None:
        raise NoSuchObject(f"identity {identity_id}")
    newest = identity.versions.order_by("-id").first()
    _refuse_stale(newest, based_on)
    before = IdentityFacts.of(newest) if newest else None
    if newest is not None and before == facts:
        return newest
    entry = _record(
        actor, f"identity:{identity.locator}", asdict(before) if before else None, asdict(facts)
    )
    return IdentityVersion.objects.create(
        identity=identity, author=actor.ref, entry=entry, **asdict(facts)
    )


@transaction.atomic
def set_dependency(
    *,
    actor: Actor,
    source_id: int,
    needs: Service | Identity,
    present: bool,
    consumer: ConsumerFacts | None = None,
) -> Dependency:
    """Record that ``source`` cannot work without ``needs``, or that it no longer needs it.

    ``consumer`` says how ``source`` uses an identity; None keeps what is recorded. Writes nothing
    when nothing differs. One exception: if it was recorded by a reviewer's correction, an editor
    who is somebody else confirms it. Raises NotEntitled, BadValue, NoSuchObject.
    """
    begin(actor)
    if consumer is not None:
        consumer.check()
        if isinstance(needs, Service) and consumer != ConsumerFacts():
            raise BadValue("only the use of an identity has a period and is seen in records")
    return _set_edge(actor, source_id, needs, present=present, consumer=consumer)[0]


def _set_edge(
    actor: Actor,
    source_id: int,
    needs: Service | Identity,
    *,
    present: bool,
    by_reviewer: bool = False,
    consumer: ConsumerFacts | None = None,
) -> tuple[Dependency, bool]:
    """Return the edge, and whether a version was added."""
    source = Service.objects.filter(pk=source_id).first()
    if source is None:
        raise NoSuchObject(f"service {source_id}")
    if source == needs:
        raise BadValue("a service does not depend on itself")
    service, identity = (needs, None) if isinstance(needs, Service) else (None, needs)
    edge = Dependency.objects.filter(source=source, service=service, identity=identity).first()
    newest = edge.versions.order_by("-id").first() if edge else None
    before = ConsumerFacts.of(newest) if newest else ConsumerFacts()
    after = before if consumer is None else consumer
    if edge is not None and newest is not None and (newest.present, before) == (present, after):
        confirms = newest.by_reviewer and not by_reviewer and newest.author != actor.ref
        if not confirms:
            return edge, False
    entry = _record(
        actor,
        f"service:{source.name}",
        _edge(
            needs,
            newest is not None and newest.present,
            bool(newest and newest.by_reviewer),
            before,
        ),
        _edge(needs, present, by_reviewer, after),
    )
    edge = edge or Dependency.objects.create(
        source=source, service=service, identity=identity, entry=entry
    )
    DependencyVersion.objects.create(
        dependency=edge,
        present=present,
        by_reviewer=by_reviewer,
        author=actor.ref,
        entry=entry,
        **asdict(after),
    )
    return edge, True


def _edge(
    needs: Service | Identity, present: bool, by_reviewer: bool, consumer: ConsumerFacts
) -> dict[str, Json]:
    stated: dict[str, Json] = {"depends_on": str(needs), "present": present}
    known = {name: value for name, value in asdict(consumer).items() if value not in ("", None)}
    return {**stated, **({"by_reviewer": True} if by_reviewer else {}), **known}


@transaction.atomic
def widen(*, actor: PersonActor, source_id: int, needs: Identity) -> bool:
    """Record as a reviewer that ``source`` uses the identity; return whether that is new.

    The caller verifies who may do this; it only tightens. Raises NoSuchObject, InventoryBusy.
    """
    _lock()
    return _set_edge(actor, source_id, needs, present=True, by_reviewer=True)[1]


def check_name(name: str) -> None:
    """Refuse a name that no service may have. Raises BadValue."""
    check_text("name", name, 100)


def begin(actor: Actor) -> None:
    """Begin a change, in its transaction: verify the actor's role and lock the inventory.

    Raises NotEntitled, and InventoryBusy when another change, such as a large import, takes longer
    than the connection's lock_timeout.
    """
    accounts.require(actor, accounts.INVENTORY_EDITOR)
    _lock()


def _lock() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    except OperationalError as problem:
        if getattr(problem.__cause__, "sqlstate", "") == _LOCK_NOT_AVAILABLE:
            raise InventoryBusy from None
        raise


def _record(
    actor: Actor, object: str, before: Mapping[str, Json] | None, after: Mapping[str, Json]
) -> int:
    data: dict[str, Json] = {"before": dict(before) if before else None, "after": dict(after)}
    person = isinstance(actor, PersonActor)
    action = Event.PERSON_INVENTORY_CHANGED if person else Event.OPERATOR_INVENTORY_CHANGED
    return log.append(action=action, actor=actor.ref, object=object, data=data).id


def _refuse_stale(newest: ServiceVersion | IdentityVersion | None, based_on: int | None) -> None:
    if based_on is not None and (newest is None or newest.pk != based_on):
        raise StaleDigest("somebody else changed it since you opened it")
