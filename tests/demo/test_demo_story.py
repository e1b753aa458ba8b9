"""The demo's inventory files, its list of proposals, and suspended agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hitlportal.demo import story, words
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
