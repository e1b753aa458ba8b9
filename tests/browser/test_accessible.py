"""WCAG 2.2 AA by axe-core, on every page that a person can come to, in both themes."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from uuid import UUID

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import expect

from remediation import models as m
from tests.browser import axe
from tests.browser.chromium import Visitor
from tests.browser.people import account, approver, come_in
from tests.browser.test_import import hand_in
from tests.domain.intake.files import GRAPHS
from tests.flows.world import World
from tests.services.reporting import leaks as secrecy
from tests.views import walk

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])

# Each theme in one width: colours differ by theme, sizes and order by width.
FORMS = (("light", 1440), ("dark", 360))
SHOT = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{64}|\W+")


def judge(visitor: Visitor, name: str) -> list[str]:
    """What axe finds on the page that stands there, all of it unfolded."""
    wrong: list[str] = []
    visitor.page.locator("main details").evaluate_all(
        "all => all.forEach(element => { element.open = true; })"
    )
    for scheme, width in FORMS:
        visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        visitor.page.set_viewport_size({"width": width, "height": 900})
        if visitor.overflows():
            wrong.append(f"{name} is wider than {width}")
        wrong += [f"{name}, {scheme}, {width}: {found}" for found in axe.violations(visitor)]
    visitor.shoot("axe-" + "-".join(part for part in SHOT.split(name) if part))
    visitor.page.set_viewport_size({"width": 1440, "height": 900})
    return wrong


def check(visitor: Visitor, paths: list[str]) -> None:
    wrong: list[str] = []
    for path in paths:
        answer = visitor.page.goto(visitor.origin + path)
        assert answer is not None and answer.status < 400, path
        wrong += judge(visitor, path)
    assert not wrong, "\n".join(wrong)


def test_every_page_of_the_urlconf(
    world: World, come: Callable[[m.User], Visitor], visit: Callable[[], Visitor]
) -> None:
    """A new page is judged without a line here: the walk finds it."""
    people = walk.people(world)
    found = walk.pages(walk.values_of(walk.decided_by_one(world)), people)
    for name, someone in people.items():
        visitor = come(someone.user) if someone else visit()
        check(visitor, [page.path for page in found if page.who == name and not page.part])


def test_the_portals_pages(world: World, visit: Callable[[], Visitor]) -> None:
    """In a state, or by a query, or for a person that the walk does not have."""
    proposal_id: UUID = world.in_review()
    alice, user = visit(), approver(world, "alice-b", "security")
    come_in(alice, user)
    check(
        alice,
        [
            "/queue/",
            f"/proposals/{proposal_id}/",
            "/queue/?state=review&target=test.target:t1",
            "/queue/?q=nothing",
            "/account/password/",
        ],
    )


def test_after_the_run(world: World, visit: Callable[[], Visitor]) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    world.integrate()
    carol = visit()
    come_in(carol, account("carol-b", "auditor"))
    check(
        carol,
        [
            "/audit/entries/",
            f"/proposals/{proposal_id}/",
            f"/proposals/{proposal_id}/history/",
            f"/proposals/{proposal_id}/execution/",
            f"/proposals/{proposal_id}/reviews/1/",
        ],
    )


def test_before_anybody_signed_in(visit: Callable[[], Visitor], world: World) -> None:
    check(visit(), ["/invite/", "/account/login/"])


def test_the_page_of_the_interface(visit: Callable[[], Visitor]) -> None:
    check(visit(), ["/api/v1/docs"])


def test_the_admins_pages(world: World, visit: Callable[[], Visitor]) -> None:
    ed = visit()
    user = account("ed-b", "staff", "inventory_editor")
    user.groups.add(Group.objects.get_or_create(name="agent_admin")[0])
    come_in(ed, user)
    check(
        ed,
        [
            "/admin/",
            "/admin/remediation/service/",
            "/admin/remediation/service/add/",
            "/admin/remediation/service/import/",
            "/admin/remediation/identity/",
            "/admin/remediation/agent/",
            "/admin/remediation/agent/add/",
        ],
    )


def test_the_admins_pages_about_one_thing(world: World, visit: Callable[[], Visitor]) -> None:
    service = m.Service.objects.get(versions__environment="production")
    identity, agent = m.Identity.objects.all()[0], m.Agent.objects.all()[0]
    token = m.AgentToken.objects.filter(agent=agent)[0]
    ed = visit()
    user = account("ed-b", "staff", "inventory_editor", "agent_admin", "user_admin")
    come_in(ed, user)
    check(
        ed,
        [
            f"/admin/remediation/service/{service.pk}/change/",
            f"/admin/remediation/service/{service.pk}/rights/",
            f"/admin/remediation/identity/{identity.pk}/change/",
            "/admin/remediation/identity/add/",
            f"/admin/remediation/agent/{agent.pk}/change/",
            f"/admin/remediation/agent/{agent.pk}/token/",
            f"/admin/remediation/agent/token/{token.pk}/revoke/",
            "/admin/remediation/user/",
            f"/admin/remediation/user/{user.pk}/change/",
            "/admin/remediation/user/add/",
        ],
    )
    page = ed.open(f"/admin/remediation/agent/{agent.pk}/token/")
    page.get_by_role("button", name="Make the token").click()
    expect(page.locator("#token")).to_be_visible()
    assert judge(ed, "a new token") == []


def test_what_an_import_would_change(
    world: World,
    visit: Callable[[], Visitor],
) -> None:
    ed = visit()
    come_in(ed, account("ed-b", "staff", "inventory_editor"))
    shop = [GRAPHS / "online-boutique" / "kubernetes-manifests.yaml"]
    hand_in(ed, "Kubernetes manifests", shop, "shop-eu1")
    expect(ed.page.get_by_role("button", name="Change the inventory")).to_be_visible()
    assert judge(ed, "import diff") == []


def test_errors_and_what_is_not_there(world: World, visit: Callable[[], Visitor]) -> None:
    alice = visit()
    come_in(alice, approver(world, "alice-b", "security"))
    alice.open("/no-such-page/")
    assert judge(alice, "not found") == []
    alice.open("/audit/log/")
    assert judge(alice, "not allowed") == []
    # The browser's own lines about the answers themselves, and nothing else.
    assert [line for line in alice.complaints if "status of 40" not in line] == []
    alice.complaints.clear()


def test_secrets_masked_and_revealed(world: World, visit: Callable[[], Visitor]) -> None:
    proposal_id = secrecy.handed_in(world)
    world.assess(proposal_id)
    alice = visit()
    come_in(alice, approver(world, "alice-b", "security"))
    # With a long word about what is masked: it has to break on a telephone.
    page = alice.open(f"/proposals/{proposal_id}/")
    page.get_by_text("Artefacts", exact=True).click()
    expect(page.get_by_text("masked: 2 secrets").first).to_be_visible()
    wrong = judge(alice, "masked review")
    page = alice.open(f"/proposals/{proposal_id}/evidence/{sha256(secrecy.LEAK).hexdigest()}/")
    expect(page.locator(".masked").first).to_be_visible()
    wrong += judge(alice, "masked")
    page.get_by_label("Why you need to see them").fill(secrecy.REASON)
    page.get_by_role("button", name="Show the secrets").click()
    expect(page.get_by_role("heading", name="Revealed: 2 secrets")).to_be_visible()
    assert wrong + judge(alice, "revealed") == []
