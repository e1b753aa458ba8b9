"""`make benchmark` still fits the portal, and its arithmetic is right; nothing is timed."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from remediation import models as m
from remediation.domain import report
from remediation.domain.intake.reading import File
from remediation.services.access import authorize
from remediation.services.actors import operator
from remediation.services.inventory import import_files
from tests.benchmarks import cast, door, inventory, measure, parts, result
from tests.conftest import AsLogin


@pytest.mark.django_db
def test_the_benchmarks_people_and_inventory_can_be_made_with_the_real_logins(
    as_login: AsLogin,
) -> None:
    job = measure.noop_job(1)
    with as_login("hitl_web"):
        made = cast.cast([(job.kind, job.locator)], lambda: as_login("hitl_operator"))
        assert authorize.roles(made.alice.user) == {"security"}
    people = json.loads(made.approvers_file())["approvers"]
    assert {UUID(entry["person"]) for entry in people} == {
        made.alice.user.person,
        made.bob.user.person,
    }


@pytest.mark.parametrize("job", [measure.noop_job(1), measure.role_job("svc1")])
def test_the_benchmarks_reports_are_accepted(job: measure.Job) -> None:
    told = report.parse(job.report, protected=settings.PROTECTED_CLUSTERS, allow_test=True)
    assert told.plan is not None
    assert [target.locator for target in told.plan.targets] == [job.locator]
    assert told.incident.identity.locator == job.locator


def test_the_passkeys_answer_has_the_form_of_a_browsers() -> None:
    from hitlportal.demo.people.passkey import SoftPasskey
    from remediation.domain.gate.signature import Assertion

    someone = cast.Person(user=None, passkey=SoftPasskey.create(), role="")  # type: ignore[arg-type]
    answer = door.answer(someone, {"challenge": "AAAA"})
    assert Assertion.from_browser(answer).credential_id == someone.passkey.credential_id


@pytest.mark.parametrize("path", parts.PARTS)
def test_every_part_is_a_function_of_the_portal(path: str) -> None:
    assert callable(import_string(path))
    assert parts.PARTS[path] in result.PARTS


def test_percentiles_lie_between_the_samples() -> None:
    assert result.percentile([3.0], 95) == 3.0
    assert result.percentile([1.0, 2.0, 3.0], 50) == 2.0
    assert result.percentile([float(n) for n in range(101)], 95) == 95.0


def test_an_aim_says_whether_it_is_reached() -> None:
    least = result.Aim("a second", 119.0, 120.0, at_least=True)
    most = result.Aim("in round trips", 2.5, 2.5, at_least=False)
    assert (least.reached, most.reached) == (False, True)
    assert least.line().endswith("missed")
    assert most.line().endswith("reached")


def test_parts_are_ordered_and_a_missing_part_counts_as_zero() -> None:
    samples = measure.Samples()
    for name, seconds in (("publish", 0.001), ("one way", 0.003)):
        samples.add(name, seconds)
    runs = [{"gate": [0.004, 0], "claim": [0.001, 1]}] * 3
    assert list(result.parts(samples, runs)) == ["gate", "hop", "publish", "claim"]
    assert result.parts(samples, runs)["hop"] == {"ms": 2.0, "statements": 0}


def test_a_slow_machine_measures_fewer_samples_but_a_minimum() -> None:
    assert len(list(measure.within(0, range(1000)))) == measure.LEAST
    assert len(list(measure.within(60, range(1000)))) == 1000


def test_the_benchmarks_large_inventory_can_be_imported_and_read(
    db: None, as_login: AsLogin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identities = inventory.write_tables(tmp_path, 25)
    files = [File(path.name, path.read_bytes()) for path in sorted(tmp_path.iterdir())]
    with as_login("hitl_web"):
        shown = import_files.prepare(actor=operator(), format="csv", files=files)
        import_files.apply(actor=operator(), format="csv", files=files, digest=shown.digest)
    assert (m.Service.objects.count(), m.Identity.objects.count()) == (25, identities)
    assert len(inventory.look(identities, "small")) == inventory.ASKED
    inventory.separation("small", inventory.proposals_on(identities)[:2])
    assert "small: scope query, p50 / p99" in capsys.readouterr().out
