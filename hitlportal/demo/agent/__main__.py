"""``python -m hitlportal.demo.agent --url URL --token-file FILE --environment production PATH…``

Reads CloudTrail files (or, with ``--postgres-cluster NAME``, server logs), reports its findings and
prints one line per report. ``--dry-run`` prints the reports as JSON and sends nothing.
Exit status: 0 success, 1 a file could not be read or a report was refused, 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from hitlportal.demo.agent.analyse import analyse, analyse_log
from hitlportal.demo.agent.client import ApiError, Client, Unreachable, state_of
from hitlportal.demo.agent.pglog import DEFAULT_PREFIX, pattern_of
from hitlportal.demo.agent.records import Json

ENVIRONMENTS = ("production", "staging", "development")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    options = _options(argv)
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if options.postgres_cluster:
        made, problems = analyse_log(
            options.paths,
            options.postgres_cluster,
            options.environment,
            now,
            options.log_line_prefix,
            places=dict(options.password_at),
        )
        made = [report for report in made if options.role in ("", role_of(report))]
    else:
        made, problems = analyse(
            options.paths, options.environment, now, alternatives=options.alternatives
        )
    for problem in problems:
        print(f"not read: {problem}", file=sys.stderr)
    if options.dry_run:
        print(json.dumps(made, indent=2))
        return 1 if problems else 0
    token = options.token_file.read_text(encoding="utf-8").strip()
    sent = [_send(Client(options.url, token), report, options.wait) for report in made]
    if not made:
        print("nothing to report")
    return 0 if all(sent) and not problems else 1


def _send(client: Client, report: dict[str, Json], wait: int) -> bool:
    """Post one report and print the result; return whether the portal accepted it."""
    incident = report["incident"]
    title = incident["title"] if isinstance(incident, dict) else ""
    try:
        answer = client.report(report)
        print(f"{answer.status} {title}: {json.dumps(answer.body)}")
        for proposal in _proposal_ids(answer.body) if wait else ():
            print(f"proposal {proposal}: {state_of(client.follow(proposal, tries=wait).body)}")
    except (ApiError, Unreachable) as error:
        print(f"not accepted, {title}: {error}", file=sys.stderr)
        return False
    return True


def role_of(report: Mapping[str, Json]) -> str:
    """Return the database role that a report is about."""
    incident = report["incident"]
    identity = incident["identity"] if isinstance(incident, dict) else None
    return str(identity["role"]) if isinstance(identity, dict) else ""


def _place(text: str) -> tuple[str, str]:
    role, _, place = text.partition("=")
    if not role or ":" not in place:
        raise argparse.ArgumentTypeError("expected ROLE=STORE:PATH")
    return role, place


def _proposal_ids(body: Json) -> list[str]:
    """Return the ids of the proposals in the answer to a report: one, none, or alternatives."""
    if not isinstance(body, dict):
        return []
    others = body.get("alternatives")
    found = [body, *(others if isinstance(others, list) else [])]
    ids = [one.get("proposal") for one in found if isinstance(one, dict)]
    # Plain text, or an object with an id.
    plain = [one.get("id") if isinstance(one, dict) else one for one in ids]
    return [proposal for proposal in plain if isinstance(proposal, str)]


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hitlportal.demo.agent", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    parser.add_argument("--url", help="the portal, such as http://localhost:8000")
    parser.add_argument("--token-file", type=Path, help="file that holds the agent's token")
    parser.add_argument("--environment", choices=ENVIRONMENTS, default="production")
    parser.add_argument("--postgres-cluster", default="", help="PATHs are this cluster's logs")
    parser.add_argument("--role", default="", help="report on this role of the cluster only")
    parser.add_argument(
        "--password-at",
        action="append",
        default=[],
        type=_place,
        metavar="ROLE=STORE:PATH",
        help="where the role's programs read its password: then its rotation is proposed",
    )
    parser.add_argument("--log-line-prefix", default=DEFAULT_PREFIX, help="as set in the cluster")
    parser.add_argument(
        "--wait", type=int, default=0, help="poll the proposal's state so many times"
    )
    parser.add_argument(
        "--alternatives", action="store_true", help="offer a gentler plan where there is one"
    )
    parser.add_argument("--dry-run", action="store_true", help="print JSON, send nothing")
    options = parser.parse_args(argv)
    if not options.dry_run and not (options.url and options.token_file):
        parser.error("--url and --token-file are needed unless --dry-run is given")
    try:
        pattern_of(options.log_line_prefix)
    except ValueError as error:
        parser.error(str(error))
    return options


if __name__ == "__main__":
    sys.exit(main())
