"""The demo's own proposals without its processes: its people, inventory, targets and reports, made
by the services that the demo's web and worker call."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from django.db import transaction
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pytest import MonkeyPatch

from hitlportal.demo import seed, story
from hitlportal.demo.agent.analyse import analyse, analyse_log
from hitlportal.demo.play import leak_scanner
from hitlportal.demo.run import SEEDED
from hitlportal.demo.servers import ledger, private
from hitlportal.demo.servers.cloud import Cloud
from hitlportal.demo.servers.ledger import OBSERVER, OPERATOR, TICKET, Ledger
from hitlportal.demo.servers.store import FileStore
from hitlportal.demo.settings import REGION, TARGETS
from remediation import models as m
from remediation.domain import report
from remediation.services.actors import AgentActor
from remediation.services.inventory import facts as inventory
from remediation.services.reporting import submit
from tests.executors import install
from tests.factories import OPERATORS, WEB
from tests.flows.world import World, acts
from tests.log_part import LogPart
from tests.servers import Addresses

LONG = "the-settlement-and-reconciliation-of-card-payments-of-partners"
# Sixteen steps are the most that a plan may have, and a role's name has at most 63 bytes.
MANY = tuple(f"svc_reconciliation_of_card_payments_of_the_partner_nr_{n:02}" for n in range(16))


@dataclass(frozen=True)
class TargetCluster:
    """The test run's target cluster, with what `Ledger` asks of a cluster."""

    superuser: str

    @property
    def port(self) -> int:
        return int(str(conninfo_to_dict(self.superuser)["port"]))

    def superuser_dsn(self, database: str = "postgres") -> str:
        return make_conninfo(self.superuser, dbname=database)


@dataclass(frozen=True)
class DemoTargets:
    """The demo's ledger, two of its roles misused once, and its simulated AWS account."""

    ledger: Ledger
    log: LogPart
    targets: str


def _books(addresses: Addresses) -> Ledger:
    """Prepare the ledger once for all processes of the test run, which share the cluster."""
    kept = addresses.target_log.parent.parent / "ledger-of-the-demo"
    kept.mkdir(exist_ok=True)
    for login in ledger.LOGINS:  # other tests use these logins meanwhile
        private.write(kept / f"{login}.password", install.PASSWORD)
    books = Ledger(TargetCluster(addresses.target), kept)  # type: ignore[arg-type]
    with psycopg.connect(addresses.target, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [install.LOCK])
        books.prepare()
        ledger.misuse(books.dsn(story.ROLE))
        ledger.misuse(books.dsn(story.ROTATED))
    return books


@contextmanager
def demo_targets(directory: Path, addresses: Addresses) -> Iterator[DemoTargets]:
    """Prepare the ledger on the test run's target cluster, and start the simulated account."""
    log = LogPart.from_now(addresses.target_log, directory / "server.log")
    books = _books(addresses)
    account = Cloud(directory / "cloud", story.CASE)
    child = account.start(directory / "aws.log")
    ids, files = {}, {}
    for login in ("observer", "operator"):
        ids[login], secret = account.credentials(login)
        files[login] = directory / f"aws-{login}.secret"
        files[login].write_text(secret, encoding="utf-8")
    store = FileStore(directory / "store")
    store.put_first(story.PLACE, story.ROTATED, books.password(story.ROTATED))
    yield DemoTargets(
        books,
        log,
        TARGETS.format(
            cluster=story.CLUSTER,
            observe_dsn=books.dsn_file(OBSERVER),
            operate_dsn=books.dsn_file(OPERATOR),
            ticket_dsn=books.dsn_file(TICKET),
            account=account.account,
            region=REGION,
            endpoint=account.url,
            observe_id=ids["observer"],
            observe_secret=files["observer"],
            operate_id=ids["operator"],
            operate_secret=files["operator"],
            store=story.STORE,
            store_directory=store.directory,
            rotated=story.ROTATED,
            place=story.PLACE,
        ),
    )
    child.stop(10)


class DemoWorld:
    """The demo's data in the test's database."""

    def __init__(self, world: World, made: DemoTargets) -> None:
        self.world = world
        self._made = made
        (world.directory / "targets.toml").write_text(made.targets, encoding="utf-8")
        tokens = world.directory / "agents"
        tokens.mkdir()
        with MonkeyPatch.context() as patch:
            patch.setitem(os.environ, "DEMO_TOKENS", str(tokens))
            patch.setitem(os.environ, "DEMO_API_TOKEN", f"oauth.token:{story.ISSUER}/{'0' * 64}")
            patch.setitem(os.environ, "DEMO_IMPORT", "1")
            for stage, process in SEEDED.items():
                with acts(f"hitl_{process}"), transaction.atomic():
                    seed.STAGES[stage]()

    def person(self, name: str) -> m.User:
        return m.User.objects.get(username=name)

    def agent(self, name: str) -> AgentActor:
        row = m.Agent.objects.get(name=name)
        token = m.AgentToken.objects.get(agent=row)
        return AgentActor(row.pk, token.pk, row.name)

    def reported(self, agent: str, body: dict[str, Any]) -> UUID:
        """Submit as the API does, and assess as the worker does."""
        given = report.from_json(body, protected=frozenset())
        with acts(WEB), transaction.atomic():
            made = submit.report(given, actor=self.agent(agent))
        assert made.proposal_id is not None
        self.world.assess(made.proposal_id)
        return made.proposal_id

    def proposals(self) -> dict[str, UUID]:
        """Return every proposal of the demo, and the largest that the API takes."""
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        keys, _ = analyse([story.CASE], "production", now)
        roles, _ = analyse_log(
            [self._made.log.copy()],
            story.CLUSTER,
            "production",
            now,
            places={story.ROTATED: f"{story.STORE}:{story.PLACE}"},
        )
        unknown, _ = analyse([story.UNKNOWN_CASE], "production", now)
        log = leak_scanner.build_log(self._made.ledger.leaked())
        return {
            "key": self.reported(story.AGENT, _planned(keys)),
            "role": self.reported(story.AGENT, _planned(roles, story.ROLE)),
            "rotation": self.reported(story.AGENT, _planned(roles, story.ROTATED)),
            "unknown": self.reported(story.AGENT, _planned(unknown)),
            "leak": self.reported(story.SCANNER, leak_scanner.report(log, tuple(story.LEAKED))),
            "uncited": self.reported(
                story.SCANNER, leak_scanner.report(log, ("svc_shipping",), cites=False)
            ),
            "many": self.reported(story.SCANNER, self._many(now)),
        }

    def _many(self, now: str) -> dict[str, Any]:
        """Sixteen roles with long names, each of a service with a long name; forty claims."""
        with acts(WEB), transaction.atomic():
            author = seed.actor("irene")
            for number, role in enumerate(MANY):
                locator = f"postgres.role:{story.CLUSTER}/{role}"
                seed.add_identity(author, "postgres.role", locator)
                facts = inventory.ServiceFacts(
                    f"team-{LONG}-{number % 5}", "production", "critical", number % 2 == 0, True
                )
                inventory.add_service(actor=author, name=f"{LONG}-{number}", facts=facts)
                seed.add_need(author, f"{LONG}-{number}", locator)
        with acts(OPERATORS), transaction.atomic():
            seed.give_rights_on_imported()
        content = "{" + ", ".join(f'"entry {n}": "{LONG} {n}"' for n in range(800)) + "}"
        digest = sha256(content.encode()).hexdigest()
        claims = [
            {
                "text": f"Entry {20 * n} and the following ones name {MANY[n % 16]}: " + LONG * 8,
                "citations": [
                    {"evidence": digest, "pointer": f"/entry {i}", "value": f"{LONG} {i}"}
                    for i in range(20 * n, 20 * n + 20)
                ],
            }
            for n in range(40)
        ]
        body: dict[str, Any] = leak_scanner.report(
            b'{"env": []}'.replace(b"[]", b'[{"user": "%s"}]' % MANY[0].encode()), MANY[:1]
        )
        body["incident"] |= {"title": f"Many roles: {LONG} " * 2, "external_id": "many"}
        body["evidence"] = [
            body["evidence"][0] | {"sha256": digest, "content": content, "source": LONG * 3}
        ]
        body["diagnosis"] |= {"summary": f"{LONG} " * 50, "claims": claims}
        body["proposal"]["plan"]["steps"] = [
            {
                "action": leak_scanner.ACTION,
                "target": {"kind": "postgres.role", "cluster": story.CLUSTER, "role": role},
                "parameters": {},
            }
            for role in MANY
        ]
        return body


def _planned(made: list[dict[str, Any]], role: str = "") -> dict[str, Any]:
    """Return the first report with a plan; of a role, the one about it."""
    return next(
        body
        for body in made
        if "proposal" in body and role in ("", body["incident"]["identity"].get("role"))
    )
