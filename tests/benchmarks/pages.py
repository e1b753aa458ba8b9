"""`python -m tests.benchmarks.pages`: the speed of pages with more and more proposals.

A thousand, a hundred thousand, a million proposals, made by SQL beside a template that the portal
itself made; then each page by Django's test client with the rights of the web login. Prints the
median server time and the number of statements of each page, and the ratio of medians to the
smallest size beside its aim. Never fails on one: compare ratios, not machines.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

SIZES = (1_000, 100_000, 1_000_000)
AIM, ROUNDS, WARM = 1.3, 25, 4
SQL = Path(__file__).with_suffix(".sql")
ROW = re.compile(rb'<a class="queuerow|<tr>|class="event"')
OUTPUT = Path("test-results") / "benchmark-pages.json"
SERVICES, AGENTS = 200, 20
# A page without proposals, requested alternately: it shows the machine's current speed.
BESIDE = "/passkeys/"
# The tables that pages.sql fills; their guards would check each row.
TABLES = (
    "incident", "incidentreport", "incidenttransition", "evidence", "diagnosis", "proposal",
    "proposaltarget", "assessment", "assessmentservice", "transition", "reviewsession", "review",
    "queueentry", "queueservice", "incidententry", "service", "serviceversion",
)  # fmt: skip


@dataclass
class Crowd:
    """The people who open pages, and rows made by the portal that they open."""

    alice: Any  # security, with the right to review every service
    rare: Any  # service owner of one service of two hundred
    some: Any  # security, for ten of them: at every size more than stands on a page
    lead: Any
    review: Any
    history: Any


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.benchmarks.pages", description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--only", default="", help="pages whose name holds this")
    parser.add_argument("--explain", action="store_true", help="print statements over 5 ms")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ.setdefault("HITL_TEST_POSTGRES", "embedded")
    import django

    django.setup()
    found: dict[str, dict[int, Result]] = {}
    with database() as dsn:
        crowd, have = cast(dsn), 0
        for size in sizes:
            began = time.monotonic()
            fill(dsn, crowd, have, size)
            have = size
            say(f"{size:,} proposals after {time.monotonic() - began:.0f} s")
            for name, result in measure(crowd, arguments.only, arguments.explain).items():
                found.setdefault(name, {})[size] = result
            report(found, sizes[: sizes.index(size) + 1])


@contextmanager
def database() -> Iterator[str]:
    """Install a database on separate servers; return the superuser's address."""
    from django.db import connection, connections
    from django.test.utils import setup_test_environment

    from hitlportal import roles
    from tests import servers

    setup_test_environment()
    name = connection.creation.create_test_db(verbosity=0)
    dsn = servers.addresses().portal.rsplit("/", 1)[0] + f"/{name}"
    roles.narrow_database(dsn, name)
    connection.ensure_connection()
    roles.apply_grants(connection.connection)
    try:
        yield dsn
    finally:
        connections.close_all()


def cast(dsn: str) -> Crowd:
    """Make people, agents, services, and through the portal one proposal of each kind."""
    from remediation import models as m
    from tests import factories

    template = factories.proposal("template")
    factories.assess(template, slots=("any",))
    agents = [factories.agent(name=f"robot{number}") for number in range(AGENTS)]
    tokens = [factories.token(agent) for agent in agents]
    with guardless(dsn) as root:
        root.execute("CREATE TABLE bench_agent (nr int PRIMARY KEY, id uuid, token uuid)")
        for nr, (agent, token) in enumerate(zip(agents, tokens, strict=True)):
            root.execute("INSERT INTO bench_agent VALUES (%s, %s, %s)", (nr, agent.pk, token.pk))
        _services(root)
    service_ids = _service_ids(dsn)
    crowd = Crowd(
        alice=factories.person("alice", roles=["security"]),
        rare=factories.person("rare", roles=["service_owner"]),
        some=factories.person("some", roles=["security"]),
        lead=factories.person("lena", roles=["lead"]),
        review=None,
        history=None,
    )
    for number in service_ids:
        factories.grant(crowd.alice.user, "review_service", m.Service(pk=number))
    factories.grant(crowd.rare.user, "review_service", m.Service(pk=service_ids[3]))
    for number in service_ids[:10]:
        factories.grant(crowd.some.user, "review_service", m.Service(pk=number))
    crowd.review = factories.proposal_at("in_review", "to-review", slots=("security", "any"))
    for service in m.AssessmentService.objects.filter(assessment__proposal=crowd.review):
        factories.grant(crowd.alice.user, "review_service", m.Service(pk=service.service_id))
    crowd.history = factories.proposal_at("succeeded", "to-read")
    return crowd


def _services(root: psycopg.Connection[Any]) -> None:
    root.execute(
        "INSERT INTO remediation_service (name, entry, recorded_at)"
        " SELECT 'bench' || n, 1, now() FROM generate_series(1, %s) n",
        (SERVICES,),
    )
    root.execute(
        "CREATE TABLE bench_service AS SELECT row_number() OVER (ORDER BY id) - 1 AS nr, id"
        " FROM remediation_service WHERE name LIKE 'bench%%'",
        (),
    )


def _service_ids(dsn: str) -> list[int]:
    with psycopg.connect(dsn) as root:
        return [row[0] for row in root.execute("SELECT id FROM bench_service ORDER BY nr")]


@contextmanager
def guardless(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """Act as superuser with the triggers of our tables disabled; restore them afterwards."""
    with psycopg.connect(dsn, autocommit=True) as root:
        names = root.execute(
            "SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger"
            " WHERE NOT tgisinternal AND tgrelid = ANY(%s::regclass[])",
            ([f"public.remediation_{table}" for table in TABLES],),
        ).fetchall()
        for table, name in names:
            root.execute(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
        # Foreign keys too: the inserted rows are consistent by construction.
        root.execute("SET session_replication_role = replica")
        try:
            yield root
        finally:
            for table, name in names:
                root.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def fill(dsn: str, crowd: Crowd, have: int, want: int) -> None:
    from remediation import models as m

    template = m.Proposal.objects.get(targets__locator="test.target:template")
    text = SQL.read_text(encoding="utf-8").format(
        first=have + 1, last=want, incident=template.incident_id, proposal=template.pk
    )
    with guardless(dsn) as root:
        root.execute(text)  # type: ignore[arg-type]
        root.execute("VACUUM ANALYZE")
        check(root)


def check(root: psycopg.Connection[Any]) -> None:
    """Require that pages.sql computed the same places as the triggers would."""
    wrong = root.execute(
        "WITH few AS (SELECT id FROM remediation_proposal ORDER BY md5(id::text) LIMIT 200),"
        " now AS (SELECT n.* FROM few, LATERAL remediation.queue_now_v1(few.id) n),"
        " kept AS (SELECT q.* FROM few JOIN remediation_queueentry q ON q.proposal_id = few.id)"
        " (TABLE now EXCEPT TABLE kept) UNION ALL (TABLE kept EXCEPT TABLE now)"
    ).fetchall()
    wrong += root.execute(
        "WITH few AS (SELECT * FROM remediation_queueentry ORDER BY md5(place) LIMIT 200),"
        " now AS (SELECT t.id, f.place FROM few f, unnest(f.touched) AS t(id)),"
        " kept AS (SELECT s.service, s.place FROM remediation_queueservice s"
        "           WHERE right(s.place, 36) IN (SELECT proposal_id::text FROM few))"
        " (TABLE now EXCEPT TABLE kept) UNION ALL (TABLE kept EXCEPT TABLE now)"
    ).fetchall()
    if wrong:
        raise SystemExit(f"places that are not what the facts say: {wrong}")


def pages(crowd: Crowd) -> dict[str, tuple[Any, str]]:
    """Return who opens which page."""
    from remediation import models as m
    from remediation.views.queue.cursors import sealed

    middle = m.QueueEntry.objects.filter(place__gte="1", place__lt="2").order_by("place")[60]
    return {
        "queue, reviewer of all services": (crowd.alice, "/queue/"),
        "queue, owner of 1 service of 200": (crowd.rare, "/queue/"),
        "queue, reviewer of 10 of 200": (crowd.some, "/queue/"),
        "queue, lead (sees all)": (crowd.lead, "/queue/"),
        "queue, mine": (crowd.alice, "/queue/?show=mine"),
        "queue, in review, second page": (
            crowd.lead,
            f"/queue/?state=review&after={sealed(middle.place)}",
        ),
        "queue, in review, low risk": (crowd.lead, "/queue/?state=review&risk=low"),
        "queue, production": (crowd.lead, "/queue/?environment=production"),
        "queue, one agent": (crowd.lead, "/queue/?agent=robot7"),
        "queue, search: a common word": (crowd.lead, "/queue/?q=misused"),
        "queue, search: one target": (crowd.lead, "/queue/?q=to-review"),
        # At every size ten times as many targets begin with it.
        "queue, search: a prefix of more": (crowd.lead, "/queue/?q=t210"),
        "queue, ended": (crowd.lead, "/queue/?state=ended"),
        "queue, ended, owner of 1 of 200": (crowd.rare, "/queue/?state=ended"),
        "queue, ended, reviewer of 10": (crowd.some, "/queue/?state=ended"),
        "queue, reviewer of 10, production": (crowd.some, "/queue/?environment=production"),
        "review": (crowd.alice, f"/proposals/{crowd.review.pk}/"),
        "review, its side": (crowd.alice, f"/proposals/{crowd.review.pk}/standing/"),
        "history": (crowd.lead, f"/proposals/{crowd.history.pk}/history/"),
        "incidents, lead": (crowd.lead, "/incidents/"),
        "incidents, owner of 1 of 200": (crowd.rare, "/incidents/"),
        "incident": (crowd.alice, f"/incidents/{crowd.review.incident_id}/"),
    }


Result = tuple[float, float, int, int]  # seconds, seconds of the reference page, statements, rows


def measure(crowd: Crowd, only: str, explain: bool) -> dict[str, Result]:
    from django.db import connection
    from django.test import Client

    from tests.views.conftest import sign_in

    clients: dict[int, Client] = {}
    for someone in (crowd.alice, crowd.rare, crowd.some, crowd.lead):
        clients[someone.user.pk] = Client()
        sign_in(clients[someone.user.pk], someone.user)
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE hitl_web")
    try:
        return {
            name: timed(name, clients[who.user.pk], address, explain)
            for name, (who, address) in pages(crowd).items()
            if only in name
        }
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")


def timed(name: str, client: Any, address: str, explain: bool) -> Result:
    """Return medians of requests after warm-up, each beside a request of the page that
    knows no proposals; and the statements of one."""
    from django.db import connection, reset_queries

    for _ in range(WARM):
        answer = client.get(address)
        if answer.status_code not in (200, 286):
            raise SystemExit(f"{name}: {answer.status_code}")
    connection.force_debug_cursor = True
    reset_queries()
    client.get(address)
    count = len(connection.queries)
    if explain:
        for query in connection.queries:
            if float(query["time"]) >= 0.005:
                say(f"    {query['time']} s  {query['sql'][:120]} … {query['sql'][-400:]}")
    connection.force_debug_cursor = False
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(seconds(client, BESIDE))
        ours.append(seconds(client, address))
    shown = len(ROW.findall(answer.content))
    return statistics.median(ours), statistics.median(theirs), count, shown


def seconds(client: Any, address: str) -> float:
    began = time.perf_counter()
    client.get(address)
    return time.perf_counter() - began


def report(found: dict[str, dict[int, Result]], sizes: list[int]) -> None:
    print("\n".join(lines(found, sizes)), flush=True)
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def lines(found: dict[str, dict[int, Result]], sizes: list[int]) -> list[str]:
    heads = "".join(f"{size:>20,}" for size in sizes)
    said = [f"{'median ms (statements, rows)':36}{heads}   ratio, aim <= {AIM}"]
    for name, by_size in found.items():
        cells = "".join(
            f"{ours * 1000:9.1f} ({count:>2}, {shown:>3})"
            for ours, _, count, shown in (by_size[size] for size in sizes)
        )
        first, last = by_size[sizes[0]], by_size[sizes[-1]]
        # Compared with the reference page of the same minute: a shared machine varies in speed.
        ratio = (last[0] / last[1]) / (first[0] / first[1])
        verdict = "reached" if ratio <= AIM else "missed"
        # A longer page takes longer to render, whatever the number of proposals.
        verdict += " (more rows)" if last[3] > 1.1 * first[3] else ""
        said.append(f"{name:36}{cells}   {ratio:5.2f} {verdict}")
    return said


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
