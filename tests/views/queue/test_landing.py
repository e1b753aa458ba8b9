"""Each role's first page is its own work."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.urls import reverse

from tests import factories
from tests.flows.world import World
from tests.views.conftest import BrowserOf


@pytest.mark.parametrize(
    ("roles", "page"),
    [
        (["security"], "queue"),
        (["lead"], "queue"),
        (["auditor"], "audit_entries"),
        (["inventory_editor"], "inventory"),
        (["agent_admin"], "agents"),
        (["user_admin"], "people"),
        ([], "queue"),
        # Of several roles the first that has work; here nothing waits for a decision.
        (["security", "auditor"], "audit_entries"),
        (["lead", "inventory_editor"], "inventory"),
    ],
)
def test_a_role_lands_on_its_own_work(
    db: None, browser_of: BrowserOf, roles: list[str], page: str
) -> None:
    someone = factories.person(roles=roles)
    answer = browser_of(someone).get("home")
    assert (answer.status_code, answer["Location"]) == (302, reverse(page))
    if page != "audit_entries":  # tested with the log's own login
        assert browser_of(someone).client.get(answer["Location"]).status_code == 200


def test_a_decision_that_waits_comes_before_other_work(
    world: World, proposal_id: UUID, browser_of: BrowserOf
) -> None:
    for name, role in (("alice", "auditor"), ("dave", "auditor")):
        factories.join(world.people[name].user, role)
    assert browser_of(world.people["alice"]).get("home")["Location"] == reverse("queue")
    # dave owns the agent: nothing waits for him.
    assert browser_of(world.people["dave"]).get("home")["Location"] == reverse("audit_entries")
    lead = factories.person(roles=["lead", "auditor"])
    assert browser_of(lead).get("home")["Location"] == reverse("queue")


def test_the_audit_root_leads_to_the_entries_and_asks_who_it_is(
    db: None, browser_of: BrowserOf
) -> None:
    carol = browser_of(factories.person(roles=["auditor"]))
    answer = carol.client.get("/audit/")
    assert (answer.status_code, answer["Location"]) == (302, reverse("audit_entries"))
    other = browser_of(factories.person(roles=["security"]))
    assert other.client.get("/audit/", follow=True).status_code in (403, 404)
    nobody = browser_of(None).client.get("/audit/", follow=True)
    assert nobody.redirect_chain[-1][0].startswith(reverse("account_login"))
    assert carol.client.post("/audit/").status_code == 405


def test_who_is_not_signed_in_goes_to_the_sign_in(db: None, browser_of: BrowserOf) -> None:
    assert browser_of(None).get("home")["Location"].startswith(reverse("account_login"))
