"""A certificate is rotated from report to effect: a server that the map forgot stops the run."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from audit.tlog.canonical import Json
from hitlportal.demo.servers.openbao import BaoServer
from remediation import models as m
from remediation.domain import checks, plan, report
from remediation.domain.plan import Plan
from remediation.executors.stores.store import OpenPlace
from tests import factories
from tests.executors.tls import TlsWorld, TrustWorld, anchor_of, serial
from tests.flows.waiting import Waiting
from tests.flows.world import World


class Renewal(Waiting):
    """New certificate → wait until each server shows it → the old one revoked."""

    tls: TlsWorld

    def __post_init__(self) -> None:
        World.__post_init__(self)

    def begin(self, tls: TlsWorld, forgotten: int) -> None:
        self.tls = tls
        (tls.directory / "targets.toml").write_text(tls.toml())
        self.settings.TARGETS_FILE = str(tls.directory / "targets.toml")
        service = factories.service(environment=self.environment)
        for target in self.identities:
            located = plan.parse_target(target).locator
            identity = factories.identity(located, environment=self.environment)
            seen_as = f"127.0.0.1:{forgotten}"
            factories.dependency(service, identity, seen_as=seen_as, period_s=0)
        self.service = service
        for someone in self.people.values():
            factories.grant(someone.user, "review_service", service)

    @property
    def identities(self) -> list[dict[str, Json]]:
        return [self.certificate, self.old]

    @property
    def certificate(self) -> dict[str, Json]:
        return {"kind": "tls.certificate", "certificate": "orders"}

    @property
    def old(self) -> dict[str, Json]:
        return {"kind": "tls.issued", "certificate": "orders", "serial": serial(self.tls.first)}

    def report(self, **changes: Any) -> report.Report:
        name = self.targets[0]
        cited = {
            "evidence": sha256(factories.artefact(name)).hexdigest(),
            "pointer": "/target",
            "value": name,
        }
        return super().report(
            incident={
                "kind": "credential_misuse",
                "title": "Private key leaked",
                "identity": self.old,
                "detected_at": "2026-11-22T10:00:00Z",
            },
            diagnosis={
                "summary": "Its key leaked.",
                "identity": self.old,
                "confidence": 90,
                "claims": [{"text": f"{name} leaked", "citations": [cited]}],
            },
            **changes,
        )

    def issuing(self, step: int) -> dict[str, Json]:
        return {
            "action": "tls.certificate.issue",
            "target": self.certificate,
            "parameters": {"store": "files:orders/tls"},
            "wait": self.wait("served_new", step=step),
        }

    def plan(self) -> Plan:
        return self.parsed(
            self.issuing(0), {"action": "tls.issued.revoke", "target": self.old, "parameters": {}}
        )

    def parsed(self, *given: Json) -> Plan:
        steps = list(given)
        value: Json = {
            "version": 2, "environment": self.environment, "order": "move_first", "steps": steps
        }  # fmt: skip
        return plan.parse(value, protected=frozenset())


class AnotherCa(Renewal):
    """The new CA trusted → new certificate → wait → the old CA no longer trusted."""

    tls: TrustWorld

    @property
    def identities(self) -> list[dict[str, Json]]:
        return [self.certificate, self.old, self.billing]

    @property
    def billing(self) -> dict[str, Json]:
        return {"kind": "tls.trust", "certificate": "orders", "client": "billing"}

    def trusting(self, verb: str, anchor: str) -> dict[str, Json]:
        action = f"tls.trust.{verb}"
        return {"action": action, "target": self.billing, "parameters": {"anchor": anchor}}

    def plan(self) -> Plan:
        return self.parsed(
            self.trusting("add", self.tls.anchor),
            self.issuing(1),
            self.trusting("remove", self.tls.first_anchor),
        )


def test_another_ca_is_trusted_before_its_leaf_is_served_and_the_old_one_last(
    db: None,
    tmp_path: Path,
    settings: Settings,
    bao: BaoServer,
    django_capture_on_commit_callbacks: object,
) -> None:
    (tmp_path / "tls").mkdir()
    tls = TrustWorld("tls.trust.add", tmp_path / "tls", bao)
    try:
        tls.pki.make_default("second")
        world = AnotherCa(tmp_path, settings, (serial(tls.first),), "production")
        world.begin(tls, tls.ports[0])

        proposal_id = world.approved()
        world.execute(proposal_id)
        assert world.state_of(proposal_id) == "waiting", world.phases(proposal_id)
        assert {anchor_of(one) for one in certificates(tls)} == {tls.anchor, tls.first_anchor}

        world.tick(2)
        assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
        assert [anchor_of(one) for one in certificates(tls)] == [tls.anchor]
    finally:
        tls.close()


def certificates(tls: TrustWorld) -> list[str]:
    """Return the blocks of the trust of billing."""
    end = "-----END CERTIFICATE-----"
    text = tls.bundle.read_text().removeprefix("# Billing's\n")
    return [f"{one}{end}" for one in text.split(end) if one.strip()]


def test_a_forgotten_server_stops_the_run_until_it_shows_the_new_one(
    db: None,
    tmp_path: Path,
    settings: Settings,
    bao: BaoServer,
    django_capture_on_commit_callbacks: object,
) -> None:
    (tmp_path / "tls").mkdir()
    tls = TlsWorld("tls.certificate.issue", tmp_path / "tls", bao)
    try:
        # It reads a place of its own, which is not the store's: nobody delivers there.
        copy = tls.directory / "copy"
        (copy / "versions").mkdir(parents=True)
        (copy / "versions" / "first").symlink_to(tls.place / "versions" / "first")
        (copy / "current").symlink_to("versions/first")
        [forgotten] = tls.start([f"{copy}=reload"])
        world = Renewal(tmp_path, settings, (serial(tls.first),), "production")
        world.begin(tls, forgotten)

        proposal_id = world.approved()
        # Servers show the old one still; the plan waits until they do not.
        assessment = m.Assessment.objects.get(proposal=proposal_id)
        found = {one.name: one.outcome for one in checks.parse(bytes(assessment.checks))}
        assert found["precheck_refused"] == "pass"
        world.execute(proposal_id)
        assert world.state_of(proposal_id) == "waiting", world.phases(proposal_id)
        world.tick(2)
        look = m.WaitLook.objects.last()
        assert world.state_of(proposal_id) == "waiting"
        assert look is not None and world.service.name in look.unmet[0]["detail"]
        assert revoked(tls) == []

        version = (tls.place / "current").readlink().name
        (copy / "versions" / version).symlink_to(tls.place / "versions" / version)
        (copy / "draft").symlink_to(f"versions/{version}")
        (copy / "draft").replace(copy / "current")
        world.tick(2)
        assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
        assert revoked(tls) == [tls.first["serial_number"]]
    finally:
        tls.close()


def test_a_server_of_the_map_that_loads_it_late_is_waited_for(
    db: None,
    tmp_path: Path,
    settings: Settings,
    bao: BaoServer,
    django_capture_on_commit_callbacks: object,
) -> None:
    (tmp_path / "tls").mkdir()
    tls = TlsWorld("tls.certificate.issue", tmp_path / "tls", bao, ("reload", "asked"))
    try:
        world = Renewal(tmp_path, settings, (serial(tls.first),), "production")
        world.begin(tls, tls.ports[1])
        proposal_id = world.approved()
        world.execute(proposal_id)
        assert world.state_of(proposal_id) == "waiting", world.phases(proposal_id)
        world.tick(2)
        look = m.WaitLook.objects.last()
        assert world.state_of(proposal_id) == "waiting"
        assert look is not None and world.service.name in look.unmet[0]["detail"]
        assert revoked(tls) == []

        (tls.place / "reload").touch()
        world.tick(2)
        assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
        assert revoked(tls) == [tls.first["serial_number"]]
    finally:
        tls.close()


def test_a40_what_a_dead_worker_staged_is_promoted_and_no_second_one_is_issued(
    db: None,
    tmp_path: Path,
    settings: Settings,
    bao: BaoServer,
    django_capture_on_commit_callbacks: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "tls").mkdir()
    tls = TlsWorld("tls.certificate.issue", tmp_path / "tls", bao)
    try:
        world = Renewal(tmp_path, settings, (serial(tls.first),), "production")
        world.begin(tls, tls.ports[1])
        proposal_id = world.approved()
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(OpenPlace, "promote", _dies)
            world.execute(proposal_id)
        issued = len(tls.server.ask("LIST", f"{tls.pki.mount}/certs")["data"]["keys"])
        world.tick(3)
        assert world.state_of(proposal_id) == "succeeded", world.phases(proposal_id)
        made = m.StepRecord.objects.get(step=0, phase="applied").data["made"]
        assert (tls.place / "current").readlink().name.partition(".")[0] == made["version"]
        assert len(tls.server.ask("LIST", f"{tls.pki.mount}/certs")["data"]["keys"]) == issued
        assert revoked(tls) == [tls.first["serial_number"]]
    finally:
        tls.close()


def _dies(place: OpenPlace) -> None:
    raise KeyboardInterrupt


def revoked(tls: TlsWorld) -> list[str]:
    """Return the serial numbers that OpenBao has as revoked."""
    numbers = tls.server.ask("LIST", f"{tls.pki.mount}/certs")["data"]["keys"]
    found = []
    for number in numbers:
        number = number.replace("-", ":")
        one = tls.server.ask("GET", f"{tls.pki.mount}/cert/{number}")["data"]
        found += [number] if one["revocation_time"] else []
    return found
