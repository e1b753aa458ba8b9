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
# How many of each kind, and the seconds after which a slow or busy machine does with fewer.
APPROVALS, APPROVALS_S = 160, 60
BURST, BURST_S = 240, 40
ROLES, ROLES_S = 20, 15
PARTS = 40
ALL_NOOPS = APPROVALS + BURST + PARTS
SUBMISSIONS_S = 40
# All of it takes one to three minutes; what takes longer is stuck.
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
    from tests.benchmarks.cast import cast

    roles, noops = (max(measure.LEAST, round(n * scale)) for n in (ROLES, ALL_NOOPS))
    names = _make_roles(built, roles)
    jobs = [measure.role_job(name) for name in names]
    jobs += [measure.noop_job(number) for number in range(noops)]
    everybody = cast([(job.kind, job.locator) for job in jobs])
    built.approvers.write_bytes(everybody.approvers_file())
    built.start_web()
    built.start_bare()
    section = measure.Measurement(built, everybody)
    _say(began, "reports, beside as many bare inserts")
    proposals = section.submissions(jobs, SUBMISSIONS_S)
    of_roles = dict(zip(proposals, names, strict=False))
    approvals, burst, parts = _shares(proposals[len(names) :])
    worker = built.start_worker()
    _say(began, f"the worker assesses {len(proposals)} proposals")
    measure.until(lambda: measure.assessed(proposals) == len(proposals), "the assessments")
    _say(began, f"{len(approvals)} approvals, each beside a bare round trip")
    section.approvals(approvals, APPROVALS_S)
    _say(began, f"{len(names)} roles disabled on the second cluster")
    section.roles(of_roles, ROLES_S)
    _say(began, f"{len(burst)} approvals by {measure.CLIENTS} clients")
    per_second = section.throughput(burst, BURST_S)
    worker.stop()
    _say(began, "the parts, in one process")
    by_part = result.parts(section.samples, section.parts(parts))
    return (
        result.lines(section.samples, per_second, by_part),
        result.as_json(section.samples, per_second, by_part),
    )


def _shares(proposals: list[str]) -> tuple[list[str], list[str], list[str]]:
    """For the approvals one by one, the burst and the parts, as APPROVALS, BURST and PARTS say."""
    one, two = (round(len(proposals) * n / ALL_NOOPS) for n in (APPROVALS, APPROVALS + BURST))
    return proposals[:one], proposals[one:two], proposals[two:]


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
