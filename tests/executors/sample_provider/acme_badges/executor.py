"""Acme's badge system, played by files: one JSON file a badge, one line a change in a log.

[acme.<site>]
directory = "..."
operate_code_file = "..."      the code with which badges are changed
environment = "production"     optional
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from acme_badges.declaration import ADMIT, BLOCK, PROVIDER

from remediation.domain.catalogue.locators import escape
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step, Target
from remediation.executors.base import GONE, Deadline, Executor, Outcome, Snapshot
from remediation.executors.credentials import for_operating
from remediation.executors.driver import Driver, Places
from remediation.executors.errors import NotApplied, VerifyFailed
from remediation.executors.section import Secret, Section
from remediation.executors.targets import Targets


@dataclass(frozen=True)
class Site:
    directory: Path
    operate_code: Secret
    environment: str


@dataclass(frozen=True)
class Sites(Places):
    provider: ClassVar[str] = PROVIDER.name
    sites: Mapping[str, Site]

    def environment(self, target: Target) -> str:
        site = self.sites.get(target.fields["site"])
        return site.environment if site is not None else ""


def read(section: Section) -> Sites:
    return Sites(section.each(_site))


def _site(section: Section, _: str) -> Site:
    return Site(
        section.path("directory"), section.secret_file("operate_code"), section.environment()
    )


class _Badge(Executor):
    admitted: ClassVar[bool]

    def observe(self, step: Step, targets: Targets) -> Observation:
        held = _held(step, targets)
        if held is None:
            return GONE
        return Observation(
            True, {"admitted": held["admitted"]}, {"doors": held["doors"]}, simulated=True
        )

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        return _write(clearance, step, targets, self.admitted)

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        try:
            held = _held(step, targets)
        except TargetUnobservable as error:
            raise VerifyFailed(error.detail) from error
        if held is None or held["admitted"] is not self.admitted:
            raise VerifyFailed("the badge is not as it should be")
        return Outcome({"admitted": self.admitted})

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        return _write(clearance, step, targets, bool(snapshot["admitted"]))


class Block(_Badge):
    """Block a badge."""

    spec = BLOCK
    admitted = False


class Admit(_Badge):
    """Admit a badge again."""

    spec = ADMIT
    admitted = True


def _place(step: Step, targets: Targets) -> Site:
    sites, name = targets.of(Sites), step.target.fields["site"]
    if sites is None or name not in sites.sites:
        raise TargetUnobservable(f"this worker has no site {name}")
    return sites.sites[name]


def _file(step: Step, site: Site) -> Path:
    # A free name may hold "/" and dots; escaped it is one part of a path.
    return site.directory / f"badge-{escape(step.target.fields['badge'])}.json"


def _held(step: Step, targets: Targets) -> dict[str, Any] | None:
    site = _place(step, targets)
    if not site.directory.is_dir():
        raise TargetUnobservable("the badge system does not answer")
    path = _file(step, site)
    held: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return held


def _write(clearance: Clearance, step: Step, targets: Targets, admitted: bool) -> Outcome:
    try:
        site = _place(step, targets)
        for_operating(clearance, site.operate_code)
        held = _held(step, targets)
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from error
    if held is None:
        raise NotApplied("there is no such badge")
    with (site.directory / "changes.log").open("a") as log:
        log.write(f"{step.target.fields['badge']} {admitted} {step.parameters['ticket']}\n")
    _file(step, site).write_text(json.dumps({**held, "admitted": admitted}))
    return Outcome({"admitted": admitted})


DRIVER = Driver(PROVIDER.name, (Block, Admit), read)
