"""Who can do what: pages for a person, a service and a proposal, and who may open them."""

from __future__ import annotations

from uuid import UUID

from remediation.models import Service, User
from remediation.services.actors import ProcessActor
from remediation.services.people import object_rights
from remediation.services.people.object_rights import Place
from tests import factories
from tests.factories import OPERATORS
from tests.flows.world import World, acts
from tests.views.conftest import BrowserOf


def test_a_proposal_says_who_can_decide_and_who_cannot_and_why(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    world.decide("alice", proposal_id)
    page = browser_of(world.people["bob"]).get("who_proposal", proposal_id).content.decode()
    named = {name: someone.user.username for name, someone in world.people.items()}
    for name in ("alice", "bob", "mallory", "dave", "eve"):
        assert named[name] in page
    assert "approved by " + named["alice"] in page
    assert "owner of the agent" in page and "made a token of the agent" in page
    assert "every slot of this role is filled" in page
    assert "The worker checks the key" in page
    assert "Nobody can fill" not in page


def test_a81_the_page_says_who_is_missing_also_when_a_right_is_lost_later(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    lead = factories.person(roles=["lead"])
    world.people["bob"].user.userobjectpermission_set.all().delete()
    page = browser_of(lead).get("who_proposal", proposal_id).content.decode()
    assert "Nobody can fill: service owner" in " ".join(page.replace("</h2>", " ").split())
    assert "has no right to review an affected service" in page


def test_a12_who_may_not_see_a_proposal_does_not_see_who_decides_it(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    stranger = factories.person(roles=["security"])
    assert browser_of(stranger).get("who_proposal", proposal_id).status_code == 404


def test_a_person_sees_own_page_and_overseers_see_all(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice, bob = world.people["alice"], world.people["bob"]
    service = Service.objects.get()
    own = browser_of(alice).get("who_person", alice.id)
    assert own.status_code == 200
    assert service.name in own.content.decode()
    assert browser_of(alice).get("who_person", bob.id).status_code == 404
    for role in ("lead", "auditor", "user_admin"):
        overseer = factories.person(roles=[role])
        shown = browser_of(overseer).get("who_person", bob.id)
        assert shown.status_code == 200
        assert "given personally" in shown.content.decode()


def test_a_service_says_who_may_decide_and_which_role_is_missing(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    service = Service.objects.get()
    bob = world.people["bob"]
    page = browser_of(bob).get("who_service", service.pk).content.decode()
    assert world.people["alice"].user.username in page
    assert "Nobody active with the role" not in page
    User.objects.exclude(pk=bob.user.pk).update(is_active=False)
    page = browser_of(bob).get("who_service", service.pk).content.decode()
    assert "“security”" in page
    assert browser_of(factories.person()).get("who_service", service.pk).status_code == 404


def test_the_search_finds_only_what_the_reader_may_see(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    alice, bob = world.people["alice"], world.people["bob"]
    hidden = factories.service("hidden-service")
    mine = browser_of(alice).get("who", q="").content.decode()
    assert alice.user.username in mine and bob.user.username not in mine
    assert hidden.name not in mine
    every = browser_of(factories.person(roles=["lead"])).get("who", q="hidden").content.decode()
    assert hidden.name in every


def test_a81_the_correct_form_says_before_that_nobody_would_be_left(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    warned = "If you correct this, nobody could decide it"
    bobs = browser_of(world.people["bob"]).get("correct", proposal_id).content.decode()
    assert warned in bobs
    alices = browser_of(world.people["alice"]).get("correct", proposal_id).content.decode()
    assert warned not in alices


def test_a_right_by_team_is_on_the_page_of_the_person(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    carol = factories.person(roles=["service_owner"])
    with acts(OPERATORS):
        object_rights.set_right_on(
            actor=ProcessActor("operator:test"),
            place=Place("team", "team"),
            right="review_service",
            held=True,
            person=carol.id,
        )
    page = browser_of(carol).get("who_person", carol.id).content.decode()
    assert "services of team" in page
    assert Service.objects.get().name in page
    found = browser_of(carol).get("who_proposal", proposal_id).content.decode()
    assert carol.user.username in found
