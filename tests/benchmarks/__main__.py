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
from types import FrameType
from typing import Any

from hitlportal.demo.installation import ROOT
from tests.benchmarks.house import House, house

OUTPUT = ROOT / "test-results" / "benchmark.json"
# Of each kind; WARM_UP of the first are not counted.
APPROVALS, THROUGHPUT, ROLES, PARTS = 160, 240, 20, 40
# A run that takes longer is stuck.
LIMIT_S = 240

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
    from tests.benchmarks.cast import cast

    approvals, burst, roles, parts = (
        max(20, round(n * scale)) for n in (APPROVALS, THROUGHPUT, ROLES, PARTS)
    )
    names = _make_roles(built, roles)
    noops = [measure.noop_job(number) for number in range(approvals + burst + parts)]
    jobs = [*noops, *(measure.role_job(name) for name in names)]
    everybody = cast([(job.kind, job.locator) for job in jobs])
    built.approvers.write_bytes(everybody.approvers_file())
    built.start_web()
    built.start_bare()
    section = measure.Measurement(built, everybody)
    _say(began, f"{len(jobs)} reports beside as many bare inserts")
    proposals = section.submissions(jobs)
    of_noops, of_roles = proposals[: len(noops)], proposals[len(noops) :]
    worker = built.start_worker()
    _say(began, "the worker assesses them")
    measure.until(lambda: measure.assessed(proposals) == len(proposals), "the assessments")
    _say(began, f"{approvals} approvals, each beside a bare round trip")
    section.approvals(of_noops[:approvals])
    _say(began, f"{roles} roles disabled on the second cluster")
    section.roles(dict(zip(of_roles, names, strict=True)))
    _say(began, f"{burst} approvals by {measure.CLIENTS} clients")
    per_second = section.throughput(of_noops[approvals : approvals + burst])
    worker.stop()
    _say(began, "the parts, in one process")
    by_part = result.parts(section.samples, section.parts(of_noops[approvals + burst :]))
    return (
        result.lines(section.samples, per_second, by_part),
        result.as_json(section.samples, per_second, by_part),
    )


def _make_roles(built: House, count: int) -> list[str]:
    """Roles of the second cluster that may be disabled, and the worker's way there."""
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
