"""The import's page: a POST applies exactly the changes that were shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from audit.models import Entry
from remediation import models as m
from tests import factories
from tests.admin.conftest import Desk, DeskOf, entries, refusals, text_of
from tests.domain.intake.test_readers import EDGES, SERVICES

pytestmark = pytest.mark.django_db

PAGE = "remediation_service_import"
TEXT = SERVICES + "web,shop,production,high,yes,no,\napi,shop,,low,no,no,no\n"


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    cache.clear()
    yield


def hand_in(desk: Desk, *texts: str, **said: str) -> HttpResponse:
    given = [
        SimpleUploadedFile(f"f{n}.csv", text.encode()) for n, text in enumerate(texts, start=1)
    ]
    return desk.post(PAGE, **{"format": "csv", "complete": "no", **said}, given=given)


def upload_of(answer: HttpResponse) -> str:
    assert answer.status_code == 302, text_of(answer)
    return parse_qs(urlsplit(answer["Location"]).query)["upload"][0]


def shown(desk: Desk, *texts: str, **said: str) -> tuple[str, str, str]:
    """Upload files; return the page, the upload's id and the digest in its form."""
    upload = upload_of(hand_in(desk, *texts, **said))
    page = text_of(desk.get(PAGE, upload=upload))
    found = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
    return page, upload, found[1] if found else ""


def count() -> tuple[int, int]:
    return m.ServiceVersion.objects.count(), Entry.objects.count()


def messages_of(desk: Desk) -> str:
    return text_of(desk.get("remediation_service_changelist"))


def test_files_are_uploaded_previewed_and_confirmed(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    assert reverse(f"admin:{PAGE}") in text_of(desk.get("remediation_service_changelist"))
    page, upload, digest = shown(desk, TEXT, EDGES + "web,api,,\n")
    for words in ("New services", "web", "shop", "New dependencies", "f1.csv, line 2", digest):
        assert words in page
    assert page.count("(assumed)") == 1  # api's environment
    assert not m.Service.objects.exists()
    answer = desk.post(PAGE, upload=upload, digest=digest)
    assert answer["Location"] == reverse("admin:remediation_service_changelist")
    assert m.ServiceVersion.objects.get(service__name="web").author == desk.actor
    assert entries("person:inventory:imported")[0]["object"] == f"import:{digest}"
    assert "Imported. New: 2 services, 0 identities, 1 dependency" in messages_of(desk)


def test_a17_a_get_changes_nothing(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    _, upload, digest = shown(desk, TEXT)
    before = count()
    for query in (
        {},
        {"upload": upload},
        {"upload": upload, "digest": digest},
        {"upload": upload, "digest": digest, "loosen": "yes", "apply": "yes"},
    ):
        assert desk.get(PAGE, **query).status_code == 200
    assert count() == before
    assert not m.Service.objects.exists()


def test_a17_a_post_without_the_pages_token_is_refused(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    _, upload, digest = shown(desk, TEXT)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = desk.client.cookies
    answer = strict.post(reverse(f"admin:{PAGE}"), {"upload": upload, "digest": digest})
    assert answer.status_code == 403
    assert not m.Service.objects.exists()


def test_a03_the_bytes_that_are_applied_are_those_of_the_diff(desk_of: DeskOf) -> None:
    """An attacker who changes the cache between the requests cannot change what is confirmed."""
    import base64

    desk = desk_of("inventory_editor")
    _, upload, digest = shown(desk, TEXT)
    key = f"inventory-import:{desk.someone.id}:{upload.encode().hex()}"
    value = cache.get(key)
    milder = TEXT.replace(",high,yes,", ",low,no,").encode()
    value["files"][0][1] = base64.b64encode(milder).decode()
    cache.set(key, value)
    answer = desk.post(PAGE, upload=upload, digest=digest)
    assert not m.Service.objects.exists()
    assert refusals() == ["stale_digest"]
    # The page shows the current content of the cache, with its digest.
    page = text_of(desk.get(PAGE, upload=upload_of(answer)))
    assert digest not in page
    assert "this is not the change that was shown" in page


@pytest.mark.parametrize("digest", ["0" * 64, "x"])
def test_another_digest_is_refused(desk_of: DeskOf, digest: str) -> None:
    desk = desk_of("inventory_editor")
    _, upload, _ = shown(desk, TEXT)
    desk.post(PAGE, upload=upload, digest=digest)
    assert refusals() == ["stale_digest"]
    assert not m.Service.objects.exists()


def test_an_inventory_that_changed_meanwhile_is_shown_again(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    _, upload, digest = shown(desk, TEXT)
    factories.service("web", owner_team="others")
    answer = desk.post(PAGE, upload=upload, digest=digest)
    page = text_of(desk.get(PAGE, upload=upload_of(answer)))
    assert "<del>others</del>" in page
    assert m.Service.objects.count() == 1


def test_a45_loosening_is_marked_first_and_has_to_be_ticked(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    factories.service("web", criticality="high", payment_path=True)
    page, upload, digest = shown(desk, SERVICES + "web,,,low,,,\nnew,,,,,,\n")
    assert page.index("Less strict than before") < page.index("New services")
    assert '<strong class="mark">less strict</strong>' in page
    assert "checked" not in page.split("<form method")[-1]
    desk.post(PAGE, upload=upload, digest=digest)
    assert refusals() == ["would_loosen"]
    assert not m.Service.objects.filter(name="new").exists()
    desk.post(PAGE, upload=upload, digest=digest, loosen="yes")
    assert m.Service.objects.get(name="web").versions.count() == 2


def test_the_same_files_again_offer_nothing_to_confirm(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    _, upload, digest = shown(desk, TEXT)
    desk.post(PAGE, upload=upload, digest=digest)
    page, _, digest = shown(desk, TEXT)
    assert "Nothing to do: 2 objects match the files." in page
    assert digest == ""
    assert "Change the inventory" not in page


def test_a_confirmed_upload_is_gone(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    _, upload, digest = shown(desk, TEXT)
    desk.post(PAGE, upload=upload, digest=digest)
    desk.post(PAGE, upload=upload, digest=digest)
    assert refusals() == ["session_expired"]
    assert len(entries("person:inventory:imported")) == 1


def test_an_upload_can_be_used_only_by_its_person(desk_of: DeskOf) -> None:
    desk, other = desk_of("inventory_editor"), desk_of("inventory_editor")
    _, upload, digest = shown(desk, TEXT)
    assert other.get(PAGE, upload=upload).status_code == 302
    other.post(PAGE, upload=upload, digest=digest)
    assert refusals() == ["session_expired"] * 2
    assert not m.Service.objects.exists()


@pytest.mark.parametrize("role", ["user_admin", "agent_admin", "auditor"])
def test_a12_others_see_no_import_and_cannot(desk_of: DeskOf, role: str) -> None:
    desk = desk_of(role)
    assert reverse(f"admin:{PAGE}") not in text_of(desk.get("remediation_service_changelist"))
    assert desk.get(PAGE).status_code == 403
    assert hand_in(desk, TEXT).status_code == 403
    assert desk.post(PAGE, upload="x", digest="0" * 64).status_code == 403
    assert refusals() == ["not_entitled"] * 3
    assert not m.Service.objects.exists()


def test_a63_a_bad_file_is_named_on_the_form_and_on_record(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    answer = hand_in(desk, SERVICES + "web,=cmd,,,,,\n")
    page = text_of(answer)
    assert answer.status_code == 200
    assert "f1.csv, line 2: a cell begins with &#x27;=&#x27;" in page
    assert '<option value="csv" selected>' in page  # the form keeps the input
    assert refusals() == ["bad_value"]
    assert "MiB together" in text_of(hand_in(desk, TEXT + " " * (2 * 1024 * 1024)))


def test_an_import_with_too_many_changes_is_refused(
    desk_of: DeskOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    from remediation.admin import inventory_import

    monkeypatch.setattr(inventory_import, "MAX_CHANGES", 1)
    page = text_of(hand_in(desk_of("inventory_editor"), TEXT))
    assert "manage.py inventory_import" in page


def test_nothing_is_preselected(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    page = text_of(desk.get(PAGE))
    assert page.count('<option value="" selected>') == 3  # format, environment, complete
    assert "This field is required" in text_of(hand_in(desk, TEXT, complete=""))
    assert "This field is required" in text_of(hand_in(desk, TEXT, format=""))


def test_a01_what_files_say_is_inert(desk_of: DeskOf) -> None:
    desk = desk_of("inventory_editor")
    given: Any = SimpleUploadedFile(
        "<b>x</b>.yaml",
        "services: {a: {depends_on: ['<img src=x onerror=1>\u202eb']}}".encode(),
    )
    answer = desk.post(PAGE, format="compose", complete="no", given=[given])
    page = text_of(desk.get(PAGE, upload=upload_of(answer)))
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=1&gt;⟨U+202E⟩b" in page
    assert "<b>x</b>" not in page
