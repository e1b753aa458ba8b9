"""The artefact page masks secrets; a POST with a reason reveals them (docs/attacks.md A61)."""

from __future__ import annotations

import html
import re
from hashlib import sha256
from uuid import UUID

import pytest
from django.db import transaction

from audit.models import Entry
from remediation import models as m
from remediation.services.actors import operator
from remediation.services.reporting import secrets
from tests import factories
from tests.flows.world import World, acts
from tests.services.reporting.leaks import AWS, LEAK, PASSWORD, REASON, handed_in
from tests.views.conftest import BrowserOf, text_of

DIGEST = sha256(LEAK).hexdigest()


@pytest.fixture
def leak(world: World) -> UUID:
    proposal_id = handed_in(world)
    world.assess(proposal_id)
    return proposal_id


def revealed() -> int:
    return sum(e.data["action"] == "person:evidence:revealed" for e in Entry.objects.order_by("id"))


def test_a61_the_page_covers_the_secrets_and_shows_all_else(
    world: World, leak: UUID, browser_of: BrowserOf
) -> None:
    page = text_of(browser_of(world.people["alice"]).get("evidence", leak, DIGEST))
    assert AWS not in page
    assert PASSWORD not in page
    assert "Masked here: 2 secrets: AWS secret access key, password in a connection" in page
    (pre,) = re.findall(r'<pre class="inert code" lang="">\n(.*?)</pre>', page, re.DOTALL)
    shown = re.sub(r'<span class="masked".*?</span>', "#", pre, flags=re.DOTALL)
    expected = LEAK.decode().replace(AWS, "#").replace(PASSWORD, "#")
    assert html.unescape(re.sub(r"<[^>]+>", "", shown)) == expected
    assert "Reveal, with a reason on record" in page


@pytest.mark.django_db(transaction=True, databases=["default", "auditor"])
def test_a61_no_page_of_the_flow_shows_a_secret(
    world: World, leak: UUID, browser_of: BrowserOf
) -> None:
    incident = world.get(leak).incident_id
    carol = factories.person(roles=["auditor"])
    pages = {
        "alice": [("queue",), ("review", leak), ("proposal_history", leak), ("incidents",),
                  ("incident", incident), ("evidence", leak, DIGEST)],
        "carol": [("audit_incidents",), ("incident_record", incident), ("audit_entries",),
                  ("evidence", leak, DIGEST)],
    }  # fmt: skip
    world.integrate()
    for name, asked in pages.items():
        someone = browser_of(carol if name == "carol" else world.people[name])
        for address in asked:
            answer = someone.get(*address)
            assert answer.status_code == 200, address
            page = text_of(answer)
            assert AWS not in html.unescape(page), address
            assert PASSWORD not in html.unescape(page), address
    review = text_of(browser_of(world.people["alice"]).get("review", leak))
    assert "[masked]" in review
    assert "masked: 2 secrets: AWS secret access key" in review
    assert "The evidence contains secrets (masked here)" in review


def test_a17_a_get_uncovers_nothing(world: World, leak: UUID, browser_of: BrowserOf) -> None:
    alice = browser_of(world.people["alice"])
    answer = alice.get("evidence_reveal", leak, DIGEST, reason=REASON)
    assert answer.status_code == 405
    assert AWS not in text_of(answer)
    assert revealed() == 0


@pytest.mark.parametrize("reason", ["", "why", " " * 30])
def test_a61_without_a_reason_the_page_stays_covered(
    world: World, leak: UUID, browser_of: BrowserOf, reason: str
) -> None:
    alice = browser_of(world.people["alice"])
    answer = alice.act("evidence_reveal", leak, DIGEST, reason=reason)
    assert answer.status_code == 422
    assert AWS not in text_of(answer)
    assert revealed() == 0


@pytest.mark.parametrize("name", ["bob", "stranger", "auditor", "nobody"])
def test_a61_who_may_not_is_refused_on_record(
    world: World, leak: UUID, browser_of: BrowserOf, name: str
) -> None:
    someone = {
        "bob": world.people["bob"],
        "stranger": factories.person(),
        "auditor": factories.person(roles=["auditor"]),
        "nobody": None,
    }[name]
    answer = browser_of(someone).act("evidence_reveal", leak, DIGEST, reason=REASON)
    assert answer.status_code == {"stranger": 404, "nobody": 302}.get(name, 403)
    assert AWS not in text_of(answer)
    assert revealed() == 0
    if someone is not None:
        said = Entry.objects.order_by("-id")[0].data
        assert said["action"] == "person:review:refused"
        assert said["actor"] == f"person:{someone.id}"


def test_a17_a_form_of_another_site_uncovers_nothing(
    world: World, leak: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    alice.client.handler.enforce_csrf_checks = True
    answer = alice.act("evidence_reveal", leak, DIGEST, reason=REASON)
    assert answer.status_code == 403
    assert revealed() == 0


def test_a61_the_security_role_sees_the_bytes_once_and_it_is_on_record(
    world: World, leak: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    answer = alice.act("evidence_reveal", leak, DIGEST, reason=REASON)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    page = html.unescape(text_of(answer))
    assert AWS in page
    assert PASSWORD in page
    assert "Your name and your reason are on record" in page
    assert revealed() == 1
    assert AWS not in text_of(alice.get("evidence", leak, DIGEST))


def test_the_page_says_that_the_bytes_were_erased(
    world: World, leak: UUID, browser_of: BrowserOf
) -> None:
    with acts("hitl_eraser"), transaction.atomic():
        secrets.erase(actor=operator(), digests=[DIGEST], ground="GDPR 17", by="Ada", second="Bob")
    alice = browser_of(world.people["alice"])
    page = text_of(alice.get("evidence", leak, DIGEST))
    assert "the bytes were erased under law" in page
    assert f"entry {m.EvidenceErasure.objects.get().entry}" in page
    assert alice.act("evidence_reveal", leak, DIGEST, reason=REASON).status_code == 404
    assert revealed() == 0
    assert "erased</span>" in text_of(alice.get("review", leak))


def test_a_store_of_secrets_is_covered_whole(world: World, browser_of: BrowserOf) -> None:
    proposal_id = world.in_review()
    many = b"\n".join(b"ghp_%036d" % n for n in range(200))
    row = factories.evidence(world.get(proposal_id).incident, many)
    page = text_of(browser_of(world.people["alice"]).get("evidence", proposal_id, row.sha256))
    assert "ghp_" not in page
    assert "more than 100 secrets" in page


def test_bytes_that_are_no_text_are_covered_in_hexadecimal(
    world: World, browser_of: BrowserOf
) -> None:
    proposal_id = world.in_review()
    content = b"\xff\xfe" + LEAK + b"\x80"
    row = factories.evidence(world.get(proposal_id).incident, content)
    page = text_of(browser_of(world.people["alice"]).get("evidence", proposal_id, row.sha256))
    assert AWS.encode().hex(" ")[:40] not in page
    assert "ff fe" in page
    assert "AWS secret access key" in page
