"""The benchmark's people and inventory, made through the services: alice and bob, an agent, and an
inventory with one service and many targets. People and rights are made with the operators' login,
all else with the web's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connections

from hitlportal import env
from hitlportal.demo.people.passkey import SoftPasskey
from remediation.domain import b64url
from remediation.domain.gate.approvers import Approver, Approvers
from remediation.models import User
from remediation.services.actors import PersonActor, operator
from remediation.services.inventory import facts as inventory
from remediation.services.people import accounts, enroll, object_rights
from remediation.services.reporting import agents

PASSWORD = "only for the benchmark"
CLUSTER = "ledger"
GROUPS = {
    "alice": "security",
    "bob": "service_owner",
    "dave": "",
    "irene": accounts.INVENTORY_EDITOR,
    "eve": accounts.AGENT_ADMIN,
}


@dataclass(frozen=True)
class Person:
    """An account, its enrolled passkey, and the role that it approves in."""

    user: User
    passkey: SoftPasskey
    role: str

    @property
    def actor(self) -> PersonActor:
        return PersonActor(self.user.person, self.user.pk)

    def approver(self) -> Approver:
        return Approver(
            person=str(self.user.person),
            credential_id=b64url.encode(self.passkey.credential_id),
            cose_key=b64url.encode(self.passkey.cose_key),
            rp_id=settings.RP_ID,
            origin=settings.ORIGIN,
            roles=(self.role,),
            since=datetime.now(UTC) - timedelta(minutes=1),
            until=None,
        )


@dataclass(frozen=True)
class Cast:
    alice: Person
    bob: Person
    token: str  # of the agent

    def approvers_file(self) -> bytes:
        return Approvers((self.alice.approver(), self.bob.approver())).dump()


Login = Callable[[], AbstractContextManager[None]]


def operators(url: str) -> Login:
    """Return what acts with the operators' login: another connection replaces the default one."""

    @contextmanager
    def acting() -> Iterator[None]:
        connections.databases.setdefault(
            "operator", {**connections.databases["default"], **env.postgres(url)}
        )
        before = connections["default"]
        connections["default"] = connections["operator"]
        try:
            yield
        finally:
            connections["default"].close()
            connections["default"] = before

    return acting


def cast(targets: list[tuple[str, str]], operating: Login) -> Cast:
    """Make the people, and every (kind, locator) in the inventory with a service that uses it.

    An inventory that a person wrote this week is the most expensive one to check: each guard
    looks for loosening by that person.
    """
    with operating():
        codes = {name: _account(name, group) for name, group in GROUPS.items()}
    alice, bob, dave, irene, eve = (_person(name, codes[name]) for name in GROUPS)
    agent = agents.create(actor=eve.actor, name="benchmark", owner_person=dave.user.person)
    _, token = agents.issue_token(actor=eve.actor, agent_id=agent.pk)
    service_id = _inventory(irene, targets)
    with operating():
        for someone in (alice, bob):
            _let_review(someone.user.person, service_id)
    return Cast(alice, bob, token)


def _account(name: str, group: str) -> str:
    """Make the account; return the code with which its person enrols."""
    facts = accounts.PersonFacts(groups=frozenset({group} if group else ()))
    accounts.create(actor=operator(), username=name, facts=facts)
    return enroll.invite(actor=operator(), username=name)


def _person(name: str, code: str) -> Person:
    passkey, challenge = SoftPasskey.create(), bytes(32)
    enroll.redeem(
        username=name,
        code=code,
        password=PASSWORD,
        name="software",
        credential=passkey.registration(challenge, settings.RP_ID, settings.ORIGIN),
        challenge=challenge,
    )
    return Person(User.objects.get(username=name), passkey, GROUPS[name])


def _inventory(editor: Person, targets: list[tuple[str, str]]) -> int:
    service = inventory.add_service(
        actor=editor.actor,
        name="settlement",
        facts=inventory.ServiceFacts("payments", "production", "high", True, False),
    )
    for kind, locator in targets:
        identity = inventory.add_identity(
            actor=editor.actor,
            kind=kind,
            locator=locator,
            facts=inventory.IdentityFacts("", "production", "payments"),
        )
        inventory.set_dependency(
            actor=editor.actor, source_id=service.pk, needs=identity, present=True
        )
    return service.pk


def _let_review(person: UUID, service_id: int) -> None:
    object_rights.set_right(
        actor=operator(), service_id=service_id, right="review_service", held=True, person=person
    )
