"""Auditors' pages: who may read, that reading is on record first, and what is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection, connections
from pytest_django import Settings

from audit import log, reading
from audit.erase import erase
from audit.models import Entry
from audit.tlog import bundle
from audit.tlog.proof import Proof
from audit.tlog.proof import verify as verify_proof
from audit.verifying import verify
from remediation import models as m
from tests import factories
from tests.domain import record
from tests.factories import Person
from tests.flows.world import World, acts
from tests.views.conftest import Answer, BrowserOf, text_of

# The auditor's login sees only what is committed.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])


@pytest.fixture
def world(tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings)


@pytest.fixture
def carol() -> Person:
    return factories.person("carol-a", roles=["auditor"])


@pytest.fixture(autouse=True)
def _connections_end() -> Iterator[None]:
    """An open connection of the auditor would hold up the flush after the test."""
    yield
    connections["auditor"].close()


def newest() -> dict[str, object]:
    return dict(Entry.objects.order_by("-pk")[0].data)


@pytest.fixture(autouse=True)
def _nothing_waits(world: World) -> None:
    """What the fixtures wrote is in the tree."""
    world.integrate()


def ids(page: str) -> list[int]:
    return [int(found) for found in re.findall(r'href="/audit/entries/(\d+)/"', page)]


def test_an_auditor_reads_entries_newest_first(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    world.in_review()
    assert "waiting to be sealed" in text_of(browser_of(carol).get("audit_entries"))
    world.integrate()
    found = ids(text_of(browser_of(carol).get("audit_entries")))
    assert found == sorted(found, reverse=True)
    assert len(found) == min(50, Entry.objects.count() - 2)


def test_reading_is_on_record_before_the_first_row_is_read(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    browser = browser_of(carol)
    for name, args in (("audit_entries", []), ("audit_entry", [1]), ("audit_incidents", [])):
        browser.get(name, *args)
        assert newest()["action"] == "person:audit:read"
        assert newest()["actor"] == carol.actor
    world.integrate()
    first = ids(text_of(browser.get("audit_entries")))[0]
    assert Entry.objects.get(pk=first).data["action"] == "person:audit:read"


def test_a_filter_finds_what_an_entry_is_about(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    proposal_id = world.in_review()
    about = f"proposal:{proposal_id}"
    world.integrate()
    found = ids(text_of(browser_of(carol).get("audit_entries", object=about)))
    assert found
    assert {Entry.objects.get(pk=pk).data["object"] for pk in found} == {about}
    page = text_of(browser_of(carol).get("audit_entries", object="' OR 1=1 --"))
    assert ids(page) == []


def test_pages_follow_each_other_by_key_both_ways(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    for _ in range(120):
        factories.entry("person:audit:read", carol.actor, "page:test")
    world.integrate()
    browser = browser_of(carol)

    def page_of(**place: str) -> tuple[list[int], dict[str, str]]:
        page = text_of(browser.get("audit_entries", object="page:test", **place))
        links = dict(re.findall(r'href="\?(?:[^"]*&amp;)?(before|after)=(\d+)"', page))
        return ids(page), links

    first, links = page_of()
    assert "after" not in links
    second, links = page_of(before=links["before"])
    third, last = page_of(before=links["before"])
    assert [len(first), len(second), len(third)] == [50, 50, 20]
    assert "before" not in last
    assert min(first) > max(second) > min(second) > max(third)
    # And back again.
    assert page_of(after=last["after"])[0] == second
    assert page_of(after=links["after"])[0] == first


def test_entries_are_found_by_kind_time_and_words(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    factories.entry("person:audit:read", carol.actor, "page:unique", note="albatross over Basel")
    world.integrate()
    browser = browser_of(carol)
    (found,) = ids(text_of(browser.get("audit_entries", q="albatross basel")))
    assert Entry.objects.get(pk=found).data["object"] == "page:unique"
    assert ids(text_of(browser.get("audit_entries", q='"basel albatross"'))) == []
    kinds = ids(text_of(browser.get("audit_entries", action="person:audit:read")))
    assert {Entry.objects.get(pk=pk).data["action"] for pk in kinds} == {"person:audit:read"}
    assert ids(text_of(browser.get("audit_entries", q="albatross", until="2020-01-01T00:00"))) == []
    assert ids(text_of(browser.get("audit_entries", q="albatross", since="2020-01-01T00:00")))


@pytest.mark.parametrize(
    "query",
    [
        {"action": "no:such:kind"}, {"since": "yesterday"}, {"q": "x" * 10_000},
        {"before": "1; DROP TABLE"}, {"before": "9" * 30}, {"after": "-1"}, {"q": "'%_\\"},
        {"q": "\x00"}, {"object": "\x00"}, {"actor": "%"},
    ],
    ids=str,
)  # fmt: skip
def test_whatever_is_asked_is_answered(
    world: World, carol: Person, browser_of: BrowserOf, query: dict[str, str]
) -> None:
    answer = browser_of(carol).get("audit_entries", **query)
    assert answer.status_code in (200, 400)
    assert newest()["action"] == "person:audit:read"


def test_each_entry_is_said_in_words(world: World, carol: Person, browser_of: BrowserOf) -> None:
    proposal_id = world.in_review()
    world.integrate()
    page = text_of(browser_of(carol).get("audit_entries", object=f"proposal:{proposal_id}"))
    assert "assessed proposal “" in page
    assert "” for round 1." in page


def test_an_entry_is_shown_with_its_exact_bytes(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    entry = Entry.objects.order_by("pk")[0]
    page = text_of(browser_of(carol).get("audit_entry", entry.pk))
    assert bytes(entry.body).decode().replace('"', "&quot;") in page


def test_an_entry_that_is_not_there_is_not_found(carol: Person, browser_of: BrowserOf) -> None:
    assert browser_of(carol).get("audit_entry", 10**12).status_code == 404


def test_a_proof_is_shown_and_downloaded_and_verifies(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    entry = Entry.objects.order_by("pk")[2]
    browser = browser_of(carol)
    page = text_of(browser.get("audit_entry", entry.pk))
    assert str(record.SIGNER.vkey) in page
    proof = Proof.parse(browser.get("audit_proof", entry.pk).content.decode())
    body = browser.get("audit_body", entry.pk).content
    assert body == bytes(entry.body)
    assert verify_proof(proof, body, record.POLICY, verify).checkpoint.size > 2


def test_a_commitment_is_opened_until_it_is_erased(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    made = log.append(
        action="person:user:created",
        actor="person:x",
        object="person:y",
        data={},
        private={"email": "ada@example.org"},
    )
    assert "ada@example.org" in text_of(browser_of(carol).get("audit_entry", made.id))
    commitment = Entry.objects.get(pk=made.id).data["data"]["email"]["hmac-sha256"]
    with acts("hitl_eraser"):
        erase([commitment], actor="operator:t", ground="GDPR 17", by="ada", second="bob")
    page = text_of(browser_of(carol).get("audit_entry", made.id))
    assert "ada@example.org" not in page
    assert "erased" in page
    assert commitment in page


def test_the_state_of_the_log(world: World, carol: Person, browser_of: BrowserOf) -> None:
    page = text_of(browser_of(carol).get("audit_log"))
    assert "not run yet" in page
    log.append(
        action="system:log:broken",
        actor="system:verification",
        object="log:all",
        data={"problem": "leaf 7"},
    )
    world.integrate()
    for name, words in (
        ("audit_log", "failed<small>"),
        ("audit_entries", "The last verification of the log failed."),
    ):
        assert words in text_of(browser_of(carol).get(name))
    assert "leaf 7" in text_of(browser_of(carol).get("audit_log"))


@pytest.mark.parametrize("kind", ["tar", "jsonl", "csv", "ocsf"])
def test_the_log_is_taken_whole_and_that_is_on_record_first(
    world: World, carol: Person, browser_of: BrowserOf, kind: str
) -> None:
    answer = browser_of(carol).get("audit_download", kind)
    assert newest()["action"] == "person:audit:exported"
    assert newest()["data"] == {"format": kind, "size": world.sequencer.growth.size}  # type: ignore[union-attr]
    whole = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    if kind in ("tar", "jsonl"):
        assert int(answer["Content-Length"]) == len(whole)
    assert len(whole) > 1_000


def test_an_incidents_life_is_one_timeline_with_its_bundle(
    world: World, carol: Person, browser_of: BrowserOf, tmp_path: Path
) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.integrate()
    incident = m.Proposal.objects.get(pk=proposal_id).incident
    page = text_of(browser_of(carol).get("incident_record", incident.pk))
    said = [
        "opened incident", "proposed proposal", "assessed proposal", "signed “approve”",
        "was approved", "began to execute", "as applied", "carried out proposal", "is contained",
    ]  # fmt: skip
    places = [page.find(text) for text in said]
    assert -1 not in places
    assert places == sorted(places)
    answer = browser_of(carol).get("incident_bundle", incident.pk)
    made = b"".join(answer.streaming_content)
    assert int(answer["Content-Length"]) == len(made)
    assert newest()["action"] == "person:bundle:exported"
    found = bundle.verify(made, record.POLICY, verify=verify)
    assert found.incident == str(incident.pk)
    assert text_of(browser_of(carol).get("audit_incidents")).count("Record and evidence bundle")


TIMES = ["0001-01-01T00:00:00+15:59", "9999-12-31T23:59:59-15:59", "2026-11-26T04:00:00", "x", None]

DATA: tuple[object, ...] = (
    [], {"size": "</textarea><script>"}, {"a": {"hmac-sha256": "ab" * 32}}, 7, None,
)  # fmt: skip


def test_a_record_that_is_too_long_for_a_page_says_so(
    world: World, carol: Person, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a flood of entries hides what came after it."""
    incident = m.Proposal.objects.get(pk=world.in_review()).incident
    world.integrate()
    browser = browser_of(carol)
    assert "Only the first" not in text_of(browser.get("incident_record", incident.pk))
    monkeypatch.setattr(reading, "TIMELINE", 2)
    page = text_of(browser.get("incident_record", incident.pk))
    assert page.count("· <a href=") == 2
    assert "Only the first 2 entries are shown" in page


def test_a43_no_entry_keeps_an_auditor_from_the_pages(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    """By a taken-over web process: times without a zone or an age, markup, numbers without end."""
    incident = m.Proposal.objects.get(pk=world.in_review()).incident
    bodies = [
        json.dumps({"action": action, "object": about, "actor": [{}], "at": at, "data": data})
        for action, about in (
            ("system:log:verified", "log:all"),
            ("person:review:signed", f"incident:{incident.pk}"),
            ("<script>alert(1)</script>", f"incident:{incident.pk}"),
        )
        for at, data in zip(TIMES, DATA, strict=True)
    ]
    bodies.append(f'{{"object":"incident:{incident.pk}","data":{{"n":[1e131071,-1e400]}}}}')
    bodies.append(f'{{"object":"incident:{incident.pk}","a":\r[7]}}')
    with factories.anybody_writes(), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO audit.entry (body) VALUES (%s)", [[body.encode()] for body in bodies]
        )
    numbers = list(Entry.objects.order_by("-pk").values_list("pk", flat=True)[: len(bodies)])
    browser = browser_of(carol)
    for listed in (False, True):  # while they wait for their leaves, and then
        pages = [("audit_entries", ""), ("audit_log", ""), ("incident_record", incident.pk)]
        for name, place in [*pages, *(("audit_entry", number) for number in numbers)]:
            answer = browser.get(name, *([place] if place else []))
            assert answer.status_code == 200, (name, place, listed)
            assert "<script>alert" not in text_of(answer)
            assert "</textarea><script>" not in text_of(answer)
        world.integrate()
    proof = Proof.parse(browser.get("audit_proof", numbers[0]).content.decode())
    verify_proof(proof, browser.get("audit_body", numbers[0]).content, record.POLICY, verify)
    made = b"".join(browser.get("incident_bundle", incident.pk).streaming_content)
    assert int(browser.get("incident_bundle", incident.pk)["Content-Length"]) == len(made)


def test_an_auditor_can_do_nothing_but_look(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    browser = browser_of(carol)
    for name, args in (
        ("audit_entries", []), ("audit_entry", [1]), ("audit_log", []), ("audit_download", ["tar"]),
    ):  # fmt: skip
        assert browser.post(name, *args).status_code == 405


def test_bundle_and_timeline_are_for_auditors(world: World, browser_of: BrowserOf) -> None:
    incident = m.Proposal.objects.get(pk=world.in_review()).incident
    for name in ("incident_record", "incident_bundle"):
        assert browser_of(world.people["alice"]).get(name, incident.pk).status_code == 403
        assert newest()["action"] == "person:request:refused"


@pytest.mark.parametrize("name", ["audit_entries", "audit_incidents", "audit_log"])
def test_a13_nobody_else_reads_not_even_a_superuser(
    world: World, browser_of: BrowserOf, name: str
) -> None:
    root = factories.person()
    m.User.objects.filter(pk=root.user.pk).update(is_superuser=True, is_staff=True)
    for someone in (root, world.people["alice"]):
        answer: Answer = browser_of(someone).get(name)
        assert answer.status_code == 403
        assert newest()["action"] == "person:request:refused"
        assert newest()["actor"] == someone.actor


def test_without_a_login_for_auditors_nothing_is_shown(
    world: World, carol: Person, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never through the web process's own login."""
    monkeypatch.delitem(django_settings.DATABASES, "auditor")
    for name in ("audit_entries", "audit_incidents"):
        assert browser_of(carol).get(name).status_code == 403


def test_an_auditor_sees_closed_incidents_too(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    incident = m.Proposal.objects.get(pk=world.in_review()).incident
    closed = browser_of(world.people["alice"]).post(
        "incident_close",
        incident.pk,
        outcome="false_positive",
        reason="The address is the new build host.",
    )
    assert closed.status_code == 302
    page = text_of(browser_of(carol).get("audit_incidents"))
    assert str(incident.pk) in page
    assert "closed" in page
    assert str(incident.pk) not in text_of(browser_of(carol).get("incidents"))


def test_names_stand_beside_ids_and_find_entries(world: World, browser_of: BrowserOf) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    world.integrate()
    browser = browser_of(factories.person("carol-n", roles=["auditor"]))
    alice = world.people["alice"]
    page = text_of(browser.get("audit_entries", actor=world.people["alice"].user.username))
    assert f"person:{alice.id}" in page
    assert f"{alice.user.username.capitalize()} signed" in page
    assert f"person {str(alice.id)[:8]}" not in page
    assert str(proposal_id)[:8] not in page.replace(str(proposal_id), "")
    assert "proposal “" in page
    nobody = text_of(browser.get("audit_entries", actor="no such person"))
    assert "Nothing matches this filter" in nobody
