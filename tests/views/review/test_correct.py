"""Correcting over HTTP: the form shows what stands, and nothing that was typed is lost."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from remediation.domain.report import load_diagnosis
from remediation.services.people import stepup as stepups
from tests import stepup
from tests.flows.world import World
from tests.views.conftest import BrowserOf, text_of

SENT = {
    "summary": "From the office,\r\nby mistake.",
    "confidence": "40",
    "claim-1": "t1 was used by its owner",
    "missing": "",
    "reason": "It was a colleague with the right to.",
}


def test_a_reviewer_corrects_and_lands_on_the_new_version(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    assert "Correct the diagnosis or the scope" in text_of(alice.get("review", proposal_id))
    page = text_of(alice.get("correct", proposal_id))
    assert ">It is misused.</textarea>" in page and ">t1 is misused</textarea>" in page
    answer = alice.act("correct", proposal_id, **SENT)
    assert answer.status_code == 302
    new = UUID(answer["Location"].split("/")[2])
    assert new != proposal_id
    told = load_diagnosis(bytes(world.get(new).diagnosis.body), allow_test=True)
    assert told.summary == "From the office,\nby mistake."
    assert told.claims[0].text == "t1 was used by its owner"
    assert "not decide" in text_of(alice.get("review", new)) or world.get(new).round == 0
    assert world.state_of(proposal_id) == "superseded"


def test_a76_a_cookie_alone_corrects_nothing_and_loses_nothing_that_was_typed(
    world: World, proposal_id: UUID, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = browser_of(world.people["alice"])
    asked = json.loads(alice.begin("correct", proposal_id, **SENT).content)
    assert SENT["reason"] in asked["words"]
    signed = stepup.fields(world.people["alice"], asked)
    for attempt, status in ((SENT, 422), ({**SENT, "confidence": "41", **signed}, 409)):
        answer = alice.post("correct", proposal_id, **attempt)
        assert answer.status_code == status
        assert "t1 was used by its owner</textarea>" in text_of(answer)
        assert world.state_of(proposal_id) == "in_review"
    monkeypatch.setattr(stepups, "check", lambda **_: stepup.Unsigned())
    assert alice.post("correct", proposal_id, **SENT).status_code == 302
    assert world.state_of(proposal_id) == "superseded", "the control: without the check it works"


def test_a17_looking_at_the_form_changes_nothing(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    browser_of(world.people["alice"]).get("correct", proposal_id)
    assert world.state_of(proposal_id) == "in_review"


def test_a_refused_correction_keeps_what_was_typed(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    for changes in ({"reason": "short"}, {"confidence": "a lot"}, {"confidence": "1e3"},
                    {"missing": "no such service"}, {"summary": ""}):  # fmt: skip
        answer = alice.post("correct", proposal_id, **{**SENT, **changes})
        assert 400 <= answer.status_code < 500, changes
        assert "t1 was used by its owner" in text_of(answer)
    assert world.state_of(proposal_id) == "in_review"


def test_who_may_not_decide_is_not_offered_it(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    dave = browser_of(world.people["dave"])
    assert "Correct the diagnosis" not in text_of(dave.get("review", proposal_id))
    assert dave.get("correct", proposal_id).status_code == 403
    assert dave.post("correct", proposal_id, **SENT).status_code == 403
    assert browser_of(None).get("correct", proposal_id).status_code == 302


def test_a01_hidden_characters_are_written_out_in_the_form(
    world: World, browser_of: BrowserOf
) -> None:
    import json

    from django.db import transaction

    from remediation.services.reporting import submit
    from tests.factories import WEB
    from tests.flows.world import acts

    said = json.loads(world.report().diagnosis.body)
    said["summary"] = "</textarea><script>alert(1)</script>\u202e gone"
    with acts(WEB), transaction.atomic():
        made = submit.report(world.report(diagnosis=said), actor=world.agent)
    assert made.proposal_id is not None
    world.assess(made.proposal_id)
    page = text_of(browser_of(world.people["alice"]).get("correct", made.proposal_id))
    assert "⟨U+202E⟩" in page and "<script>alert" not in page


def test_an_error_stands_at_its_field_and_what_was_typed_stays_in_the_form(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    """Nobody is thrown out of the form, and no CR of the browser's line ends is shown."""
    alice = browser_of(world.people["alice"])
    for changes, field, words in (
        ({"reason": "short"}, "reason", "10 to 4,000 characters"),
        ({"confidence": "a lot"}, "confidence", "a whole number from 0 to 100"),
        ({"confidence": "101"}, "confidence", "a whole number from 0 to 100"),
        ({"missing": "no such"}, "missing", "that you may review"),
        ({"summary": ""}, "summary", "characters"),
        ({"claim-1": ""}, "claim-1", "characters"),
    ):  # fmt: skip
        sent = {**SENT, **changes}
        answer = alice.post("correct", proposal_id, **sent)
        assert answer.status_code in (400, 422), changes
        page = text_of(answer)
        assert f'aria-describedby="{field}-error' in page, changes
        at = page.index(f'id="{field}-error"')
        assert words in page[at : at + 300], page[at : at + 300]
        if field != "summary":
            assert "From the office,\nby mistake.</textarea>" in page
        assert "U+000D" not in page
        assert 'action="/proposals' not in page and "Make the corrected version" in page
    assert world.state_of(proposal_id) == "in_review"


def test_a_claim_that_is_left_out_stays_so_beside_another_error(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    page = text_of(alice.post("correct", proposal_id, **{**SENT, "leave-1": "on", "reason": ""}))
    assert 'name="leave-1" autocomplete="off" checked' in page


def test_nothing_different_is_said_in_the_form(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    same = {**SENT, "summary": "It is misused.", "confidence": "90", "claim-1": "t1 is misused"}
    page = text_of(alice.post("correct", proposal_id, **same))
    assert "Nothing is different yet" in page and "Make the corrected version" in page


def test_it_says_beforehand_that_nobody_could_decide(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    """A81: a correction by the only one who can decide as that role."""
    page = text_of(browser_of(world.people["bob"]).get("correct", proposal_id))
    assert "nobody could decide it" in page and "service owner" in page
    page = text_of(browser_of(world.people["alice"]).get("correct", proposal_id))
    assert "nobody could decide it" not in page
