"""`python -m tests.benchmarks.inventory`: an inventory of 50,000 services and 200,000 dependencies.

Built by `manage.py inventory_import` from CSV. Prints what an import, the scope of a plan and the
separation of duties cost beside a bare look-up by an index, and never fails on a figure. The graph
is a hard one: a service needs three of those made before it, all alike, so that nine of ten
identities reach hundreds of services, and some all that a scope may hold.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hitlportal.demo.installation import Installation
from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.servers import Servers

SERVICE = "service,owner_team,environment,criticality,payment_path,external_partner,retired\n"
IDENTITY = "identity,name,owner_team,environment,retired\n"
EDGE = "service,needs_service,needs_identity,present\n"
AIM_MS = 50.0
ASKED = 200


def say(what: str, found: str, aim: str = "") -> None:
    print(f"{what:64} {found:>26}  {aim}", flush=True)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def milliseconds(values: list[float]) -> str:
    return f"{percentile(values, 0.5):.2f} / {percentile(values, 0.99):.2f} ms"


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the milliseconds and the result."""
    began = time.perf_counter()
    found = call()
    return (time.perf_counter() - began) * 1_000, found


# ---- the inventory -------------------------------------------------------------------------------


def write_tables(directory: Path, services: int) -> int:
    """CSV of so many services, a fifth of that identities, and four dependencies a service; gives
    how many identities there are."""
    dice, identities = random.Random(50), services // 5
    with (directory / "1-services.csv").open("w") as file:
        file.write(SERVICE)
        file.writelines(
            f"svc-{n},team-{n % 400},production,{'critical' if n % 50 == 0 else 'medium'},"
            f"{'yes' if n % 20 == 0 else 'no'},no,no\n"
            for n in range(services)
        )
    with (directory / "2-identities.csv").open("w") as file:
        file.write(IDENTITY)
        file.writelines(
            f"test.target:b{n},,team-{n % 400},production,no\n" for n in range(identities)
        )
    with (directory / "3-dependencies.csv").open("w") as file:
        file.write(EDGE)
        file.writelines(edges(services, identities, dice))
    return identities


def edges(services: int, identities: int, dice: random.Random) -> Iterator[str]:
    for n in range(services):
        for needed in dict.fromkeys(dice.randrange(n) for _ in range(3 if n > 3 else 0)):
            yield f"svc-{n},svc-{needed},,yes\n"
        yield f"svc-{n},,test.target:b{dice.randrange(identities)},yes\n"


@contextmanager
def installed() -> Iterator[tuple[Servers, Installation, Path]]:
    """Start servers with durable writes, and install the portal's tables, logins and grants."""
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-benchmark-"))
    directory.chmod(0o711)  # started by root, servers run under another account
    servers = Servers(directory)
    try:
        with servers:
            made = Installation(
                directory, servers, "http://localhost:1", {"HITL_ALLOW_TEST_ACTIONS": "1"}
            )
            made.install()
            yield servers, made, directory
    finally:
        for server in (servers.portal, servers.target, servers.valkey):
            remove_home(server.home)
        shutil.rmtree(directory, ignore_errors=True)


def imports(made: Installation, directory: Path) -> None:
    """Run the command as an operator does: dry run, apply, and again."""
    command = ("inventory_import", "csv", str(directory))
    for what, arguments in (
        ("dry run of everything", ()),
        ("import of everything, in one transaction", ("--apply",)),
        ("the same files again: nothing to do", ("--apply",)),
    ):
        took, said = timed(lambda more=arguments: made.manage(*command, *more, process="web"))
        counted = [line for line in said.splitlines() if line.startswith(("New:", "Nothing"))]
        say(what, f"{took / 1_000:.1f} s", counted[0])


class Backend:
    """Return the processor time of the server process of our connection. Other work on the machine
    makes a query wait, but does not change this."""

    def __init__(self) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self._file = Path(f"/proc/{cursor.fetchone()[0]}/schedstat")

    def spent(self, call: Callable[[], Any]) -> tuple[float, float, Any]:
        """Return elapsed milliseconds, the server's processor milliseconds, and the result."""
        before = self._now()
        took, found = timed(call)
        return took, self._now() - before, found

    def _now(self) -> float:
        return int(self._file.read_text().split()[0]) / 1e6


# ---- the cost of reading -----------------------------------------------------------------------


def look(identities: int, when: str) -> list[int]:
    """Scopes of random identities beside a bare look-up, taking turns; gives how much each
    reached."""
    from remediation.services.assessment import scope
    from tests import factories

    dice = random.Random(7)
    plans = [factories.plan(f"b{dice.randrange(identities)}") for _ in range(ASKED)]
    scope.scope_of(plans[0])
    server = Backend()
    bare, bare_cpu, asked, cpu, whole, sizes = [], [], [], [], [], []
    for plan in plans:
        took, on, _ = server.spent(lambda p=plan: bare_lookup(p))
        bare.append(took)
        bare_cpu.append(on)
        took, on, found = server.spent(lambda p=plan: scope._read(p.targets))
        asked.append(took)
        cpu.append(on)
        sizes.append(len(found[0].services()))
        whole.append(timed(lambda p=plan: scope.scope_of(p).digest)[0])
    reached = f"{percentile(list(map(float, sizes)), 0.5):.0f}, at most {max(sizes):,}"
    say(f"{when}: services reached by an identity, median", reached)
    say(f"{when}: a bare look-up by an index, p50 / p99", milliseconds(bare))
    say(f"{when}: scope query, p50 / p99", milliseconds(asked), f"aim < {AIM_MS:.0f} ms")
    say(f"{when}:   of that on the server's processor", milliseconds(cpu))
    say(f"{when}:   the bare look-up likewise", milliseconds(bare_cpu))
    say(f"{when}: scope as the worker needs it, with its digest", milliseconds(whole))
    for low, high in ((0, 100), (100, 1_000), (1_000, 5_000), (5_000, 10_000)):
        part = [ms for ms, size in zip(cpu, sizes, strict=True) if low <= size < high]
        if part:
            say(f"{when}:   processor, reaching {low:,} to {high - 1:,}", milliseconds(part))
    ratio = statistics.median(cpu) / statistics.median(bare_cpu)
    say(f"{when}: scope in bare look-ups", f"{ratio:.0f} x")
    return sizes


def bare_lookup(plan: Any) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM public.remediation_identity WHERE locator = %s",
            [plan.targets[0].locator],
        )
        cursor.fetchall()


def separation(when: str, proposals: list[Any]) -> None:
    from remediation.services.access import authorize

    authorize.excluded(proposals[0].pk)
    server = Backend()
    spent = [server.spent(lambda p=one: authorize.excluded(p.pk)) for one in proposals]
    say(f"{when}: who may not decide, p50 / p99", milliseconds([took for took, _, _ in spent]))
    say(f"{when}:   of that on the server's processor", milliseconds([on for _, on, _ in spent]))


def proposals_on(identities: int) -> list[Any]:
    from tests import factories

    dice = random.Random(8)
    return [
        factories.proposal(f"b{dice.randrange(identities)}", in_inventory=False) for _ in range(40)
    ]


def analyse() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=50_000)
    services = parser.parse_args().services
    with installed() as (servers, made, directory):
        tables = directory / "tables"
        tables.mkdir()
        identities = write_tables(tables, services)
        imports(made, tables)
        # As superuser, because the tests' factories act as any login.
        os.environ.update(made.environment("web"))
        os.environ["HITL_DATABASE_URL"] = servers.portal.superuser_dsn("hitlportal")
        os.environ["DJANGO_SETTINGS_MODULE"] = "hitlportal.settings"
        import django

        django.setup()
        from remediation import models as m
        from tests import factories

        analyse()
        proposals = proposals_on(identities)
        look(identities, "imported just now")
        separation("imported just now, by an operator", proposals)
        factories.settle_inventory()
        analyse()
        look(identities, "imported 8 days ago")
        separation("nobody loosened anything for 7 days", proposals)
        someone = factories.person(roles=["inventory_editor"])
        service = m.Service.objects.get(name="svc-10")
        factories.service_version(service, author=someone.actor)
        separation("somebody loosened something", proposals)
    return 0


if __name__ == "__main__":
    sys.exit(main())
