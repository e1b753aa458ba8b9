"""Every name that PostgreSQL allows can be a target: report, observation, page, execution.

On a real cluster, through the API, with the login of each process.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from pytest_django import Settings

from audit.tlog.canonical import Json
from remediation import models as m
from remediation.domain import plan, report
from remediation.domain.approval_conditions import to_type
from remediation.domain.catalogue.locators import escape
from remediation.domain.headline import headline
from remediation.services.actors import AgentActor, PersonActor
from remediation.services.reporting import agents
from tests import factories
from tests.api.conftest import Caller, close_cache
from tests.conftest import AsLogin
from tests.executors import install
from tests.executors.conftest import Cluster
from tests.executors.contract import CLUSTER
from tests.flows.world import World, acts
from tests.servers import Addresses
from tests.views.conftest import Browser, text_of

pytestmark = pytest.mark.django_db

# The three of the situations, then hostile ones.
NAMES = (
    "billing-sa@acme.iam",
    "my app identity",
    "1st_sync",
    "\u00fcn\u00efcode",
    "u\u0308nnormal",
    "x on PostgreSQL cluster prod, and end",
    'say "no"; --\\',
    "' OR true; DROP ROLE x",
    "../a/b:c?d#e%41",
    "two\nlines\t",
    "\u202egnp.\u200b<b>&amp;{role}",
    "\U0001f600" * 15 + "abc",
    " ",
)


class RoleWorld(World):
    """A role of this name on a real cluster, used by a service in production."""

    name: str
    logins: install.Logins

    def inject(self, failures: dict[str, dict[str, Any]]) -> None:
        install.write_operate_dsn(self.directory, self.logins.operate)
        (self.directory / "targets.toml").write_text(
            f'[postgres.{CLUSTER}]\nobserve_dsn = "{self.logins.observe}"\n'
            'operate_dsn_file = "operate.dsn"\n',
            encoding="utf-8",
        )

    @property
    def target(self) -> dict[str, Json]:
        return {"kind": "postgres.role", "cluster": CLUSTER, "role": self.name}

    @property
    def locator(self) -> str:
        return f"postgres.role:{CLUSTER}/{escape(self.name)}"

    def plan(self) -> plan.Plan:
        step: Json = {"action": "postgres.role.disable", "target": self.target, "parameters": {}}
        return plan.parse(
            {"version": 1, "environment": "production", "steps": [step]}, protected=frozenset()
        )

    def body(self) -> dict[str, Any]:
        """Return what the agent posts."""
        content = json.dumps({"role": self.name, "client": "198.51.100.7"})
        digest = sha256(content.encode()).hexdigest()
        cited = {"evidence": digest, "pointer": "/role", "value": self.name}
        return {
            "incident": {
                "kind": "credential_misuse",
                "title": "Role misused",
                "identity": self.target,
                "detected_at": "2026-11-22T10:00:00Z",
            },
            "evidence": [
                {
                    "sha256": digest,
                    "source": "server log",
                    "media_type": "application/json",
                    "collected_at": "2026-11-22T10:00:00Z",
                    "attacker_writable": False,
                    "content": content,
                    "encoding": "utf-8",
                }
            ],
            "diagnosis": {
                "summary": "It is misused.",
                "identity": self.target,
                "confidence": 90,
                "claims": [{"text": "The role is misused.", "citations": [cited]}],
            },
            "proposal": {
                "plan": {
                    "version": 1,
                    "environment": "production",
                    "steps": [
                        {
                            "action": "postgres.role.disable",
                            "target": self.target,
                            "parameters": {},
                        }
                    ],
                },
                "rationale": "Stop it.",
            },
        }

    def report(self, **changes: Any) -> report.Report:
        return report.from_json({**self.body(), **changes}, protected=frozenset())

    def can_log_in(self, superuser: str) -> bool:
        with psycopg.connect(superuser) as connection:
            row = connection.execute(
                "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [self.name]
            ).fetchone()
            assert row is not None
            return bool(row[0])


@contextmanager
def a_role(superuser: str, name: str) -> Iterator[str]:
    """Create the role, yield its own DSN without a login, and drop it."""
    drop = sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name))
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(drop)
        yield install.make_role(superuser, name)
        connection.execute(drop)


@pytest.fixture
def target_cluster(addresses: Addresses) -> Cluster:
    return Cluster(addresses.target, addresses.target_log)


@pytest.fixture
def world(
    db: None,
    tmp_path: Path,
    settings: Settings,
    target_cluster: Cluster,
    request: pytest.FixtureRequest,
) -> Iterator[RoleWorld]:
    # Roles are shared by all processes of a test run; only the name of one test must be exact.
    RoleWorld.name = request.param.replace("UNIQUE", uuid4().hex)
    RoleWorld.logins = install.installed(target_cluster.superuser)
    # WhiteNoise warns if it is missing, and warnings are errors.
    (tmp_path / "static").mkdir()
    settings.STATIC_ROOT = str(tmp_path / "static")
    with a_role(target_cluster.superuser, RoleWorld.name):
        made = RoleWorld(tmp_path, settings)
        key = factories.identity(made.locator, kind="postgres.role", environment="production")
        factories.dependency(m.Service.objects.get(), key)
        factories.settle_inventory()
        yield made
        close_cache()


def caller(world: RoleWorld, as_login: AsLogin) -> Caller:
    """Return the agent's client with a token of its own."""
    eve = factories.person(roles=["agent_admin"])
    with as_login("hitl_web"):
        token, text = agents.issue_token(
            actor=PersonActor(eve.id, eve.user.pk), agent_id=world.agent.agent_id
        )
    row = m.Agent.objects.get(pk=world.agent.agent_id)
    world.agent = AgentActor(row.pk, token.pk, row.name)
    return Caller(row, token, text, as_login)


@pytest.mark.parametrize("world", NAMES, indirect=True, ids=escape)
def test_a01_a_role_of_any_name_goes_from_report_to_effect(
    world: RoleWorld, target_cluster: Cluster, as_login: AsLogin
) -> None:
    superuser = target_cluster.superuser
    posted = caller(world, as_login).post("reports", world.body())
    assert posted.status_code == 201, posted.content
    proposal_id = UUID(json.loads(posted.content)["proposal"])
    proposal = world.get(proposal_id)
    # The plan carries the name as it is; the rows have its one locator, and the guard agrees.
    assert json.loads(bytes(proposal.plan))["steps"][0]["target"] == world.target
    assert [row.locator for row in proposal.targets.all()] == [world.locator]
    assert proposal.incident.locator == world.locator

    world.assess(proposal_id)
    assessment = m.Assessment.objects.get(proposal_id=proposal_id)
    seen = json.loads(bytes(assessment.observation))[world.locator]
    assert (seen["exists"], seen["state"]["login"]) == (True, True)
    checks = {c["name"]: c for c in json.loads(bytes(assessment.checks))["checks"]}
    for name in ("evidence_names_other_identity", "target_unknown", "target_unobservable"):
        assert checks[name]["outcome"] == "pass", checks[name]

    page = text_of(Browser(as_login, world.people["alice"]).get("review", proposal_id))
    (step,) = world.plan().steps
    (heading,) = re.findall(r'<h1 lang="en">(.*?)</h1>', page, re.DOTALL)
    assert words_of(heading) == re.sub(r"\s+", " ", headline(world.plan()))
    ends = f"(cluster {CLUSTER}) and close its open sessions"
    assert headline(world.plan()).endswith(ends)
    assert step.sentence.endswith(f"on PostgreSQL cluster {CLUSTER}, and end its open sessions.")
    assert re.sub(r"\s+", " ", step.sentence) in re.sub(r"\s+", " ", words_of(page))
    if world.conditions(proposal_id).names:
        assert world.conditions(proposal_id).names == (to_type(world.plan().targets[0]),)

    world.decide("alice", proposal_id)
    world.decide("bob", proposal_id)
    assert world.can_log_in(superuser)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded", world.refusals(proposal_id)
    assert not world.can_log_in(superuser)
    text_of(Browser(as_login, world.people["alice"]).get("execution", proposal_id))
    # The next one finds the target held or changed under the same locator.
    assert m.Lease.objects.filter(target=world.locator).count() == 1


@pytest.mark.parametrize("world", ["svc UNIQUE"], indirect=True)
def test_a_name_that_reads_alike_is_another_role(world: RoleWorld, target_cluster: Cluster) -> None:
    """A no-break space: the portal touches the one that the plan names."""
    other = world.name.replace(" ", "\u00a0")
    with a_role(target_cluster.superuser, other):
        key = factories.identity(f"postgres.role:{CLUSTER}/{escape(other)}", kind="postgres.role")
        factories.dependency(m.Service.objects.get(), key)
        factories.settle_inventory()
        proposal_id = world.approved()
        assessment = m.Assessment.objects.get(proposal_id=proposal_id)
        checks = {c["name"]: c for c in json.loads(bytes(assessment.checks))["checks"]}
        assert checks["look_alike_names"]["outcome"] == "warn"
        assert "svc%C2%A0" in checks["look_alike_names"]["reason"]
        world.execute(proposal_id)
        assert not world.can_log_in(target_cluster.superuser)
        with psycopg.connect(target_cluster.superuser) as connection:
            row = connection.execute(
                "SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [other]
            ).fetchone()
        assert row == (True,)


@pytest.mark.parametrize("world", ["UNIQUE"], indirect=True)
@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("", "1 to 63 bytes of UTF-8 without NUL"),
        ("a" * 64, "1 to 63 bytes of UTF-8 without NUL; it has 64"),
        ("\u00fc" * 32, "it has 64"),
        ("a\0b", "NUL"),
        ("postgresql://app:Zx81kQ93ppLw@db/orders", "it looks like a secret"),
        ("hitl_web\n", "the role administers the cluster"),
    ],
    ids=["empty", "64", "32 of two", "NUL", "connection string", "protected"],
)
def test_a_name_that_is_not_served_is_refused_with_the_reason(
    world: RoleWorld, as_login: AsLogin, name: str, detail: str
) -> None:
    made = caller(world, as_login)
    RoleWorld.name = name
    refused = made.post("reports", world.body())
    assert refused.status_code in (400, 422), refused.content
    assert detail in refused.content.decode()


@pytest.mark.parametrize("world", ["my app UNIQUE"], indirect=True)
def test_people_find_a_proposal_by_the_name_as_it_is(world: RoleWorld, as_login: AsLogin) -> None:
    proposal_id = world.in_review()
    found = text_of(Browser(as_login, world.people["alice"]).get("queue", q=world.name[:16]))
    assert str(proposal_id) in found
    with acts("hitl_web"), suppress(StopIteration):
        text = text_of(Browser(as_login, world.people["alice"]).get("queue", q="your app"))
    assert str(proposal_id) not in text


# ---- what the action does not stop --------------------------------------------------------------


@pytest.mark.parametrize("world", ["limits UNIQUE"], indirect=True)
def test_the_page_says_what_it_does_not_stop_from_what_was_seen(
    world: RoleWorld, target_cluster: Cluster, as_login: AsLogin
) -> None:
    """Members are named because they were seen; their names add no words (A01)."""
    hostile = f"none. Everything stops \u202e{uuid4().hex[:6]}"
    superuser = target_cluster.superuser
    with a_role(superuser, hostile), psycopg.connect(superuser, autocommit=True) as connection:
        names = sql.Identifier(world.name), sql.Identifier(hostile)
        before = world.in_review()
        assert "It does not stop its members" not in said(world, as_login, before)
        connection.execute(sql.SQL("GRANT {} TO {}").format(*names))
        world.assess(before, reason="drift")
        page = said(world, as_login, before)
        quoted = hostile.replace("\u202e", "⟨U+202E⟩")
        assert f"took the role on go on: “{quoted}”. as seen 20" in page
        assert f"UTC on {CLUSTER}" in page
        connection.execute(sql.SQL("REVOKE {} FROM {}").format(*names))


@pytest.mark.parametrize("world", ["unseen UNIQUE"], indirect=True)
def test_the_page_says_what_was_not_looked_at(world: RoleWorld, as_login: AsLogin) -> None:
    (world.directory / "targets.toml").write_text("", encoding="utf-8")
    proposal_id = world.in_review()
    page = said(world, as_login, proposal_id)
    assert "Members of the role were not looked at" in page
    assert "as seen" not in page
    told = json.loads(caller(world, as_login).get(f"proposals/{proposal_id}").content)
    (step,) = told["does_not_stop"]
    assert step["seen"][0] == "Members of the role were not looked at. They keep its rights."
    assert "It does not change the password." in step["never"]


def said(world: RoleWorld, as_login: AsLogin, proposal_id: UUID) -> str:
    """Return the steps in full, under Evidence, as a person reads them."""
    page = text_of(Browser(as_login, world.people["alice"]).get("review", proposal_id))
    card = page[page.index('id="steps"') : page.index('class="evidenceside"')]
    return words_of(card)


def words_of(page: str) -> str:
    """Return the text between the tags."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", page)))
