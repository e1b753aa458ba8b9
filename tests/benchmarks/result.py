"""Turn samples into numbers, aims and lines of text. Never fails a run: a machine may be
slow, and only ratios are compared."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmarks.measure import Samples

# On the way from the commit of the last approval to the call, in order.
PARTS = {
    "publish": "publish to the broker",
    "hop": "broker to task",
    "rest": "read the proposal and the plan",
    "claim": "claim the leases",
    "files": "targets and approvers files",
    "observe": "observe the target",
    "gather": "gather: people, reviews, agent",
    "scope": "gather: scope",
    "gate": "gate: digests, policy, signatures",
    "prepare": "prepare and snapshot",
    "begin": "transaction: execution, executing, intended",
}


@dataclass(frozen=True)
class Aim:
    """One aim and the measured value."""

    name: str
    value: float
    wanted: float
    at_least: bool

    @property
    def reached(self) -> bool:
        return self.value >= self.wanted if self.at_least else self.value <= self.wanted

    def line(self) -> str:
        sign = ">=" if self.at_least else "<="
        verdict = "reached" if self.reached else "missed"
        return f"  {self.name:<48} {self.value:7.2f}   aim {sign} {self.wanted:<5g} {verdict}"


def percentile(values: Sequence[float], per_cent: int) -> float:
    """Return the percentile by linear interpolation between the two nearest samples."""
    if len(values) < 2:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[per_cent - 1]


def milliseconds(values: Sequence[float]) -> dict[str, float]:
    return {
        "p50_ms": round(percentile(values, 50) * 1000, 2),
        "p95_ms": round(percentile(values, 95) * 1000, 2),
        "samples": len(values),
    }


def aims(samples: Samples, per_second: float) -> list[Aim]:
    apply50, apply95 = (percentile(samples["to apply"], p) for p in (50, 95))
    trip = percentile(samples["round trip"], 50)
    bare, ours = statistics.mean(samples["bare insert"]), statistics.mean(samples["submission"])
    return [
        Aim("approval to apply, p50, in bare round trips", apply50 / trip, 2.5, False),
        Aim("approval to apply, p95 in p50", apply95 / apply50, 2.0, False),
        Aim(f"approvals executed a second, {'four'} clients", per_second, 120, True),
        Aim("submissions, in bare inserts a second", bare / ours, 0.4, True),
    ]


def parts(samples: Samples, runs: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, Any]:
    """Return median milliseconds and statements of each part, the largest first."""
    publish = percentile(samples["publish"], 50)
    hop = max(0.0, percentile(samples["one way"], 50) - publish)
    found: dict[str, tuple[float, float]] = {"publish": (publish, 0), "hop": (hop, 0)}
    for name in {name for run in runs for name in run}:
        taken = [run.get(name, (0.0, 0)) for run in runs]
        found[name] = (
            statistics.median(part[0] for part in taken),
            statistics.median(part[1] for part in taken),
        )
    ordered = sorted(found, key=lambda name: -found[name][0])
    return {
        name: {"ms": round(found[name][0] * 1000, 2), "statements": int(found[name][1])}
        for name in ordered
    }


def lines(samples: Samples, per_second: float, by_part: Mapping[str, Any]) -> list[str]:
    """Return the printed lines."""

    def row(title: str, name: str) -> str:
        found = milliseconds(samples[name])
        return f"  {title:<48} {found['p50_ms']:7.2f} {found['p95_ms']:8.2f}   n={found['samples']}"

    total = sum(part["ms"] for part in by_part.values())
    said = [
        f"{'milliseconds':<50} {'p50':>7} {'p95':>8}",
        row("bare Celery round trip", "round trip"),
        row("  of it, the way to the task", "one way"),
        row("last approval committed -> test.noop applied", "to apply"),
        row("the POST of the last approval", "POST"),
        row("  with four clients", "POST of four"),
        row("last approval committed -> role is NOLOGIN", "to NOLOGIN"),
        row("  -> its sessions ended, on record as applied", "to applied"),
        row("bare DRF insert of one row", "bare insert"),
        row("POST of a report", "submission"),
        "",
        f"parts of approval -> apply, medians of a run in one process ({total:.1f} ms)",
    ]
    for place, (name, part) in enumerate(by_part.items(), start=1):
        count = f"{part['statements']} statements" if part["statements"] else ""
        title = f"{place}. {PARTS.get(name, name)}"
        said.append(f"  {title:<48} {part['ms']:7.2f}            {count}")
    return [*said, "", "aims", *(aim.line() for aim in aims(samples, per_second))]


def as_json(samples: Samples, per_second: float, by_part: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "milliseconds": {name: milliseconds(v) for name, v in samples.by_name.items()},
        "approvals_per_second": round(per_second, 1),
        "parts": dict(by_part),
        "aims": [
            {**asdict(aim), "value": round(aim.value, 3), "reached": aim.reached}
            for aim in aims(samples, per_second)
        ],
    }
