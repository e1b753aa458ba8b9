"""Who can do what, at a browser: by keyboard and links from the review page, and axe-clean."""

from __future__ import annotations

from remediation import models as m
from remediation.services.actors import ProcessActor
from remediation.services.people import object_rights
from remediation.services.people.object_rights import Place
from tests import factories
from tests.browser.conftest import Come
from tests.factories import OPERATORS
from tests.flows.world import World, acts


def test_a81_from_the_review_page_to_who_is_missing(world: World, come: Come) -> None:
    proposal_id = world.in_review()
    visitor = come(world.people["alice"].user)
    visitor.open(f"/proposals/{proposal_id}/")
    visitor.page.get_by_role("link", name="Who can decide, who cannot and why").click()
    visitor.page.get_by_role("heading", name="Who can decide").wait_for()
    visitor.shoot("who-proposal")
    world.people["bob"].user.userobjectpermission_set.all().delete()
    visitor.page.reload()
    visitor.page.get_by_text("Nobody can fill:").wait_for()
    visitor.shoot("who-proposal-missing")


def test_a_person_and_a_service_answer_who_can_do_what(world: World, come: Come) -> None:
    admin = factories.person("ada", roles=["user_admin"])
    m.User.objects.filter(pk=admin.user.pk).update(is_staff=True)
    with acts(OPERATORS):
        for place in (Place("team", "team"), Place("environment", "production")):
            object_rights.set_right_on(
                actor=ProcessActor("operator:test"), place=place, right="review_service",
                held=True, person=world.people["bob"].id,
            )  # fmt: skip
    admin.user.refresh_from_db()
    visitor = come(admin.user)
    visitor.open("/who/?q=bob")
    visitor.shoot("who-index")
    visitor.page.get_by_role("link", name=world.people["bob"].user.username).click()
    visitor.page.get_by_role("heading", name="In short").wait_for()
    visitor.shoot("who-person")
    visitor.page.get_by_role("link", name=m.Service.objects.get().name).first.click()
    visitor.page.get_by_role("heading", name="People with a right").wait_for()
    visitor.shoot("who-service")
    visitor.open(f"/admin/remediation/user/{world.people['bob'].user.pk}/rights/")
    visitor.shoot("who-rights")
