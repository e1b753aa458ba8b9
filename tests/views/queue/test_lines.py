"""What a line of the queue says, who has it, its figures, and incidents that need a plan."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import Entry
from remediation import models as m
from remediation.services.access import slots
from remediation.views.queue import figures, plans
from tests import factories
from tests.factories import unguarded
from tests.flows.world import World
from tests.hostile import corpus
from tests.views.conftest import BrowserOf, may_review_everything, text_of
from tests.views.queue.test_queue import assessed, group


def line(page: str, proposal_id: UUID) -> str:
    """The words of one line, with its column of who has it."""
    found = page[page.index(f'id="row-{proposal_id}"') :]
    found = found[: found.index("</div>")]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found))


def test_a_line_says_verb_target_kind_checks_and_time(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    said = line(text_of(browser_of(world.people["alice"]).get("queue")), proposal_id)
    assert "Record a call for test target t1" in said and "credential misuse" in said
    failed = m.Assessment.objects.get(proposal=proposal_id)
    count = bytes(failed.checks).count(b'"outcome":"fail"')
    assert count == 0 or f"{count} check" in said
    assert " left" in said


def test_a_line_says_who_decided_and_a_return_is_no_tick(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice, bob = (world.people[name].user.username for name in ("alice", "bob"))
    world.decide("alice", proposal_id)
    page = text_of(browser_of(world.people["bob"]).get("queue"))
    assert f"security: {alice}" in line(page, proposal_id)
    world.decide("bob", proposal_id, "return")
    for _ in range(2):
        page = text_of(browser_of(world.people["alice"]).get("queue"))
        assert f"returned by {bob}" in line(page, proposal_id)
        assert f"service owner: {bob}" not in line(page, proposal_id)
        world.settle(proposal_id)


def test_under_five_minutes_the_time_is_marked_by_more_than_colour(
    db: None, browser_of: BrowserOf
) -> None:
    soon = assessed(decide_by=datetime.now(UTC) + timedelta(minutes=4))
    later = assessed(decide_by=datetime.now(UTC) + timedelta(minutes=40))
    page = text_of(browser_of(factories.person(roles=["lead"])).get("queue"))
    assert page.count('class="clock soon"') == 1
    assert "3 min left" in line(page, soon.pk) and "39 min left" in line(page, later.pk)


def test_i_take_it_assigns_the_incident_and_others_see_it(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice, bob = browser_of(world.people["alice"]), browser_of(world.people["bob"])
    incident = world.get(proposal_id).incident_id
    assert "I take it" in line(text_of(alice.get("queue")), proposal_id)
    answer = alice.post("queue_take", incident=str(incident), query="risk=high&x=1")
    assert (answer.status_code, answer["Location"]) == (302, "/queue/?risk=high")
    assert Entry.objects.latest("id").data["action"] == "person:incident:assigned"
    assert "you" in line(text_of(alice.get("queue")), proposal_id)
    name = world.people["alice"].user.username
    assert name in line(text_of(bob.get("queue")), proposal_id)
    # bob's page was older: he pushes nobody aside unseen.
    refused = bob.post("queue_take", incident=str(incident))
    assert refused.status_code == 409
    assert m.IncidentAssignment.objects.count() == 1


def test_a17_a_get_takes_nothing_and_an_auditor_may_not(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    incident = world.get(proposal_id).incident_id
    assert (
        browser_of(world.people["alice"]).get("queue_take", incident=str(incident)).status_code
        == 405
    )
    carol = browser_of(factories.person(roles=["auditor"]))
    assert "I take it" not in text_of(carol.get("queue"))
    assert carol.post("queue_take", incident=str(incident)).status_code == 403
    stranger = browser_of(factories.person(roles=["security"]))
    assert stranger.post("queue_take", incident=str(incident)).status_code == 404
    alice = browser_of(world.people["alice"])
    assert alice.post("queue_take", incident="x").status_code == 400
    assert not m.IncidentAssignment.objects.exists()


# ---- figures -------------------------------------------------------------------------------------


def forget(someone: factories.Person) -> None:
    """Only what the queue keeps: the sessions are in the cache, too."""
    cache.delete_many([f"queue-figures:{someone.id}", f"queue-needs-plan:{someone.id}"])


def figures_of(someone: factories.Person) -> figures.Figures:
    forget(someone)
    return figures.figures(slots.rights_of(someone.user))


def test_figures_count_what_waits_was_missed_and_how_long_it_took(world: World) -> None:
    lead = factories.person(roles=["lead"])
    assert figures_of(lead) == figures.Figures(0, False, 0, 0, None, None)
    approved = world.approved()
    assessed(decide_by=datetime.now(UTC) + timedelta(minutes=3))
    assessed(decide_by=datetime.now(UTC) + timedelta(hours=3))
    factories.proposal_at("expired")
    move = m.Transition.objects.filter(proposal=approved, to_state="in_review").get()
    factories.backdate(move, minutes=10)
    found = figures_of(lead)
    assert (found.waiting, found.soon, found.more_wait) == (2, 1, False)
    assert found.week is not None and 600 <= found.week < 700 and found.month == found.week


def test_figures_are_of_what_the_person_may_see(world: World, proposal_id: UUID) -> None:
    assert figures_of(world.people["alice"]).waiting == 1
    assert figures_of(factories.person()).waiting == 0
    other = factories.person(roles=["service_owner"])
    service = factories.service()
    factories.grant(other.user, "view_service", service)
    assert figures_of(other).waiting == 0


def test_figures_withstand_what_is_not_theirs_in_the_cache(world: World) -> None:
    lead = factories.person(roles=["lead"])
    rights = slots.rights_of(lead.user)
    for odd in ("text", [1], ["x", None, 0], {"a": 1}, [None, None, "y"], 7):
        cache.set(f"queue-figures:{lead.id}", odd)
        cache.set(f"queue-needs-plan:{lead.id}", odd)
        assert figures.figures(rights).overdue == 0
        assert plans.needs_plan_of(rights, lead.user).total == 0


# ---- needs a plan --------------------------------------------------------------------------------


def test_an_incident_without_a_plan_is_in_the_queue(world: World, browser_of: BrowserOf) -> None:
    incident = factories.incident(factories.agent(), "test.target:t9", title="A key without a plan")
    lead = browser_of(factories.person(roles=["lead"]))
    for _ in range(2):  # the second one is from the cache
        page = group(text_of(lead.get("queue")), "plan")
        assert "A key without a plan" in page
        assert reverse("incident", args=[incident.pk]) in page and "I take it" in page
    lead.post("queue_take", incident=str(incident.pk))
    assert "I take it" not in group(text_of(lead.get("queue")), "plan")
    assert "plan" not in group(text_of(lead.get("queue", risk="high")), "plan")
    stranger = browser_of(factories.person())
    assert "A key without a plan" not in text_of(stranger.get("queue"))


def test_a01_hostile_words_in_what_needs_a_plan_are_text(
    db: None, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    someone = factories.person(roles=["lead"])
    lead = browser_of(someone)
    agent = factories.agent()
    hostile = [*corpus.HTML, *corpus.BIDI, *corpus.TEMPLATES][:30]
    texts = [str(getattr(one, "text", one)).replace("\0", "")[:180] for one in hostile]
    monkeypatch.setattr(plans, "FEW", len(texts))
    for number, text in enumerate(texts):
        factories.incident(agent, f"test.target:h{number}", title=text or "x")
    page = group(text_of(lead.get("queue")), "plan")
    assert page.count('class="queuerow three"') == len(texts) >= 20
    assert "<script" not in page.lower() and "<img" not in page.lower()
    assert not set(page) & set("\u202e\u202d\u2066\u200b")


# ---- duplicates ----------------------------------------------------------------------------------


def test_a18_duplicates_are_offered_and_nothing_is_decided_by_one_request(
    world: World, browser_of: BrowserOf
) -> None:
    kept = world.in_review()
    twin = factories.proposal("t1", environment="production")
    elsewhere = factories.proposal("t2", environment="production")
    for one in (twin, elsewhere):
        factories.assess(one, slots=["security"])
    alice = world.people["alice"]
    may_review_everything(alice)
    browser = browser_of(alice)
    page = text_of(browser.get("queue_duplicates", kept))
    assert "checked" not in page and 'name="proposal"' in page
    assert f'value="{twin.pk}"' in page and f'value="{kept}"' not in page
    assert f'value="{elsewhere.pk}"' not in page
    assert browser.post("queue_duplicates", kept).status_code == 405
    assert not m.Review.objects.exists()
    # bob may fill no slot of the twin: he is offered nothing.
    assert "No duplicates" in text_of(browser_of(world.people["bob"]).get("queue_duplicates", kept))
    assert browser_of(factories.person()).get("queue_duplicates", kept).status_code == 404


COPY_PROPOSALS = """
INSERT INTO public.remediation_proposal
SELECT (jsonb_populate_record(NULL::public.remediation_proposal,
          to_jsonb(p) || jsonb_build_object('id', gen_random_uuid()))).*
  FROM public.remediation_proposal p, generate_series(1, %s) WHERE p.id = %s
"""
COPY_ENTRIES = """
INSERT INTO public.remediation_queueentry
SELECT (jsonb_populate_record(NULL::public.remediation_queueentry, to_jsonb(q) - 'words'
          || jsonb_build_object('proposal_id', p.id, 'place', left(q.place, -36) || p.id,
                                'words', q.words::text,
                                'target', 'test.target:' || left(p.id::text, 8)))).*
  FROM public.remediation_queueentry q, public.remediation_proposal p
 WHERE q.proposal_id = %s
   AND NOT EXISTS (SELECT FROM public.remediation_queueentry o WHERE o.proposal_id = p.id)
"""


def copies(proposal: m.Proposal, count: int) -> None:
    """Copies of a proposal and its line, as the owner with the guards off."""
    tables = ("public.remediation_proposal", "public.remediation_queueentry")
    with unguarded(tables[0]), unguarded(tables[1]), connection.cursor() as cursor:
        cursor.execute(COPY_PROPOSALS, [count, proposal.pk])
        cursor.execute(COPY_ENTRIES, [proposal.pk])
        assert cursor.rowcount == count


def test_two_thousand_rows_take_two_windows_more_than_thirty(
    db: None, browser_of: BrowserOf
) -> None:
    """Figures and lines read a bounded number of rows, however many there are.

    A group with nothing for the reader is walked in windows, each four times the last, of two
    queries: 2,000 lines are two windows more than 30.
    """
    someone = factories.person(roles=["lead"])
    lead = browser_of(someone)
    (proposal, *_) = [assessed() for _ in range(30)]

    def counted() -> int:
        forget(someone)
        with CaptureQueriesContext(connection) as caught:
            page = text_of(lead.get("queue"))
        assert page.count('class="queuerow"') >= 25
        return len(caught)

    counted()  # what Django reads once in a process
    few = counted()
    copies(proposal, 2_000)
    assert counted() <= few + 4
    found = figures_of(someone)
    assert (found.waiting, found.more_wait) == (figures.MOST_WAITING, True)
