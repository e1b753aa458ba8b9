"""manage.py policy_try: try the present or an earlier version of policy on recorded facts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from remediation.domain import policy, policy_try
from remediation.domain.errors import BadInput
from remediation.domain.facts import Facts
from remediation.domain.ruling import Ruling
from remediation.models import Assessment

# Read in pieces, so that the whole past does not have to fit into memory.
_AT_ONCE = 200


class Command(BaseCommand):
    help = (
        "Prints for which recorded assessments a version of policy asks something else than their"
        " rulings did. Reads only."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--version-of-policy", type=int, default=policy.VERSION, dest="rules",
            choices=sorted(policy_try.VERSIONS), help="default: the present one",
        )  # fmt: skip
        parser.add_argument("--most", type=int, default=1_000, help="newest assessments to try")

    def handle(self, *args: Any, **options: Any) -> None:
        recorded = list(self._recorded(options["most"]))
        found = policy_try.compare(recorded, policy_try.VERSIONS[options["rules"]])
        for difference in found:
            for line in difference.lines():
                self.stdout.write(line)
        self.stdout.write(
            f"{len(found)} of {len(recorded)} assessments would differ"
            f" under version {options['rules']}"
        )

    def _recorded(self, most: int) -> Iterator[policy_try.Recorded]:
        rows = Assessment.objects.order_by("-pk").values_list(
            "proposal_id", "round", "facts", "ruling"
        )
        for proposal, round_, facts, ruling in rows[:most].iterator(chunk_size=_AT_ONCE):
            name = f"proposal {proposal}, round {round_}"
            try:
                yield policy_try.Recorded(
                    name, Facts.parse(bytes(facts)), Ruling.parse(bytes(ruling))
                )
            except BadInput as error:
                self.stderr.write(f"{name}: cannot be read: {error}")
