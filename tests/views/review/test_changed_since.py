"""The review page says what the last version and round changed, with name and reason."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from pytest_django import Settings

from remediation.domain import report as reports
from remediation.services.reporting import supersede
from remediation.views.cards import changed_since
from tests import factories
from tests.factories import WEB
from tests.flows.test_narrowing import WHY, Narrowing
from tests.flows.world import acts
from tests.services.reporting.test_correct import corrected
from tests.views.conftest import BrowserOf, text_of


@pytest.fixture
def three(db: None, tmp_path: Path, settings: Settings) -> Narrowing:
    return Narrowing(tmp_path, settings, targets=("t1", "t2", "t3"))


def lines(world: Narrowing, proposal_id: UUID) -> list[list[str]]:
    found = changed_since.changed_since(world.get(proposal_id))
    return [[f"{one.sign} {one.text_untrusted}" for one in change.lines] for change in found]


def test_a_narrowing(three: Narrowing, browser_of: BrowserOf) -> None:
    old = three.in_review()
    new = three.narrow("bob", old)
    page = text_of(browser_of(three.people["alice"]).get("review", new))
    bob = three.people["bob"].user.username
    assert f"{bob} left something out" in page and WHY in page
    assert lines(three, new) == [["\N{MINUS SIGN} Record a call for test target t3."]]


def test_a_correction_of_diagnosis_and_scope(three: Narrowing, browser_of: BrowserOf) -> None:
    old = three.in_review()
    forgotten = factories.service("emailservice", environment="production")
    factories.grant(three.people["bob"].user, "review_service", forgotten)
    why = "The mails use it, too."
    new = corrected(three, "bob", old, why, claims={1: None}, missing=["emailservice"])
    assert lines(three, new) == [[
        "~ confidence: 90 → 60 %", "~ summary: It is misused from the office.",
        "\N{MINUS SIGN} t1 is misused", "+ emailservice",
    ]]  # fmt: skip
    for name in ("review", "proposal_history"):
        page = text_of(browser_of(three.people["alice"]).get(name, new))
        assert "corrected this" in page and "emailservice" in page and why in page


def test_a_correction_of_the_scope_alone_is_in_the_history_with_its_reason(
    three: Narrowing, browser_of: BrowserOf
) -> None:
    old = three.in_review()
    forgotten = factories.service("emailservice", environment="production")
    factories.grant(three.people["bob"].user, "review_service", forgotten)
    told = reports.load_diagnosis(bytes(three.get(old).diagnosis.body), allow_test=True)
    claims = {number: claim.text for number, claim in enumerate(told.claims, 1)}
    new = corrected(three, "bob", old, "The mails use it, too.", summary=told.summary,
                    confidence=90, claims=claims, missing=["emailservice"])  # fmt: skip
    assert lines(three, new) == [["+ emailservice"]]
    page = text_of(browser_of(three.people["alice"]).get("proposal_history", new))
    assert "+ emailservice" in page and "The mails use it, too." in page


def test_a_second_round_says_what_the_worker_read(three: Narrowing) -> None:
    old = three.in_review()
    assert lines(three, old) == []
    three.set_state("t2", "other")
    three.assess(old, reason="drift")
    assert lines(three, old)[0][-1:] == ["~ test.target:t2: state on → other"]
    three.assess(old, reason="drift")
    assert lines(three, old) == [["~ Read again; nothing differs."]]


def test_an_agents_new_version(three: Narrowing) -> None:
    old = three.in_review()
    with acts(WEB):
        new = supersede.supersede(
            actor=three.agent, proposal_id=old, reason="Fewer targets are enough.",
            plan=factories.plan("t1", "t4", environment="production"), rationale="",
        )  # fmt: skip
    assert lines(three, new) == [[
        "\N{MINUS SIGN} Record a call for test target t2.",
        "\N{MINUS SIGN} Record a call for test target t3.",
        "+ Record a call for test target t4.",
    ]]  # fmt: skip


def test_a_superseded_proposal_leads_to_its_successor(
    three: Narrowing, browser_of: BrowserOf
) -> None:
    old = three.in_review()
    new = three.narrow("bob", old)
    alice = browser_of(three.people["alice"])
    for name in ("review", "proposal_history", "execution"):
        page = text_of(alice.get(name, old))
        assert "A newer version replaced this one" in page and f"/proposals/{new}/" in page
        assert "A newer version replaced" not in text_of(alice.get(name, new))
