"""Every page in a language that nobody speaks: what is left in plain letters was forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import UUID

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group
from django.urls import resolve, reverse
from django.utils import translation
from pytest_django import Settings

from remediation import models as m
from remediation.services.people import accounts
from tests import factories
from tests.factories import Person
from tests.flows.world import World
from tests.language.pseudo import CODE
from tests.language.reading import Reader, read
from tests.views import walk
from tests.views.conftest import Browser, BrowserOf

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])

LETTERS = re.compile(r"[A-Za-z]+")
# Ids, digests, names of settings, of formats and of this program.
MACHINE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{8,}\b|hitlportal|HITL_\w+"
    r"|\b(?:[a-z0-9_]+[.:/])+[a-z0-9_{}/.:-]+|\{\w+\}"
)

# Words that Django's own admin says in English whatever the language.
DJANGOS = {("img[alt]", word) for word in ("Search", "True", "False", "None")}


def names() -> list[str]:
    """Names that people and agents gave: they are in no language. The longest first."""
    rows = [
        m.User.objects.values_list("username", flat=True),
        Group.objects.values_list("name", flat=True),
        m.Agent.objects.values_list("name", flat=True),
        m.Service.objects.values_list("name", flat=True),
        m.ServiceVersion.objects.values_list("owner_team", flat=True),
        m.Identity.objects.values_list("locator", flat=True),
        m.Incident.objects.values_list("title", flat=True),
        m.Incident.objects.values_list("kind", flat=True),
        m.SavedView.objects.values_list("name", flat=True),
        Authenticator.objects.values_list("data__name", flat=True),
        accounts.BUILT_IN,
    ]
    return sorted({str(name) for row in rows for name in row if name}, key=len, reverse=True)


def forgotten(page: Reader) -> list[str]:
    """What the page says in plain letters and is no name."""
    given = names()
    found = []
    for where, text in page.said:
        rest = MACHINE.sub(" ", text)
        for name in given:
            rest = rest.replace(name, " ")
        if where == "title" or (where, text) in DJANGOS:
            continue
        if LETTERS.search(rest):
            found.append(f"{where}: {text}")
    return found


class Tour:
    """Somebody who opens pages in both languages, and what was found on them."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.wrong: dict[str, list[str]] = {}

    def open_page(self, page: walk.Page) -> None:
        """A page that the walk found."""
        match = resolve(page.path)
        status = self.browser.client.get(page.path).status_code
        self.open(page.name, *match.kwargs.values(), status=status)

    def open(self, name: str, *args: object, status: int = 200, **query: str) -> None:
        pages = [
            self._page(language, name, *args, status=status, **query) for language in (CODE, "en")
        ]
        problems = [*forgotten(pages[0]), *(f"not filled: {text}" for text in pages[0].left)]
        if pages[0].language_of_page[0] not in ("", CODE):
            problems.append(f"the page says that it is in {pages[0].language_of_page[0]}")
        different = set(pages[0].told) ^ set(pages[1].told)
        problems += [f"a machine would read: {one}" for one in sorted(different)]
        if problems:
            self.wrong[f"{reverse(name, args=args)} {query or ''}"] = problems

    def _page(self, language: str, name: str, *args: object, status: int, **query: str) -> Reader:
        self.browser.client.cookies["django_language"] = language
        answer = self.browser.get(name, *args, **query)
        assert answer.status_code == status, f"{name}: {answer.status_code}"
        assert answer["Content-Language"] == language
        return read(answer.content.decode(), language)


def complain(*tours: Tour) -> None:
    wrong = {at: found for tour in tours for at, found in tour.wrong.items()}
    assert not wrong, "\n".join(
        f"{at}\n    " + "\n    ".join(found[:60]) for at, found in wrong.items()
    )


@pytest.fixture(autouse=True)
def _speaks(speaks: None) -> Iterator[None]:
    yield
    translation.deactivate()


def test_the_test_sees_what_it_is_for(db: None) -> None:
    """The control: plain words are found, whole, in text and in attributes; marked ones are not."""
    html = (
        '<p title="Plain">⟦Ḿāŕķēď⟧ <b lang="en">recorded</b> bare<code>exact</code></p>'
        '<svg aria-label="drawn"/><time title="a time">now</time><i lang="">agent</i>'
    )
    assert forgotten(read(html, CODE)) == ["p[title]: Plain", "p: bare", "svg[aria-label]: drawn"]


def test_every_page_of_the_urlconf(world: World, browser_of: BrowserOf) -> None:
    """A new page is read without a line here: the walk finds it."""
    values = walk.values_of(walk.decided_by_one(world))
    people = walk.people(world)
    found = walk.pages(values, people)
    tours = {name: Tour(browser_of(someone)) for name, someone in people.items()}
    for page in found:
        tours[page.who].open_page(page)
    complain(*tours.values())


def test_a_reviewers_pages(world: World, browser_of: BrowserOf) -> None:
    """In a state, or by a query, or for a person that the walk does not have."""
    proposal_id: UUID = world.in_review()
    world.people["alice"].user.set_password("a password")
    world.people["alice"].user.save()
    alice = Tour(browser_of(world.people["alice"]))
    proposal = m.Proposal.objects.get(pk=proposal_id)
    artefact = m.Evidence.objects.get(incident=proposal.incident_id).sha256
    alice.open("review", proposal_id)
    alice.open("correct", proposal_id)
    alice.open("review_rail", proposal_id, status=286)
    alice.open("evidence", proposal_id, artefact, part="1")
    alice.open("queue", state="review", target="test.target:t1")
    alice.open("queue", q="nothing", risk="odd")
    alice.open("account_change_password")
    dave = Tour(browser_of(world.people["dave"]))
    dave.open("review", proposal_id)
    dave.open("correct", proposal_id, status=403)
    complain(alice, dave)


def test_pages_of_a_run_and_of_what_was_signed(world: World, browser_of: BrowserOf) -> None:
    proposal_id = world.approved()
    alice = Tour(browser_of(world.people["alice"]))
    alice.open("review", proposal_id)
    alice.open("execution", proposal_id)
    world.execute(proposal_id)
    for name in ("review", "execution", "execution_progress", "proposal_history"):
        alice.open(name, proposal_id, status=286 if name == "execution_progress" else 200)
    alice.open("proposal_review", proposal_id, 1)
    alice.open("queue")
    complain(alice)


def test_the_auditors_pages(world: World, browser_of: BrowserOf) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.integrate()
    proposal = m.Proposal.objects.get(pk=proposal_id)
    carol = Tour(browser_of(_staff(["auditor"])))
    carol.open("audit_entries", since="nonsense", status=400)
    carol.open("incident_record", proposal.incident_id)
    for model in ("incident", "proposal", "review", "transition", "assessment", "evidence"):
        carol.open(f"admin:remediation_{model}_changelist")
    carol.open("admin:remediation_incident_change", proposal.incident_id)
    complain(carol)


def test_before_anybody_signed_in(browser_of: BrowserOf) -> None:
    nobody = Tour(browser_of(None))
    nobody.open("account_login")
    nobody.open("invite")
    complain(nobody)


def test_the_admins_pages(world: World, browser_of: BrowserOf) -> None:
    ed = Tour(browser_of(_staff(["inventory_editor", "agent_admin", "user_admin"])))
    service, agent = m.Service.objects.earliest("pk"), m.Agent.objects.earliest("pk")
    for name in ("index", "remediation_service_import", "auth_group_changelist"):
        ed.open(f"admin:{name}")
    for model in ("service", "identity", "dependency", "agent", "user"):
        ed.open(f"admin:remediation_{model}_changelist")
        ed.open(f"admin:remediation_{model}_add")
    ed.open("admin:remediation_service_change", service.pk)
    ed.open("admin:remediation_service_rights", service.pk)
    ed.open("admin:remediation_agent_change", agent.pk)
    ed.open("admin:remediation_agent_token", agent.pk)
    ed.open("admin:remediation_user_change", world.people["alice"].user.pk)
    complain(ed)


def _staff(roles: list[str]) -> Person:
    someone = factories.person(roles=roles)
    m.User.objects.filter(pk=someone.user.pk).update(is_staff=True)
    return someone


def test_numbers_that_machines_read_are_no_languages(
    world: World, browser_of: BrowserOf, settings: Settings
) -> None:
    """In a language that sets off every digit, and with a setting that we do not use: ids,
    addresses, rounds, the geometry of a drawing and what scripts read stay as they are."""
    settings.USE_THOUSAND_SEPARATOR = True
    settings.THOUSAND_SEPARATOR, settings.NUMBER_GROUPING = "'", 1
    proposal_id = world.approved()
    alice = Tour(browser_of(world.people["alice"]))
    alice.open("review", proposal_id)
    world.execute(proposal_id)
    for name in ("review", "execution", "proposal_history", "queue"):
        alice.open(name, *([] if name == "queue" else [proposal_id]))
    alice.open("proposal_review", proposal_id, 1)
    ed = Tour(browser_of(_staff(["inventory_editor", "auditor"])))
    ed.open("admin:remediation_service_changelist")
    ed.open("admin:remediation_service_change", m.Service.objects.earliest("pk").pk)
    ed.open("audit_entries")
    ed.open("audit_entry", m.Proposal.objects.get(pk=proposal_id).entry)
    complain(alice, ed)
