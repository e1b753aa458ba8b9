"""`python -m tests.benchmarks.kills`: kill processes and servers while plans of three steps run.

Compares the target's own log, its state and the portal's record afterwards, and fails when they
disagree. `--seed N --only K` plays run K of a campaign alone, `--broker rabbitmq` on RabbitMQ.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from tests.kills.scenario import Abilities, Kill, Scenario, campaign
from tests.kills.stack import RABBITMQ, VALKEY, Stack, stack

if TYPE_CHECKING:
    from tests.kills.campaign import Outcome

KILLS, SEED = 200, 1
# In the product 90 s. Long enough for a call on a busy machine, short enough for many runs.
LEASE_S = 12.0
RUN_WITHIN_S = 60
AT_ONCE = 6
PATIENCE_S = 150.0


def main() -> None:
    asked = _arguments()
    began = time.monotonic()
    with stack(asked.lease, asked.run_within, Random(asked.seed), asked.broker) as built:
        os.environ.update(built.environment("web"))
        os.environ["DJANGO_SETTINGS_MODULE"] = "hitlportal.settings"
        import django

        django.setup()
        outcome = _play(built, asked)
        if asked.keep:
            _keep(built, asked.keep)
    left = built.lives()
    seconds = time.monotonic() - began
    found = as_json(outcome, asked, seconds) | {"processes_left": left}
    print("\n".join(lines(outcome, asked, seconds)))
    if asked.json:
        Path(asked.json).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.exit(0 if outcome.holds and not left else 1)


def _play(built: Stack, asked: argparse.Namespace) -> Outcome:
    from tests.kills import people
    from tests.kills.campaign import Campaign

    runs = chosen(asked, people.abilities())
    playing = Campaign(built, runs, at_once=asked.at_once, patience=asked.patience)
    built.start_processes()
    return playing.play()


def chosen(asked: argparse.Namespace, able: Abilities) -> list[Scenario]:
    if asked.this:
        return [one_run(number, words) for number, words in enumerate(asked.this)]
    runs = campaign(asked.seed, asked.kills, able)
    return [run for run in runs if not asked.only or run.number in asked.only]


def one_run(number: int, words: str) -> Scenario:
    """Return a run that was written out: `victim place step [twist step]`."""
    victim, place, step, *rest = words.split()
    twist, at = rest if rest else ("", "0")
    return Scenario(number, (Kill(victim, place, int(step)),), twist, int(at))


def lines(outcome: Outcome, asked: argparse.Namespace, seconds: float) -> list[str]:
    """Return the report. Each disagreement names the command that plays its run again."""
    numbers = {str(run.proposal): run.scenario.number for run in outcome.runs}
    found = [
        f"kills {outcome.kills}, runs {len(outcome.runs)}, started again {outcome.started_again},"
        f" {seconds:.0f} s, seed {asked.seed}, {asked.broker}",
        *(f"  {count:4} {reason}" for reason, count in sorted(outcome.reasons.items())),
        *(f"  {count:4} refused: {reason}" for reason, count in outcome.refusals.most_common(12)),
        f"  {sum(run.unknown for run in outcome.runs):4} were unknown for a while",
        f"  {outcome.stalled:4} workers consumed nothing and were replaced",
        f"  {sum(run.missed for run in outcome.runs):4} kills came after the run's end",
        f"  {outcome.unsequenced:4} audit entries without a place in the log",
        f"  {len(outcome.findings):4} disagreements",
    ]
    for finding in outcome.findings:
        number = numbers[finding.proposal]
        found += [f"{finding}", f"  --seed {asked.seed} --kills {asked.kills} --only {number}"]
    for number, words in outcome.gave_up.items():
        found += [f"run {number}: {words}", f"  --seed {asked.seed} --only {number}"]
    return found


def as_json(outcome: Outcome, asked: argparse.Namespace, seconds: float) -> dict[str, Any]:
    return {
        "seed": asked.seed,
        "broker": asked.broker,
        "kills": outcome.kills,
        "runs": len(outcome.runs),
        "seconds": round(seconds, 1),
        "ends": dict(outcome.reasons),
        "killed_after_the_end": sum(run.missed for run in outcome.runs),
        "unsequenced_entries": outcome.unsequenced,
        "stalled_workers": outcome.stalled,
        "unknown_for_a_while": sum(run.unknown for run in outcome.runs),
        "findings": [str(finding) for finding in outcome.findings],
        "gave_up": {str(number): words for number, words in outcome.gave_up.items()},
        "victims": sorted({kill.victim for run in outcome.runs for kill in run.scenario.kills}),
    }


def _keep(built: Stack, where: str) -> None:
    """Copy the logs, for looking into a disagreement."""
    Path(where).mkdir(parents=True, exist_ok=True)
    for log in (*built.directory.glob("*.log"), built.servers.target.log):
        (Path(where) / log.name).write_bytes(log.read_bytes())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--only", type=int, nargs="*", default=[], help="play these runs alone")
    parser.add_argument("--this", nargs="*", default=[], help="`victim place step [twist step]`")
    parser.add_argument("--broker", choices=(VALKEY, RABBITMQ), default=VALKEY)
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    parser.add_argument("--lease", type=float, default=LEASE_S)
    parser.add_argument("--run-within", type=int, default=RUN_WITHIN_S)
    parser.add_argument("--patience", type=float, default=PATIENCE_S)
    parser.add_argument("--json", default="", help="write the numbers to this file")
    parser.add_argument("--keep", default="", help="copy the logs to this directory")
    return parser.parse_args()


if __name__ == "__main__":
    main()
