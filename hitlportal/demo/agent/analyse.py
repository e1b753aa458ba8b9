"""From files to reports: what the command and the demo call.

In: paths, the environment that the account or cluster belongs to, the time of collection
(RFC 3339, Z). Out: bodies of ``POST /api/v1/reports``, and in words what could not be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hitlportal.demo.agent import postgres
from hitlportal.demo.agent.detect import detect
from hitlportal.demo.agent.reading import read
from hitlportal.demo.agent.records import Json
from hitlportal.demo.agent.report import reports


def analyse(
    paths: Sequence[Path], environment: str, now: str
) -> tuple[list[dict[str, Json]], list[str]]:
    """Reports on CloudTrail files, and in words what could not be read."""
    reading = read(paths)
    return reports(detect(reading.records), environment, now), reading.problems


def analyse_log(
    paths: Sequence[Path],
    cluster: str,
    environment: str,
    now: str,
    prefix: str = postgres.DEFAULT_PREFIX,
) -> tuple[list[dict[str, Json]], list[str]]:
    """Reports on the server logs of one PostgreSQL cluster, and what could not be read.

    ``prefix`` is the cluster's log_line_prefix; raises ValueError when it does not say who.
    """
    made, problems = [], []
    for path in paths:
        try:
            log = postgres.read(path, prefix)
        except (OSError, postgres.NotALog) as error:
            problems.append(f"{path.name}: {error}")
            continue
        made += postgres.reports(log, cluster, environment, now)
    return made, problems
