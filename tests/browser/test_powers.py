"""Power over people at a browser: the page asks for the passkey, and says what it signs (A76)."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from audit.models import Entry
from remediation.services.access import authorize
from tests import factories
from tests.browser.chromium import Visitor
from tests.browser.conftest import Visit
from tests.browser.people import account, come_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor(visit: Visit) -> Visitor:
    found = visit()
    come_in(found, account("ada", "user_admin", "staff"))
    return found


def test_a76_a_group_is_given_with_the_passkey(visitor: Visitor) -> None:
    bob = factories.person("bob", roles=["auditor"])
    page = visitor.open(f"/admin/remediation/user/{bob.user.pk}/change/")
    page.get_by_label("security").check()
    visitor.shoot("powers-account")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/admin/remediation/user/")
    visitor.shoot("powers-saved")
    assert authorize.roles(bob.user) == {"auditor", "security"}
    found = [e.data for e in Entry.objects.all() if e.data["action"] == "person:user:changed"]
    assert found[0]["data"]["step_up"]["assertion"]["signature"]


def test_a76_a_right_is_given_and_taken_with_the_passkey(visitor: Visitor) -> None:
    bob = factories.person("bob", roles=["security"])
    service = factories.service("billing", owner_team="payments")
    page = visitor.open(f"/admin/remediation/user/{bob.user.pk}/rights/")
    visitor.shoot("powers-rights")
    page.get_by_label("Right:").select_option("review_service")
    page.get_by_label("On:").select_option("team")
    page.get_by_label("Name:").fill("payments")
    page.get_by_role("button", name="Give").click()
    taking = page.get_by_role("button", name="Take away")
    expect(taking).to_be_visible()
    visitor.shoot("powers-given")
    assert authorize.service_ids(bob.id, "review_service") == {service.pk}
    taking.click()
    expect(page.get_by_text("This person holds no right on any service.")).to_be_visible()
    assert not authorize.service_ids(bob.id, "review_service")
