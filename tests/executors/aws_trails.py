"""Trails of CloudTrail in the simulated AWS (moto)."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from audit.tlog.canonical import Json
from tests.executors import moto
from tests.executors.aws_policies import DeniedUserWorld

_NUMBERS = itertools.count()
REGION, ELSEWHERE = "us-east-1", "eu-west-1"
NARROWED = {"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True, "DataResources": []}


class TrailWorld(DeniedUserWorld):
    """A trail that was started, and stopped by an intruder."""

    def __init__(self, action: str, directory: Path, simulator: moto.Moto) -> None:
        super().__init__(action, directory, simulator)
        self.name = f"trail-{next(_NUMBERS)}"
        self.admins = self.moto.admin("cloudtrail")
        made = self.admins.create_trail(
            Name=self.name,
            S3BucketName=moto.BUCKET,
            IsMultiRegionTrail=True,
            EnableLogFileValidation=True,
        )
        self.arn = made["TrailARN"]
        self.admins.start_logging(Name=self.name)
        self.admins.stop_logging(Name=self.name)
        if action.endswith("restore_selectors"):
            self.admins.put_event_selectors(TrailName=self.name, EventSelectors=[NARROWED])

    def new_user(self) -> moto.User:
        return moto.User("", "", "")

    @property
    def target(self) -> dict[str, Json]:
        return {
            "kind": "aws.trail",
            "account": moto.ACCOUNT,
            "region": REGION,
            "trail": self.name,
        }

    @property
    def gone(self) -> dict[str, Json]:
        return {**self.target, "trail": "no-such-trail"}

    @property
    def resources(self) -> list[str]:
        return [self.arn]

    def records(self) -> bool:
        return bool(self.admins.get_trail_status(Name=self.name)["IsLogging"])

    def look(self) -> object:
        return self.records(), self.selectors()

    def selectors(self) -> tuple[Any, Any]:
        found = self.admins.get_event_selectors(TrailName=self.name)
        return found.get("EventSelectors"), found.get("AdvancedEventSelectors")

    def lines(self) -> list[dict[str, Any]]:
        """Return the portal's changing calls for this trail in the target's own log."""
        return [
            line
            for line in self.moto.lines()
            if line["key"] != moto.ADMIN["id"] and line["parameters"].get("Name") == self.arn
        ]
