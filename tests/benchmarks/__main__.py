"""`make benchmark`: the portal's speed, measured on real processes with durable servers.

Prints ratios beside the aims and never fails on one: compare runs of one machine, not machines.
This process has the web process's settings and login; servers and processes are its children.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from tests.benchmarks.house import House, house

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "test-results" / "benchmark.json"
# How many of each kind, and the seconds after which a slow or busy machine stops early.
APPROVALS, APPROVALS_S = 160, 60.0
ROLES, ROLES_S = 20, 15.0
BURST, BURST_S = 200, 30.0
PARTS, PARTS_S = 40, 10.0
# All takes one to three minutes; a longer run is stuck.
LIMIT_S = 236

TARGETS = """\
[test]
file = "calls.jsonl"
state_dir = "state"
[postgres.{cluster}]
observe_dsn = "{observe}"
operate_dsn_file = "operate.dsn"
"""


def main() -> None:
    arguments = _arguments()
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LIMIT_S)
    began = time.monotonic()
    with house() as built:
        _say(began, "servers run, the portal is installed")
        os.environ.update(built.environment("web"))
        os.environ["DJANGO_SETTINGS_MODULE"] = "hitlportal.settings"
        import django

        django.setup()
        lines, found = _run(built, arguments.scale, began)
    print("\n".join(lines))
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    _say(began, f"done; also in {OUTPUT.relative_to(ROOT)}")


def _run(built: House, scale: float, began: float) -> tuple[list[str], dict[str, Any]]:
    from tests.benchmarks import measure, result
    from tests.benchmarks.cast import cast, operators

    approvals, roles, burst, parts = (
        max(measure.LEAST, round(n * scale)) for n in (APPROVALS, ROLES, BURST, PARTS)
    )
    names = _make_roles(built, roles)
    role_jobs = [measure.role_job(name) for name in names]
    noops = [measure.noop_job(number) for number in range(approvals + burst + parts)]
    login = operators(built.installation.login_url("operator"))
    everybody = cast([(job.kind, job.locator) for job in [*role_jobs, *noops]], login)
    built.approvers.write_bytes(everybody.approvers_file())
    built.start_web()
    built.start_bare()
    section = measure.Measurement(built, everybody)
    _say(began, f"{approvals} reports, each beside a bare insert")
    proposals = section.submissions(noops[:approvals], APPROVALS_S / 2)
    worker = built.start_worker()
    measure.wait_for_assessments(proposals)
    _say(began, f"{len(proposals)} approvals, each beside a bare round trip")
    section.approvals(proposals, APPROVALS_S)
    _say(began, f"{roles} roles to disable on the second cluster")
    proposals = section.staged(role_jobs, ROLES_S / 2)
    section.roles(dict(zip(proposals, names, strict=False)), ROLES_S)
    _say(began, f"{burst} approvals by {measure.CLIENTS} clients")
    proposals = section.staged(noops[approvals : approvals + burst], BURST_S / 2)
    per_second = section.throughput(proposals, BURST_S)
    _say(began, "the parts, in one process")
    proposals = section.staged(noops[approvals + burst :], PARTS_S)
    worker.stop()
    by_part = result.parts(section.samples, section.parts(proposals))
    return (
        result.lines(section.samples, per_second, by_part),
        result.as_json(section.samples, per_second, by_part),
    )


def _make_roles(built: House, count: int) -> list[str]:
    """Make roles of the second cluster that may be disabled, and the worker's access to it."""
    from tests.benchmarks.cast import CLUSTER
    from tests.executors import install

    superuser = built.servers.target.superuser_dsn()
    logins = install.install(superuser)
    install.write_operate_dsn(built.directory, logins.operate)
    built.targets.write_text(TARGETS.format(cluster=CLUSTER, observe=logins.observe))
    (built.directory / "state").mkdir()
    names = [f"svc{number}" for number in range(count)]
    for name in names:
        install.make_role(superuser, name)
    return names


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make benchmark", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="so many times the samples")
    return parser.parse_args()


def _say(began: float, what: str) -> None:
    print(f"{time.monotonic() - began:5.1f} s  {what}", file=sys.stderr, flush=True)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"the benchmark took longer than {LIMIT_S} s")


if __name__ == "__main__":
    main()
