"""The queue: what is whose to decide, in which order, and who sees nothing."""

from __future__ import annotations

import html
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.models import Entry
from remediation import models as m
from remediation.services.review import presence, saved_views
from remediation.views.queue import cursors, presenter, reading
from tests import factories
from tests.conftest import AsLogin
from tests.flows.world import World
from tests.views.conftest import Browser, BrowserOf, may_review_everything, text_of


def group(page: str, key: str) -> str:
    """The part of the queue under this heading, or nothing."""
    found = re.search(rf'id="group-{key}".*?</section>', page, re.DOTALL)
    return found[0] if found else ""


def test_what_waits_for_me_is_mine_and_for_others_theirs(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    address = reverse("review", args=[proposal_id])
    assert address in group(text_of(browser_of(world.people["alice"]).get("queue")), "mine")
    # dave owns the agent: he sees it, and it is not his to decide.
    page = text_of(browser_of(world.people["dave"]).get("queue"))
    assert address in group(page, "others")
    assert "Nothing waits for you" in group(page, "mine")


def test_the_number_of_mine_stands_in_the_tabs_title(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    assert "<title>(1) Queue" in text_of(browser_of(world.people["alice"]).get("queue"))
    assert "<title>Queue" in text_of(browser_of(world.people["dave"]).get("queue"))


def test_a34_grave_ones_come_first_however_many_trivial_ones_came_before(
    world: World, browser_of: BrowserOf
) -> None:
    trivial = [factories.proposal() for _ in range(5)]
    for one in trivial:
        factories.assess(one)
    grave = world.in_review()
    may_review_everything(world.people["alice"])
    mine = group(text_of(browser_of(world.people["alice"]).get("queue")), "mine")
    order = re.findall(r'id="row-([0-9a-f-]{36})"', mine)
    assert order[0] == str(grave)
    assert set(order[1:]) == {str(one.pk) for one in trivial}


def test_among_equals_the_nearer_deadline_comes_first(world: World, browser_of: BrowserOf) -> None:
    now = datetime.now(UTC)
    proposals = [factories.proposal() for _ in range(3)]
    for one, hours in zip(proposals, (3, 1, 2), strict=True):
        factories.assess(one, decide_by=now + timedelta(hours=hours))
    lead = factories.person(roles=["lead"])
    order = re.findall(r'id="row-([0-9a-f-]{36})"', text_of(browser_of(lead).get("queue")))
    assert order == [str(proposals[1].pk), str(proposals[2].pk), str(proposals[0].pk)]


def test_what_nobody_has_assessed_yet_waits_visibly(world: World, browser_of: BrowserOf) -> None:
    proposal_id = world.submit()
    page = text_of(browser_of(factories.person(roles=["lead"])).get("queue"))
    assert str(proposal_id) in group(page, "new")
    assert "not assessed" in group(page, "new")


def test_running_and_ended_ones_are_shown_as_such(world: World, browser_of: BrowserOf) -> None:
    proposal_id = world.approved()
    lead = browser_of(factories.person(roles=["lead"]))
    assert str(proposal_id) in group(text_of(lead.get("queue")), "running")
    world.execute(proposal_id)
    assert str(proposal_id) in group(text_of(lead.get("queue")), "ended")


def test_who_holds_no_right_sees_an_empty_queue(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    page = text_of(browser_of(factories.person()).get("queue"))
    assert str(proposal_id) not in page


def test_who_is_not_signed_in_is_sent_to_sign_in(db: None, browser_of: BrowserOf) -> None:
    answer = browser_of(None).get("queue")
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))


def test_a_polling_page_whose_session_ended_loads_itself_again(
    db: None, browser_of: BrowserOf
) -> None:
    answer = browser_of(None).client.get(reverse("queue"), headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Refresh"]) == (204, "true")


# ---- grouping, filters, pages --------------------------------------------------------------------


def order(page: str) -> list[str]:
    return re.findall(r'id="row-([0-9a-f-]{36})"', page)


@pytest.fixture
def lead(db: None, browser_of: BrowserOf) -> Browser:
    return browser_of(factories.person(roles=["lead"]))


def assessed(*names: str, **said: Any) -> m.Proposal:
    ruled = {key: said.pop(key) for key in ("decide_by", "slots") if key in said}
    made = factories.proposal(*names, **said)
    factories.assess(made, **ruled)
    return made


def test_a34_a_flood_on_one_target_is_one_line(lead: Browser) -> None:
    agent = factories.agent()
    token = factories.token(agent)
    flood = [assessed("flooded", agent=agent, token=token) for _ in range(7)]
    other = assessed("other")
    page = group(text_of(lead.get("queue")), "others")
    assert page.count('class="behind"') == 1
    assert "6 more on this target" in page
    # The most urgent of the flood leads; three stand behind it, the others are one click away.
    assert order(page) == [str(one.pk) for one in flood[:4]] + [str(other.pk)]
    assert "All 7 on this target" in page
    whole = text_of(lead.get("queue", target="test.target:flooded"))
    assert order(whole)[0] == str(flood[0].pk)
    assert str(other.pk) not in whole


def test_a34_a_thousand_trivial_ones_do_not_push_a_grave_one_off_the_page(
    world: World, lead: Browser
) -> None:
    """More came before it, on targets of their own and with nearer clocks, than a page holds."""
    soon = datetime.now(UTC) + timedelta(minutes=5)
    for _ in range(presenter.PAGE + 5):
        assessed(decide_by=soon, in_inventory=True)
    grave = world.in_review()
    page = group(text_of(lead.get("queue")), "others")
    assert order(page)[0] == str(grave)
    assert len(order(page)) == presenter.PAGE
    assert "Show all" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"risk": "high"}, {"grave"}),
        ({"risk": "medium"}, {"small", "new"} - {"new"}),
        ({"environment": "production"}, {"grave"}),
        ({"environment": "staging"}, {"small", "new", "ended"}),
        ({"state": "review"}, {"grave", "small"}),
        ({"state": "new"}, {"new"}),
        ({"state": "ended"}, {"ended"}),
        ({"state": "review", "risk": "high"}, {"grave"}),
        ({"agent": "robot"}, {"small"}),
        ({"agent": "nobody"}, set()),
        ({"q": "small-t"}, {"small"}),
        ({"q": "robot"}, {"small"}),
        ({"q": "misused ROBOT"}, {"small"}),
        ({"q": "misused nothing"}, set()),
        ({"q": "'; -- \\ & |"}, set()),
        ({"q": "\0"}, {"grave", "small", "new", "ended"}),
        ({"target": "test.target:small-t"}, {"small"}),
        ({"risk": "purple"}, {"grave", "small", "new", "ended"}),
        ({"after": "nonsense"}, {"grave", "small", "new", "ended"}),
    ],
)
def test_filters_leave_what_they_name(
    world: World, lead: Browser, query: dict[str, str], found: set[str]
) -> None:
    robot = factories.agent(name="robot")
    made = {
        "grave": world.in_review(),
        "small": assessed("small-t", agent=robot, token=factories.token(robot)).pk,
        "new": factories.proposal().pk,
        "ended": factories.proposal_at("withdrawn").pk,
    }
    if "risk" in query and query["risk"] == "medium":
        assert m.QueueEntry.objects.get(pk=made["small"]).risk == "medium"
    page = text_of(lead.get("queue", **query))
    names = {str(pk): name for name, pk in made.items()}
    assert {names[pk] for pk in order(page)} == found
    assert ("unknown filter" in page) == (query.get("risk") == "purple")


def test_mine_and_my_services(world: World, proposal_id: UUID, browser_of: BrowserOf) -> None:
    other = assessed("elsewhere")
    alice = world.people["alice"]
    factories.join(alice.user, "lead")
    browser = browser_of(alice)
    assert set(order(text_of(browser.get("queue")))) == {str(proposal_id), str(other.pk)}
    assert order(text_of(browser.get("queue", show="mine"))) == [str(proposal_id)]
    assert order(text_of(browser.get("queue", show="services"))) == [str(proposal_id)]
    page = text_of(browser.get("queue", show="mine", risk="low"))
    assert "No match" in page
    # The number in the tab is what waits for the person, whatever the page shows.
    assert "<title>(1) Queue" in page


def test_the_title_says_mine_whatever_the_page_shows(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    for query in ({"state": "ended"}, {"q": "zzz"}, {"show": "services"}):
        assert "<title>(1) Queue" in text_of(alice.get("queue", **query))


def walk(browser: Browser, address: str, as_login: AsLogin) -> list[list[str]]:
    """Every page, from the first by the link to the next."""
    pages = []
    while True:
        with as_login("hitl_web"):
            page = text_of(browser.client.get(address))
        pages.append(order(page))
        found = re.search(r'rel="next" href="([^"]+)"', page)
        if not found:
            return pages
        address = found[1].replace("&amp;", "&")


@pytest.mark.parametrize("state", ["review", "ended"])
def test_pages_hold_each_once_in_order_while_others_come_and_go(
    lead: Browser, as_login: AsLogin, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(presenter, "PAGE", 2)
    at = {"review": "in_review", "ended": "withdrawn"}[state]
    made = [factories.proposal_at(at) for _ in range(5)]
    pages = walk(lead, f"{reverse('queue')}?state={state}", as_login)
    assert [len(page) for page in pages] == [2, 2, 1]
    expected = [str(one.pk) for one in (made if state == "review" else reversed(made))]
    assert [pk for page in pages for pk in page] == expected


def test_a_page_goes_on_where_the_last_one_ended_although_its_last_row_is_gone(
    lead: Browser, as_login: AsLogin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presenter, "PAGE", 2)
    made = [assessed() for _ in range(4)]
    first = text_of(lead.get("queue", state="review"))
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following
    factories.move(made[1], "withdrawn", login="hitl_web", actor=made[1].agent.actor)
    urgent = assessed(decide_by=datetime.now(UTC) + timedelta(minutes=1))
    with as_login("hitl_web"):
        page = text_of(lead.client.get(following[1].replace("&amp;", "&")))
    assert order(page) == [str(made[2].pk), str(made[3].pk)]
    assert str(urgent.pk) not in page
    assert "First page" in page


def test_pages_of_mine(
    world: World, browser_of: BrowserOf, as_login: AsLogin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presenter, "PAGE", 2)
    made = [assessed() for _ in range(5)]
    may_review_everything(world.people["alice"])
    alice = browser_of(world.people["alice"])
    pages = walk(alice, f"{reverse('queue')}?show=mine", as_login)
    assert [pk for page in pages for pk in page] == [str(one.pk) for one in made]
    assert "<title>(2+) Queue" in text_of(alice.get("queue"))


def test_the_first_that_is_mine_stands_for_its_target(
    world: World, browser_of: BrowserOf, as_login: AsLogin
) -> None:
    """The most urgent one is of an agent that alice had before: it is another's to decide."""
    alice = world.people["alice"]
    agent = factories.agent(alice)
    owned = factories.proposal("both", agent=agent, token=factories.token(agent))
    factories.agent_version(agent, factories.person())
    factories.assess(owned)
    free = assessed("both")
    may_review_everything(alice)
    page = text_of(browser_of(alice).get("queue"))
    assert order(group(page, "mine")) == [str(free.pk)]
    assert order(group(page, "others")) == [str(owned.pk)]


def test_next_is_the_most_urgent_that_is_mine(world: World) -> None:
    alice = world.people["alice"]
    agent = factories.agent(alice)
    for _ in range(3):
        soon = datetime.now(UTC) + timedelta(minutes=5)
        assessed(agent=agent, token=factories.token(agent), decide_by=soon)
    mine = assessed()
    may_review_everything(alice)
    assert presenter.next_for(alice.user) == mine.pk
    assert presenter.next_for(factories.person(roles=["lead"]).user) is None


# ---- a constant number of queries ----------------------------------------------------------------


def counted(browser: Browser, **query: str) -> int:
    with CaptureQueriesContext(connection) as caught:
        assert browser.get("queue", **query).status_code == 200
    return len(caught)


ALL_KINDS: list[dict[str, str]] = [
    {}, {"show": "mine"}, {"show": "services"}, {"state": "review"}, {"state": "ended"},
    {"q": "misused"}, {"risk": "medium"},
]  # fmt: skip


def test_a_hundred_rows_take_as_many_queries_as_five(world: World, browser_of: BrowserOf) -> None:
    alice = world.people["alice"]
    colleague = factories.person(roles=["security"])
    browser = browser_of(alice)
    with factories.acting("hitl_web"):
        for _ in range(reading.MANY):
            factories.service()

    def more(count: int) -> list[int]:
        for number in range(count):
            if number % 5 < 3:
                factories.review(assessed(slots=("any", "any")), colleague, slot="any")
            else:
                factories.proposal_at(["submitted", "withdrawn"][number % 5 - 3])
        presence.look(colleague.id, m.QueueEntry.objects.order_by("place")[0].pk)
        may_review_everything(alice)
        browser.get("queue")  # what Django reads once in a process
        return [counted(browser, **query) for query in ALL_KINDS]

    few = more(5)
    many = more(95)
    # A section that is shorter than its page is asked once more whether that was all.
    assert all(later <= earlier for earlier, later in zip(few, many, strict=True)), (few, many)
    # Two for each section at most; a stopped run has one of its own; ten for the figures, for what
    # needs a plan, and for who has what.
    assert max(few) <= 56


# ---- live ----------------------------------------------------------------------------------------


def test_a_poll_draws_nothing_while_nothing_changed(
    world: World, proposal_id: UUID, browser_of: BrowserOf, as_login: AsLogin
) -> None:
    alice = browser_of(world.people["alice"])
    page = text_of(alice.get("queue"))
    seen = re.search(r'"X-Seen": "([0-9a-f]+)"', page)
    assert seen
    asked = {"HX-Request": "true", "X-Seen": seen[1]}
    with as_login("hitl_web"):
        assert alice.client.get(reverse("queue"), headers=asked).status_code == 204
    factories.proposal()
    factories.assess(m.Proposal.objects.get(pk=proposal_id))
    with as_login("hitl_web"):
        answer = alice.client.get(reverse("queue"), headers=asked)
    assert answer.status_code == 200
    assert "<title>(1) Queue" in text_of(answer)
    assert "<html" not in text_of(answer)
    assert "round 2" in text_of(answer)


def test_without_a_role_the_queue_says_why_it_is_empty(db: None, browser_of: BrowserOf) -> None:
    assert "Your account has no role" in text_of(browser_of(factories.person()).get("queue"))


def test_what_an_agent_calls_itself_or_its_target_is_text(lead: Browser) -> None:
    robot = factories.agent(name="<b>robot</b>\u202e")
    incident = factories.incident(robot, "test.target:t", title="<img src=x>\u202e\u200b")
    assessed("t", agent=robot, token=factories.token(robot), incident=incident)
    page = text_of(lead.get("queue", q="<script>\u202e"))
    assert "<script>\u202e" not in page
    page = text_of(lead.get("queue"))
    assert "<b>robot" not in page
    assert "<img src=x>" not in page
    assert "U+202E" in page or "u202e" in page.lower()


# ---- saved views ---------------------------------------------------------------------------------


def test_a_view_is_kept_shown_and_removed_with_its_entries(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice, bob = browser_of(world.people["alice"]), browser_of(world.people["bob"])
    answer = alice.post("view_save", view="  Grave   ones ", query="risk=high&risk=low&x=1&q=")
    assert (answer.status_code, answer["Location"]) == (302, "/queue/?risk=low")
    page = text_of(alice.get("queue"))
    assert "Grave ones" in page
    assert 'href="/queue/?risk=low"' in page
    assert "Grave ones" not in text_of(bob.get("queue")), "views are their person's own"
    assert bob.post("view_remove", view="Grave ones").status_code == 404
    assert alice.post("view_remove", view="Grave ones").status_code == 302
    assert "View “Grave ones” removed." in text_of(alice.get("queue"))
    assert "Grave ones" not in text_of(alice.get("queue"))
    said = [e.data for e in Entry.objects.order_by("id") if ":view:" in e.data["action"]]
    assert [(e["action"], e["actor"], e["data"]) for e in said] == [
        ("person:view:saved", world.people["alice"].actor,
         {"view": "Grave ones", "query": "risk=low"}),
        ("person:view:removed", world.people["alice"].actor, {"view": "Grave ones", "query": ""}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "sent",
    [
        {"view": "", "query": "risk=high"},
        {"view": "x" * 61, "query": "risk=high"},
        {"view": "bell\x07", "query": "risk=high"},
        {"view": "empty", "query": ""},
        {"view": "odd", "query": "risk=purple"},
    ],
)
def test_a_view_without_name_or_filter_is_refused(lead: Browser, sent: dict[str, str]) -> None:
    assert lead.post("view_save", **sent).status_code == 400
    assert not m.SavedView.objects.exists()


def test_nobody_keeps_views_without_end(lead: Browser) -> None:
    for number in range(saved_views.MOST):
        assert lead.post("view_save", view=f"v{number}", query="risk=high").status_code == 302
    assert lead.post("view_save", view="one more", query="risk=high").status_code == 400
    assert lead.post("view_save", view="v0", query="risk=low").status_code == 302
    assert lead.post("view_remove", view="v1").status_code == 302
    assert lead.post("view_save", view="one more", query="risk=high").status_code == 302


def test_a17_a_view_is_kept_by_post_alone(lead: Browser) -> None:
    assert lead.get("view_save", view="x", query="risk=high").status_code == 405
    assert not m.SavedView.objects.exists()


# ---- who else looks ------------------------------------------------------------------------------


def test_who_looks_is_shown_to_others_who_may_see_it(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice, bob = browser_of(world.people["alice"]), browser_of(world.people["bob"])
    entries = Entry.objects.count()
    assert "viewing" not in text_of(alice.post("looking", proposal_id))
    name = world.people["alice"].user.username
    assert f"{name} is viewing this" in text_of(bob.post("looking", proposal_id))
    assert f"{name} is viewing it" in text_of(bob.get("queue"))
    page = text_of(alice.get("queue"))
    assert f"{name} is viewing" not in page
    assert f"{world.people['bob'].user.username} is viewing it" in page
    # The page knows already: it is not read out again.
    assert bob.post("looking", proposal_id, was=name).status_code == 204
    assert alice.post("looking", proposal_id, left="1").status_code == 204
    assert "is viewing" not in text_of(bob.get("queue"))
    assert Entry.objects.count() == entries, "looking is in no record"


def test_who_may_not_see_it_learns_nothing_and_leaves_no_mark(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice, stranger = browser_of(world.people["alice"]), factories.person()
    alice.post("looking", proposal_id)
    outside = browser_of(stranger)
    entries = Entry.objects.count()
    answer = outside.post("looking", proposal_id)
    assert (answer.status_code, text_of(answer)) == (286, "")
    assert browser_of(None).post("looking", proposal_id).status_code == 286
    assert set(presence.lookers([proposal_id])[proposal_id]) == {world.people["alice"].id}
    assert Entry.objects.count() == entries


def test_a17_opening_or_asking_leaves_no_mark(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice = browser_of(world.people["alice"])
    alice.get("review", proposal_id)
    assert alice.get("looking", proposal_id).status_code == 405
    assert presence.lookers([proposal_id]) == {}


def test_a_mark_grows_old_and_what_is_no_mark_counts_for_nothing(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, proposal_id = uuid4(), uuid4()
    presence.look(person, proposal_id)
    then = time.time()
    assert presence.lookers([proposal_id, uuid4()]) == {proposal_id: [person]}
    monkeypatch.setattr(presence.time, "time", lambda: then + presence.LIVES_S + 1)
    assert presence.lookers([proposal_id]) == {}
    monkeypatch.undo()
    for odd in ("text", [1], {"nobody": then}, {str(person): "now"}, {str(person): then + 99}):
        cache.set(f"looking:{proposal_id}", odd)
        assert presence.lookers([proposal_id]) == {}


def test_a_walk_that_finds_nothing_says_where_to_look_further(
    world: World, browser_of: BrowserOf, as_login: AsLogin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for a walk through everything, and nothing is out of reach."""
    monkeypatch.setattr(reading, "STEP", 1)
    monkeypatch.setattr(reading, "FACTOR", 1)
    for _ in range(6):
        assessed(slots=("service_owner",))
    mine = assessed(slots=("security",))
    may_review_everything(world.people["alice"])
    alice = browser_of(world.people["alice"])
    page = text_of(alice.get("queue", show="mine"))
    assert "No match among the most urgent proposals" in page
    assert f"Up to {reading.STEPS} proposals were searched." in page
    assert "<title>Queue" in page
    pages = walk(alice, f"{reverse('queue')}?show=mine", as_login)
    assert [pk for page in pages for pk in page] == [str(mine.pk)]


def test_where_a_page_ended_says_nothing_of_what_its_reader_may_not_see(
    world: World, browser_of: BrowserOf, as_login: AsLogin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sees very many services reads everybody's queue, and what is not theirs is left out: so a
    page may end at a row of others. Its number, risk and times are not to stand in the address."""
    monkeypatch.setattr(reading, "STEP", 1)
    monkeypatch.setattr(reading, "FACTOR", 1)
    monkeypatch.setattr(reading, "dense", lambda services: services is not None)
    hidden = {str(assessed().pk) for _ in range(6)}
    seen = assessed()
    someone = factories.person(roles=["service_owner"])
    touched = m.AssessmentService.objects.get(assessment__proposal=seen)
    service = m.Service.objects.get(pk=touched.service_id)
    factories.grant(someone.user, "view_service", service)
    browser = browser_of(someone)
    pages = walk(browser, f"{reverse('queue')}?state=review", as_login)
    assert pages[:-1] and pages[-1] == [str(seen.pk)]
    page = text_of(browser.get("queue", state="review"))
    assert "after=" in page
    assert not [pk for pk in hidden if pk in page]
    for odd in ("", "x", "\u00e9", "1" * 400, f"10{'1' * 32}{seen.pk}"):
        assert cursors.opened(odd) == ""


def test_a_rare_word_is_found_however_far_behind(
    lead: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "STEP", 1)
    monkeypatch.setattr(reading, "FACTOR", 1)
    for _ in range(6):
        assessed()
    found = assessed("rarely-named")
    assert order(text_of(lead.get("queue", q="rarely"))) == [str(found.pk)]


def test_whoever_asks_for_one_target_sees_each_on_it(lead: Browser) -> None:
    """The line of a target says how many there are; behind it each has to be found."""
    made = [str(factories.proposal("t1").pk) for _ in range(30)]
    found: list[str] = []
    address = "/queue/?state=new&target=test.target%3At1"
    while address:
        page = text_of(lead.client.get(address))
        found += [pk for pk in made if f'id="row-{pk}"' in page]
        onward = re.search(r'rel="next" href="([^"]+)"', page)
        address = html.unescape(onward[1]) if onward else ""
    assert sorted(found) == sorted(made)
