"""A review opened again: exactly what was signed, drawn from its bytes, or a plain no."""

from __future__ import annotations

import html
import re
from typing import Any
from uuid import UUID

import pytest

from audit.models import Entry
from audit.tlog.canonical import encode
from remediation import models as m
from tests import factories
from tests.flows.world import World
from tests.views.conftest import Browser, BrowserOf, text_of

KINDS = {"plan", "diagnosis", "scope", "checks", "ruling", "pin"}


@pytest.fixture
def reviewed(world: World, proposal_id: UUID) -> UUID:
    """Approved by alice in the first round."""
    world.decide("alice", proposal_id)
    return proposal_id


@pytest.fixture
def bob(world: World, browser_of: BrowserOf) -> Browser:
    return browser_of(world.people["bob"])


def proofs(page: str) -> dict[str, str]:
    return dict(
        re.findall(r'<li class="(?:pass|fail)" data-proof="(\w+)">.*?aria-label="([^"]+)"', page)
    )


def bytes_of(page: str, kind: str) -> str:
    found = re.search(rf'id="bytes-{kind}">\n(.*?)</pre>', page, re.DOTALL)
    assert found is not None
    # HTML drops the line feed right after <pre>.
    return html.unescape(re.sub(r"<[^>]+>", "", found[1].removeprefix("\n")))


def test_every_digest_is_taken_again_from_the_bytes_that_are_shown(
    reviewed: UUID, bob: Browser
) -> None:
    page = text_of(bob.get("proposal_review", reviewed, 1))
    assert proofs(page) == dict.fromkeys(KINDS, "the same")
    assert "Verified." in page
    assessment = m.Assessment.objects.get(proposal_id=reviewed)
    proposal = m.Proposal.objects.get(pk=reviewed)
    stored = {
        "plan": proposal.plan,
        "diagnosis": proposal.diagnosis.body,
        **{kind: getattr(assessment, kind) for kind in ("scope", "checks", "ruling", "pin")},
    }
    for kind, body in stored.items():
        assert bytes_of(page, kind) == bytes(body).decode()


def test_who_signed_with_which_passkey_and_what(world: World, reviewed: UUID, bob: Browser) -> None:
    page = text_of(bob.get("proposal_review", reviewed, 1))
    alice = world.people["alice"]
    assert f"What {alice.user.username} saw and signed" in page
    assert m.PasskeyEnrolment.objects.get(person=alice.id).fingerprint in page
    statement = bytes(m.Review.objects.get().statement).decode()
    assert html.escape(statement) in page


def test_it_stays_what_it_was_when_the_world_moves_on(
    world: World, reviewed: UUID, bob: Browser
) -> None:
    """A new round with other facts; the old review still shows its own."""
    old = text_of(bob.get("proposal_review", reviewed, 1))
    service = m.Service.objects.get()
    factories.service_version(service, environment="production", payment_path=True)
    world.set_state("t1", "off")
    world.assess(reviewed, reason="drift")
    page = text_of(bob.get("proposal_review", reviewed, 1))
    for kind in KINDS:
        assert bytes_of(page, kind) == bytes_of(old, kind)
    assert "Verified." in page
    assert "payment path" not in page and "payment path" in text_of(bob.get("review", reviewed))
    assert '"state":"on"' in bytes_of(page, "pin")


@pytest.mark.parametrize("kind", ["scope", "checks", "ruling", "pin"])
def test_a50_changed_bytes_are_named_and_nothing_is_called_right(
    reviewed: UUID, bob: Browser, kind: str
) -> None:
    """As the owner of the tables could change them: valid, but not what was signed."""
    row = m.Assessment.objects.get()
    forged = other(kind, bytes(getattr(row, kind)))
    with factories.unguarded("remediation_assessment"):
        m.Assessment._base_manager.filter(pk=row.pk).update(**{kind: forged})
    page = text_of(bob.get("proposal_review", reviewed, 1))
    assert proofs(page)[kind] == "not the same"
    assert sum(word == "not the same" for word in proofs(page).values()) == 1
    assert "Not verified." in page and f"The stored {kind} differs from the signed one" in page


def other(kind: str, body: bytes) -> bytes:
    """A body of the same shape that says something else."""
    changed = {
        "scope": body.replace(b'"owner_team":"team"', b'"owner_team":"mine"'),
        "checks": body.replace(b'"fail"', b'"pass"').replace(b'"warn"', b'"pass"') + b" ",
        "ruling": body.replace(b'"risk":"high"', b'"risk":"low"'),
        "pin": body.replace(b'"on"', b'"off"'),
    }[kind]
    assert changed != body
    return changed


def test_bytes_that_cannot_be_read_are_shown_whole_and_break_nothing(
    reviewed: UUID, bob: Browser
) -> None:
    with factories.unguarded("remediation_assessment"):
        m.Assessment._base_manager.update(scope=b'{"targets": <script>\xff')
    answer = bob.get("proposal_review", reviewed, 1)
    assert answer.status_code == 200
    page = text_of(answer)
    assert "The stored bytes cannot be read" in page
    assert "<script>" not in page.split("</head>")[1]
    assert "&lt;script&gt;" in page


def test_a20_a_changed_statement_or_another_key_is_named(
    world: World, reviewed: UUID, bob: Browser
) -> None:
    row = m.Review.objects.get()
    said = bytes(row.statement)
    with factories.unguarded("remediation_review"):
        m.Review._base_manager.update(
            statement=said.replace(b'"diagnosis":"yes"', b'"diagnosis":"no"')
        )
    page = text_of(bob.get("proposal_review", reviewed, 1))
    assert "Not verified. The signature" in re.sub(r"<[^>]+>", "", page)
    mine = world.people["bob"].passkey
    with factories.unguarded("remediation_review"):
        m.Review._base_manager.update(statement=said, cose_key=mine.cose_key)
    page = text_of(bob.get("proposal_review", reviewed, 1))
    assert "Not verified." in page


def test_reviews_of_each_round_have_numbers_that_stay(
    world: World, reviewed: UUID, bob: Browser
) -> None:
    world.assess(reviewed, reason="drift")
    world.decide("alice", reviewed)
    world.decide("bob", reviewed, "reject")
    for number, words in ((1, "Round 1, as"), (2, "Round 2, as"), (3, "Round 2, as")):
        page = text_of(bob.get("proposal_review", reviewed, number))
        assert words in page and f"{number} of 3" in page
        assert 'class="asitwas ok"' in page
    assert bob.get("proposal_review", reviewed, 4).status_code == 404
    assert bob.get("proposal_review", reviewed, 0).status_code == 404


def test_the_history_leads_to_it(reviewed: UUID, bob: Browser) -> None:
    page = text_of(bob.get("proposal_history", reviewed))
    assert f"/proposals/{reviewed}/reviews/1/" in page


def test_an_artefact_that_came_later_was_not_seen(
    world: World, reviewed: UUID, bob: Browser
) -> None:
    incident = m.Proposal.objects.get(pk=reviewed).incident
    late = factories.evidence(incident, encode({"late": True}))
    assert late.sha256 not in text_of(bob.get("proposal_review", reviewed, 1))
    assert late.sha256 in text_of(bob.get("review", reviewed))


def test_a18_nothing_can_be_decided_or_sent_from_it(reviewed: UUID, bob: Browser) -> None:
    page = text_of(bob.get("proposal_review", reviewed, 1))
    main = page.split("<main")[1].split("</main>")[0]
    assert "<form" not in main and "<input" not in main and "<button" not in main


def test_a44_looking_changes_nothing_and_strangers_see_nothing(
    reviewed: UUID, bob: Browser, browser_of: BrowserOf
) -> None:
    before = Entry.objects.count()
    bob.get("proposal_review", reviewed, 1)
    assert Entry.objects.count() == before
    stranger = browser_of(factories.person(roles=["security"]))
    assert stranger.get("proposal_review", reviewed, 1).status_code == 404


HOSTILE: dict[str, Any] = {"text": "<img src=x onerror=alert(1)>\u202eevorppa"}


def test_a01_the_reviewers_own_words_are_inert_too(
    world: World, proposal_id: UUID, bob: Browser
) -> None:
    world.decide("alice", proposal_id, "reject", reason={"code": "other", **HOSTILE})
    page = text_of(bob.get("proposal_review", proposal_id, 1))
    assert "<img" not in page and "⟨U+202E⟩" in page
