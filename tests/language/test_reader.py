"""Who is spoken to in which language."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from pytest_django import Settings

from remediation.models import Refusal
from remediation.templatetags import portal
from remediation.templatetags.inert import measure
from tests.language.pseudo import CODE
from tests.language.reading import read

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.mark.django_db
def test_a_browser_chooses_and_caches_are_told(speaks: None) -> None:
    page = Client().get("/account/login/", headers={"accept-language": "xx, en;q=0.5"})
    assert page["Content-Language"] == CODE
    assert "Accept-Language" in page["Vary"]
    assert read(page.content.decode(), CODE).language_of_page == (CODE, "ltr")
    assert Client().get("/account/login/")["Content-Language"] == "en"


@pytest.mark.django_db
def test_a_language_that_is_not_offered_is_not_spoken() -> None:
    page = Client().get("/account/login/", headers={"accept-language": "de"})
    assert page["Content-Language"] == "en"
    assert django_settings.LANGUAGES == [("en", "English")]


@pytest.mark.django_db
def test_from_right_to_left(speaks: None, settings: Settings) -> None:
    settings.LANGUAGES_BIDI = [CODE]
    page = Client().get("/account/login/", headers={"accept-language": CODE})
    assert read(page.content.decode(), CODE).language_of_page == (CODE, "rtl")


ONE = "8e03978e-40d5-43dd-bc93-6894a57f9324"


@pytest.mark.django_db
def test_agents_are_spoken_to_in_one_language(speaks: None) -> None:
    """A wire format has none: the same request gets the same bytes, whatever it prefers."""
    here, there = (
        Client().get("/api/v1/actions", headers={"accept-language": language, "x-request-id": ONE})
        for language in ("en", CODE)
    )
    assert here.status_code == 401
    assert there.content == here.content
    assert "Content-Language" not in there
    assert "Accept-Language" not in there.get("Vary", "")


@pytest.mark.django_db
def test_what_a_script_shows_is_translated_and_what_is_on_record_is_not(speaks: None) -> None:
    answer = Client().post(
        reverse("passkey_add_start"),
        json.dumps({"name": "x"}),
        content_type="application/json",
        headers={"accept-language": CODE},
    )
    said = answer.json()
    assert answer.status_code == 401
    assert said["title"].startswith("⟦")
    assert said["recorded"] == "sign in again"
    assert said["name"] == "not_authenticated"
    assert not Refusal.objects.exists()


def test_times_in_words_are_translated_and_for_machines_they_are_not(
    speaks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: AT)
    with translation.override(CODE):
        said = portal.until(AT + timedelta(minutes=5))
        assert 'datetime="2026-11-22T10:05:00Z"' in said
        assert 'title="2026-11-22 10:05:00 UTC"' in said
        assert 'data-clock="until">⟦⟦5 ḿĩń····⟧ ĺēƒť···⟧<' in said


def test_what_is_kept_of_a_pill_or_an_icon_has_no_language_of_its_own(speaks: None) -> None:
    for _ in range(2):
        assert "rolled back" in portal.pill("rolled_back")
        with translation.override(CODE):
            assert "ŕōĺĺēď" in portal.pill("rolled_back")
            assert "⟦" in portal.icon("check", translation.gettext_lazy("holds"))
        assert 'aria-label="holds"' in portal.icon("check", translation.gettext_lazy("holds"))


def test_numbers_for_people_are_grouped_as_their_language_does(settings: Settings) -> None:
    assert portal.size(1_234_567) == "1,234,567 bytes"
    assert measure("x" * 1_234) == "1 line, 1,234 characters"
    settings.LANGUAGES = [("en", "English"), ("de", "German")]
    with translation.override("de"):
        assert portal.size(1_234_567) == "1.234.567 bytes"
