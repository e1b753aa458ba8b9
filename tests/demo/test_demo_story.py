"""The demo's inventory files, its list of proposals, and suspended agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.urls import resolve

from hitlportal import banners as shown
from hitlportal.demo import banners, story, words
from hitlportal.demo.agent.client import ApiError
from hitlportal.demo.inventory_files import ANOTHER_SHOP, IMPORTED, ROLES, SHOP, Source
from hitlportal.demo.play.record import Place
from hitlportal.demo.run import Run
from hitlportal.demo.servers.errors import ServerError
from remediation.domain.intake.reading import File, read
from remediation.domain.intake.stated import Options, Stated


def stated(source: Source) -> Stated:
    files = [File(file.name, file.read_bytes()) for file in source.files]
    return read(source.format, files, Options(cluster=source.cluster))


@pytest.mark.parametrize("source", [*IMPORTED, ANOTHER_SHOP], ids=lambda source: source.format)
def test_the_importer_reads_every_source(source: Source) -> None:
    found = stated(source)
    assert found.services or found.identities


def test_the_tables_name_the_leaked_roles_and_services_that_the_manifests_have() -> None:
    tables, shop = stated(ROLES), stated(SHOP)
    assert tuple(tables.identities) == story.LEAKED_LOCATORS
    uses = {(source, identity) for source, _, identity in tables.edges}
    named = zip(story.LEAKED.values(), story.LEAKED_LOCATORS, strict=True)
    assert uses == set(named)
    assert {*story.LEAKED.values(), story.MISSED_SERVICE} <= set(shop.services)


def test_each_person_has_a_banner_whose_links_are_pages(tmp_path: Path) -> None:
    found = shown._read(str(banners.write(tmp_path / "banners.json")))
    assert set(found) == {person.username for person in story.PEOPLE}
    for person in story.PEOPLE:
        banner = found[person.username]
        assert f"You are {person.name}: {person.does}." in banner.text
        for _, address in banner.links:
            assert resolve(address)


def test_two_teams_use_the_shared_role_and_bob_decides_for_one_of_them() -> None:
    (bob,) = (person for person in story.PEOPLE if person.username == "bob")
    teams = [s.owner_team for s in story.SERVICES if story.SHARED_LOCATOR in s.needs]
    assert len(set(teams)) == 2
    assert len(set(teams) - set(bob.not_of)) == 1


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (Place("in_review", "Key", False, 0), "  in review  Key"),
        (Place("returned", "Key", False, 1), "  returned   Key  [a check failed]"),
        (Place("in_review", "K", True, 2), "  in review  K  [2 checks failed, corrected by frank]"),
    ],
)
def test_a_line_of_the_queue_shows_state_checks_and_correction(place: Place, said: str) -> None:
    assert words.line(place) == said


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run without processes; `said` collects its output."""
    made: Any = Run.__new__(Run)
    made.said, made._gave_up = [], set()
    made._say = made.said.append
    return made


def test_a_suspended_agent_does_not_end_the_demo_and_is_named_once(run: Any) -> None:
    def report() -> None:
        raise ApiError(403, {"title": "The agent is suspended.", "detail": ""})

    run._again("the role's", report)
    run._again("the role's", report)
    (said,) = run.said
    assert said.startswith("the role's proposal had expired; its agent is refused: 403")


def test_another_failure_ends_it(run: Any) -> None:
    def report() -> None:
        raise ServerError("the simulator is gone")

    with pytest.raises(ServerError):
        run._again("the role's", report)
