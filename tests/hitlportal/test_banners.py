"""The line at the top of the pages, from the operator's file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from hitlportal.banners import Banner, banner_of
from hitlportal.demo import banners
from hitlportal.demo.story import PEOPLE


def test_a_person_has_a_banner_or_everybodys(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "banners.json"
    path.write_text(
        json.dumps({"*": {"text": "Training"}, "a": {"text": "A", "links": [["Q", "/queue/"]]}})
    )
    settings.BANNERS_FILE = str(path)
    assert banner_of("a") == Banner("A", (("Q", "/queue/"),))
    assert banner_of("b") == Banner("Training")
    settings.BANNERS_FILE = ""
    assert banner_of("a") is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"a": {}}', '{"a": {"text": "x", "links": [["t", "https://evil.example"]]}}'],
)
def test_a_wrong_file_is_named(text: str, tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "banners.json"
    path.write_text(text)
    settings.BANNERS_FILE = str(path)
    with pytest.raises(ImproperlyConfigured, match="HITL_BANNERS_FILE"):
        banner_of("a")


def test_the_demo_has_one_for_each_person(tmp_path: Path, settings: Settings) -> None:
    settings.BANNERS_FILE = str(banners.write(tmp_path / "banners.json"))
    for person in PEOPLE:
        shown = banner_of(person.username)
        assert shown is not None
        assert person.name in shown.text
        assert shown.links
