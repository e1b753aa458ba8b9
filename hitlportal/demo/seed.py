"""``python -m hitlportal.demo.seed STAGE``: create the demo's people, inventory, agents and rights.

The stages run in the order of `run.SEEDED`, each with the database login that may do it. They call
the same services as commands and admin pages, so every row has an author and an audit entry. Each
stage is one transaction and is done once: after a crash the next start does what is missing.
`rights` prints as JSON a fresh one-time code for each person who has not enrolled. `inventory`
writes the agents' tokens to 0600 files in the directory DEMO_TOKENS; DEMO_API_TOKEN is the locator
of the API token; with DEMO_IMPORT=1 it imports the shop's files, which irene does when played.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import transaction  # noqa: E402

from hitlportal.demo import inventory_files, story  # noqa: E402
from hitlportal.demo.servers import private  # noqa: E402
from hitlportal.demo.servers.cloud import keys_of  # noqa: E402
from remediation.domain.intake.reading import File  # noqa: E402
from remediation.domain.intake.stated import Options  # noqa: E402
from remediation.models import Agent, Identity, Service, User  # noqa: E402
from remediation.services.actors import PersonActor, operator  # noqa: E402
from remediation.services.inventory import facts as inventory  # noqa: E402
from remediation.services.inventory import import_files  # noqa: E402
from remediation.services.inventory.consumer_facts import ConsumerFacts  # noqa: E402
from remediation.services.people import accounts, enroll, object_rights  # noqa: E402
from remediation.services.reporting import agents  # noqa: E402

ENVIRONMENT, OWNER_TEAM = "production", "payments"


def main(stage: str) -> int:
    """Do the stage, unless it was done before."""
    with transaction.atomic():
        STAGES[stage]()
    if stage == "rights":
        codes = {p.username: code_for(p.username) for p in story.PEOPLE}
        json.dump({username: code for username, code in codes.items() if code}, sys.stdout)
    return 0


def make_people() -> None:
    """Create all accounts without password or passkey, as the operator."""
    if not User.objects.filter(username=story.PEOPLE[0].username).exists():
        for person in story.PEOPLE:
            make_person(person)


def make_data() -> None:
    """Create services, identities and the reporting agents."""
    if not Agent.objects.filter(name=story.AGENT).exists():
        make_inventory(actor("irene"))
        for name in (story.AGENT, story.SCANNER, story.WATCH):
            agent = agents.create(actor=actor("adam"), name=name, owner_person=actor("dave").person)
            _, token = agents.issue_token(actor=actor("eve"), agent_id=agent.pk)
            private.write(Path(os.environ["DEMO_TOKENS"]) / name, token)
        if os.environ.get("DEMO_IMPORT") == "1":
            import_shop()
    services = {service.name for service in story.SERVICES}
    if Service.objects.filter(name__in=services).count() != len(services):
        sys.exit("these data belong to an older demo; `manage.py demo --reset` removes them")


def make_rights() -> None:
    """Give the rights and move people to their later groups, once; rights on what is imported."""
    first = next(person for person in story.PEOPLE if person.reviews)
    if not object_rights.rights_held_by(User.objects.get(username=first.username)):
        for person in story.PEOPLE:
            if person.reviews:
                give_rights(actor(person.username), person.not_of)
        for person in story.PEOPLE:
            if person.later is not None:
                move(person, person.later)
    give_rights_on_imported()


def make_person(person: story.Person) -> None:
    """Create one account."""
    accounts.create(actor=operator(), username=person.username, facts=facts(person, person.groups))


def move(person: story.Person, groups: tuple[str, ...]) -> None:
    """Move a person to other groups."""
    user = User.objects.get(username=person.username)
    accounts.change(actor=operator(), user_id=user.pk, facts=facts(person, groups))


def facts(person: story.Person, groups: tuple[str, ...]) -> accounts.PersonFacts:
    first, last = person.name.split()
    mail = f"{person.username}@example.org"
    return accounts.PersonFacts(mail, first, last, groups=frozenset(groups))


def make_inventory(author: PersonActor) -> None:
    """Create the services, the identities that they use, and their dependencies."""
    keys = [key.locator for key in keys_of(story.CASE)]
    for role in (story.ROLE_LOCATOR, story.SHARED_LOCATOR, story.ROTATED_LOCATOR):
        add_identity(author, "postgres.role", role)
    for locator in keys:
        add_identity(author, "aws.iam.access_key", locator)
    api_token = os.environ["DEMO_API_TOKEN"]
    add_identity(author, "oauth.token", api_token)
    add_identity(author, "kubernetes.workload", story.WORKLOAD_LOCATOR)
    stands_for = {story.EACH_KEY: keys, story.REVOKED: [api_token]}
    for service in story.SERVICES:
        made = inventory.ServiceFacts(
            service.owner_team,
            ENVIRONMENT,
            service.criticality,
            service.payment_path,
            service.external_partner,
        )
        inventory.add_service(actor=author, name=service.name, facts=made)
    for service in story.SERVICES:
        for needed in service.needs:
            for name in stands_for.get(needed, [needed]):
                add_need(author, service.name, name, consumes(service.name, name))


def add_identity(author: PersonActor, kind: str, locator: str) -> None:
    known = inventory.IdentityFacts(locator.rsplit("/", 1)[-1], ENVIRONMENT, OWNER_TEAM)
    inventory.add_identity(actor=author, kind=kind, locator=locator, facts=known)


def consumes(service: str, locator: str) -> ConsumerFacts | None:
    """Return how the service uses the rotated role; None for every other need."""
    named = {one.service: one for one in story.CONSUMERS}
    if locator != story.ROTATED_LOCATOR or service not in named:
        return None
    one = named[service]
    return ConsumerFacts(one.service, one.period_s, one.takes_by)


def add_need(author: PersonActor, source: str, name: str, how: ConsumerFacts | None = None) -> None:
    """Record that a service depends on another service or on an identity, and how it uses that."""
    needs: Service | Identity | None = Service.objects.filter(name=name).first()
    needs = needs or Identity.objects.get(locator=name)
    source_id = Service.objects.get(name=source).pk
    inventory.set_dependency(
        actor=author, source_id=source_id, needs=needs, present=True, consumer=how
    )


def import_shop() -> None:
    """Import the shop's files as `manage.py inventory_import --apply` does."""
    for source in inventory_files.IMPORTED:
        asked: dict[str, Any] = {
            "actor": operator(),
            "format": source.format,
            "files": [File(file.name, file.read_bytes()) for file in source.files],
            "options": Options(cluster=source.cluster),
        }
        digest = import_files.prepare(**asked).digest
        import_files.apply(**asked, digest=digest)


def give_rights_on_imported() -> None:
    """Give the approvers' groups the right to decide on every imported service."""
    known = {service.name for service in story.SERVICES}
    for service in Service.objects.exclude(name__in=known):
        for group in sorted(set(story.APPROVERS.values())):
            object_rights.set_right(
                actor=operator(),
                service_id=service.pk,
                right="review_service",
                held=True,
                group=group,
            )


def give_rights(who: PersonActor, not_of: Collection[str]) -> None:
    """Give the right to see and decide on every service, except on those of some teams; separation
    of duties still applies."""
    without = {service.name for service in story.SERVICES if service.owner_team in not_of}
    for service in Service.objects.exclude(name__in=without):
        for right in object_rights.RIGHTS:
            object_rights.set_right(
                actor=operator(), service_id=service.pk, right=right, held=True, person=who.person
            )


def code_for(username: str) -> str:
    """Return a one-time code, or "" for a person who has enrolled."""
    if User.objects.get(username=username).has_usable_password():
        return ""
    return enroll.invite(actor=operator(), username=username)


def actor(username: str) -> PersonActor:
    """Return the actor for a person of the demo."""
    user = User.objects.get(username=username)
    return PersonActor(user.person, user.pk)


STAGES = {"people": make_people, "inventory": make_data, "rights": make_rights}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
