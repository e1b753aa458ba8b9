"""An operator's year in a minute: install as the page says, lose each server, restore a backup.

From the wheel, with the machine's PostgreSQL and RabbitMQ, by the commands of docs/operate.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.postgres import PostgresCluster
from tests.kills import rabbit
from tests.needs import system_postgres
from tests.packaging.site import ORIGIN, Site, until

POSTGRES = 15  # Debian 12
UNITS = (
    *("web", "worker", "assessor", "messenger", "sweeper", "reader"),
    *("sequencer", "beat"),
)
CHECKED = ("web", "worker", "sequencer", "owner")
# Which processes each account of a host asks about.
HEALTH = {
    "web": ("web",),
    "worker": ("worker", "assessor", "messenger", "sweeper", "reader"),
    "sequencer": ("sequencer",),
    "beat": ("beat",),
}
SWEPT = "Task remediation.sweep"


@pytest.fixture
def site(installed: Path) -> Iterator[Site]:
    rabbit.required()
    programs = system_postgres(POSTGRES)
    # Other accounts run the servers, and cannot enter pytest's directory.
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-site-"))
    directory.chmod(0o711)
    made = Site(directory, installed, programs)
    try:
        made.start_servers()
        made.install()
        yield made
    finally:
        made.stop_all()
        remove_home(directory)


def test_what_the_pages_say_installs_survives_each_server_and_restores(site: Site) -> None:
    in_order(site)
    site.start(*UNITS)
    for process, units in HEALTH.items():
        until(lambda: _healthy(site, process, *units), "a sign of life of each process")  # noqa: B023
    _loses_the_broker(site)
    _loses_the_database(site)
    _loses_the_cache(site)
    _loses_the_processes_in_the_back(site)
    known, dump = _backs_up(site)
    _adds(site, "after-the-backup")
    _restores(site, known, dump)


def _healthy(site: Site, process: str, *units: str) -> bool:
    where = ("--url", f"http://127.0.0.1:{site.web_port}/readyz")
    return site.try_to(process, "health", *units, *where).returncode == 0


def _doctor(site: Site) -> str:
    """Return what the doctor says of a site where something is wrong."""
    done = site.try_to("worker", "doctor")
    assert (done.returncode, done.stderr) == (1, "")
    return done.stdout


def _said(site: Site) -> str:
    return site.try_to("worker", "doctor").stdout


def in_order(site: Site) -> None:
    for process in CHECKED:
        site.run(process, "check", "--deploy")


def _loses_the_broker(site: Site) -> None:
    """Beat, worker and sweeper find a broker again that was killed, and nobody restarts them."""
    until(lambda: SWEPT in site.log("sweeper"), "the first sweep")
    site.rabbit.kill()
    assert "the broker cannot be used" in _doctor(site)
    site.rabbit.start()
    before = site.log("sweeper").count(SWEPT)
    until(lambda: site.log("sweeper").count(SWEPT) > before, "a sweep after the broker's end")
    assert [unit for unit in UNITS if not site.alive(unit)] == []


def _loses_the_database(site: Site) -> None:
    site.database.kill()
    assert "the database does not answer" in _doctor(site)
    site.database.start()
    before = site.log("sweeper").count("succeeded")
    until(lambda: site.log("sweeper").count("succeeded") > before, "a sweep after the database's")
    until(lambda: site.alive("sequencer"), "the sequencer")
    in_order(site)


def _loses_the_cache(site: Site) -> None:
    site.valkey.kill()
    assert "the cache cannot be used" in _doctor(site)
    site.valkey.start()
    in_order(site)


def _loses_the_processes_in_the_back(site: Site) -> None:
    """Without beat nothing is swept, without the sequencer nothing is signed: the doctor says so,
    and `health` says which process it is."""
    site.stop("beat", "sequencer")
    site.run("operator", "person", "add", "while-nobody-signs", "--group", "security")
    until(lambda: "nothing was swept" in _doctor(site), "the doctor to miss the sweeper")
    until(lambda: "the log's head is old" in _doctor(site), "the doctor to miss the sequencer")
    for process in ("beat", "sequencer"):
        until(lambda: not _healthy(site, process, process), f"{process} to be missed")  # noqa: B023
    site.start("beat", "sequencer")
    for process in ("beat", "sequencer"):
        until(lambda: _healthy(site, process, process), f"{process} to be back")  # noqa: B023
    until(lambda: "nothing was swept" not in _said(site), "a sweep after beat's end")
    until(lambda: "the log's head is old" not in _said(site), "the entries to be signed")
    in_order(site)


def _backs_up(site: Site) -> tuple[Path, Path]:
    """Return the newest head that somebody remembers, and a backup made after it."""
    _adds(site, "before-the-backup")
    known, dump = site.directory / "known", site.directory / "backup"
    known.write_bytes(_head(site).read_bytes())
    _postgres(site, "pg_dump", site.database, "--format", "custom", "--file", str(dump))
    return known, dump


def _adds(site: Site, name: str) -> None:
    """Make an account, and wait until the log's head has its entry."""
    size = _size(_head(site))
    site.run("operator", "person", "add", name, "--group", "security")
    until(lambda: _size(_head(site)) > size, f"{name} to be signed")


def _restores(site: Site, known: Path, dump: Path) -> None:
    """The section of backup.md about a restore that lost entries, step by step."""
    site.stop()
    site.database.stop()
    restored = site.cluster("restored")
    restored.start()
    try:
        site.logins(restored)
        _postgres(site, "pg_restore", restored, str(dump))
        site.run("owner", "install_grants")
        in_order(site)
        _goes_on_under_a_new_name(site, known)
    finally:
        site.stop()
        restored.stop()


def _goes_on_under_a_new_name(site: Site, known: Path) -> None:
    site.start("sequencer")
    until(lambda: not site.alive("sequencer"), "the sequencer to refuse the older database")
    assert "rollback" in site.log("sequencer")
    site.stop("sequencer")
    lost = site.directory / "lost"
    lost.write_bytes(_head(site).read_bytes())
    vkey = site.new_key(f"{ORIGIN}-2", "audit-2.key")
    start = str(site.directory / "start")
    reopened = ("audit_reopen", "--vkey", vkey, "--reason", "restored", "--out", start, "--seen")
    refused = site.try_to("worker", *reopened, str(lost), "--lost")
    assert refused.returncode == 1  # no witness saw what was lost
    assert "Traceback" not in refused.stderr and "the database has" in refused.stderr
    site.run("worker", *reopened, str(known))
    site.trust(vkey)
    (site.etc / "keys" / "audit-2.key").replace(site.etc / "keys" / "audit.key")
    Path(start).replace(_head(site))
    (site.var / "worker" / "head").unlink(missing_ok=True)
    site.start(*UNITS)
    renamed = f"{ORIGIN}-2\n"
    until(lambda: _head(site).read_text().startswith(renamed), "a head under the new name")
    _adds(site, "after-the-restore")
    assert "HOLDS" in site.run("worker", "audit_verify", "--seen", str(known))
    gone = site.try_to("worker", "audit_verify", "--seen", str(lost))
    assert gone.returncode == 1 and "DOES NOT HOLD" in gone.stderr  # the loss is said for good
    in_order(site)


def _head(site: Site) -> Path:
    return site.var / "sequencer" / "head"


def _size(head: Path) -> int:
    return int(head.read_text().splitlines()[1]) if head.exists() else 0


def _postgres(site: Site, program: str, cluster: PostgresCluster, *arguments: str) -> None:
    where = ("--dbname", cluster.superuser_dsn("hitlportal"))
    done = subprocess.run(
        [system_postgres(POSTGRES) / program, *where, *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
