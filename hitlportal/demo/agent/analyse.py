"""Turn files into reports; called by the command and the demo.

In: paths, the environment of the account or cluster, the time of collection (RFC 3339, Z).
Out: bodies of ``POST /api/v1/reports``, and messages about unreadable files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from hitlportal.demo.agent import postgres
from hitlportal.demo.agent.detect import detect
from hitlportal.demo.agent.reading import read
from hitlportal.demo.agent.records import Json
from hitlportal.demo.agent.report import reports


def analyse(
    paths: Sequence[Path], environment: str, now: str, *, alternatives: bool = False
) -> tuple[list[dict[str, Json]], list[str]]:
    """Return reports on CloudTrail files, and messages about unreadable files."""
    reading = read(paths)
    made = reports(detect(reading.records), environment, now, alternatives=alternatives)
    return made, reading.problems


def analyse_log(
    paths: Sequence[Path],
    cluster: str,
    environment: str,
    now: str,
    prefix: str = postgres.DEFAULT_PREFIX,
    *,
    places: Mapping[str, str] = MappingProxyType({}),
) -> tuple[list[dict[str, Json]], list[str]]:
    """Return reports on one PostgreSQL cluster's server logs, and messages about unreadable files.

    ``prefix`` is the cluster's log_line_prefix, ``places`` are those of `postgres.reports`. Raises
    ValueError when the prefix does not name process, user and database.
    """
    made, problems = [], []
    for path in paths:
        try:
            log = postgres.read(path, prefix)
        except (OSError, postgres.NotALog) as error:
            problems.append(f"{path.name}: {error}")
            continue
        made += postgres.reports(log, cluster, environment, now, places=places)
    return made, problems
