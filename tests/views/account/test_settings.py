"""A person's own settings: what to be told, the theme, and signing out elsewhere."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from audit.models import Entry
from remediation import models as m
from remediation.domain.telling import KINDS, Kind
from remediation.services.people import choose_notices, sessions
from tests import factories
from tests.conftest import AsLogin
from tests.factories import WORKER, Person
from tests.views.conftest import BrowserOf, sign_in, text_of

pytestmark = pytest.mark.django_db
PAGE = reverse("settings")


@pytest.fixture
def alice() -> Person:
    cache.clear()
    return factories.person("alice-t", roles=["security"])


@pytest.fixture
def client(alice: Person) -> Client:
    made = Client(headers={"User-Agent": "Mozilla/5.0 (X11; Linux) Chrome/140.0 Safari/537"})
    sign_in(made, alice.user)
    return made


def channel(name: str, *, state: str = "working", **carries: object) -> None:
    with factories.acting(WORKER):
        entry = factories.entry("worker:channel:changed", "worker:test", f"channel:{name}")
        m.NoticeChannel.objects.create(
            name=name, service="Slack", carries=carries, state=state, detail="status 500",
            entry=entry,
        )  # fmt: skip


def choose(client: Client, *on: str) -> None:
    assert client.post(reverse("settings_notices"), {"on": on})["Location"] == PAGE


def test_everything_is_on_until_somebody_chooses(
    client: Client, alice: Person, as_login: AsLogin
) -> None:
    with as_login("hitl_web"):
        page = text_of(client.get(PAGE))
        assert page.count("checked") == len(Kind)
        assert page.count("disabled") == sum(about.always for about in KINDS.values())
        choose(client, "mail:round_opened")
        assert choose_notices.muted_of(alice.user) == {
            f"mail:{kind}"
            for kind in Kind
            if not KINDS[kind].always and kind is not Kind.ROUND_OPENED
        }
        choose(client, "mail:round_opened")
    entries = [
        e.data for e in Entry.objects.order_by("id") if e.data["action"] == "person:notices:chosen"
    ]
    assert len(entries) == 1, "nothing is recorded when nothing changes"
    assert entries[0]["actor"] == f"person:{alice.id}"
    assert m.NoticeChoice.objects.count() == 1


def test_only_her_own_channels_can_be_chosen(
    client: Client, alice: Person, as_login: AsLogin
) -> None:
    other = factories.person("bob-t", roles=["security"])
    channel("pager", person=str(alice.id), roles=[], title="Pager")
    channel("his", person=str(other.id), roles=[], title="Pocket of Bob")
    channel("soc", person="", roles=["security"], title="SOC room")
    channel("desk", person="", roles=["auditor"], title="Audit desk")
    channel("old", person=str(alice.id), roles=[], title="Old")
    channel("old", person=str(alice.id), roles=[], title="Old", state="removed")
    with as_login("hitl_web"):
        page = text_of(client.get(PAGE))
        assert 'value="pager:round_opened"' in page and "SOC room" in page
        for hidden in ("Pocket of Bob", "Audit desk", "his:", "old:"):
            assert hidden not in page
        choose(client, "mail:round_opened", "his:round_opened", "x" * 500)
    assert all(
        pair.split(":")[0] in ("mail", "pager") for pair in choose_notices.muted_of(alice.user)
    )


def test_a_failing_channel_is_shown_to_the_team_and_as_a_banner_to_leads(
    client: Client, as_login: AsLogin
) -> None:
    channel("soc", person="", roles=["security"], title="SOC room", state="failing")
    channel("mail", person="", roles=[], title="Mail", state="failing")
    lead = Client()
    sign_in(lead, factories.person("lena-t", roles=["lead"]).user)
    with as_login("hitl_web"):
        page = text_of(client.get(PAGE))
        assert "Not delivered:" in page and "The mail server does not take mails." in page
        assert "are not delivered. People may not know" not in page
        assert "are not delivered. People may not know" in text_of(lead.get(reverse("queue")))


def test_the_theme_is_a_cookie_that_the_page_follows(client: Client, as_login: AsLogin) -> None:
    dark = 'tokens_dark.css" media="screen">'
    system = 'tokens_dark.css" media="screen and (prefers-color-scheme: dark)">'
    with as_login("hitl_web"):
        assert system in text_of(client.get(PAGE))
        answer = client.post(reverse("settings_theme"), {"theme": "dark"})
        cookie = answer.cookies["theme"]
        assert (cookie.value, cookie["httponly"], cookie["samesite"]) == ("dark", True, "Lax")
        assert dark in text_of(client.get(PAGE))
        client.post(reverse("settings_theme"), {"theme": "light"})
        assert "tokens_dark.css" not in text_of(client.get(reverse("queue")))
        # Also before sign-in, on the same browser.
        anonymous = Client()
        anonymous.cookies["theme"] = "dark"
        assert dark in text_of(anonymous.get(reverse("account_login")))
        anonymous.cookies["theme"] = '"><script>'
        page = text_of(anonymous.get(reverse("account_login")))
        assert system in page and '"><script>' not in page
        client.post(reverse("settings_theme"), {"theme": "<b>"})
        assert system in text_of(client.get(PAGE))


def test_signing_out_elsewhere_ends_every_other_session(
    client: Client, alice: Person, as_login: AsLogin, browser_of: BrowserOf
) -> None:
    phone, stranger = Client(headers={"User-Agent": "x Firefox/140 iPhone"}), Client()
    browser = browser_of(alice)
    browser.client = client
    sign_in(phone, alice.user)
    sign_in(stranger, factories.person("bob-s").user)
    with as_login("hitl_web"):
        for one in (client, phone):
            assert one.get(PAGE).status_code == 200
    assert browser.act("settings_sessions")["Location"] == PAGE
    with as_login("hitl_web"):
        assert phone.get(PAGE).status_code == 302
        assert client.get(PAGE).status_code == stranger.get(PAGE).status_code == 200
    # Also those that an older list does not name; and one that begins later lives.
    later = Client()
    alice.user.refresh_from_db()
    sign_in(later, alice.user)
    with as_login("hitl_web"):
        assert later.get(PAGE).status_code == 200
    assert [e.data["action"] for e in Entry.objects.order_by("id")].count(
        "person:sessions:ended"
    ) == 1


def test_a47_no_session_key_lies_in_the_list(client: Client, alice: Person) -> None:
    key = client.session.session_key or ""
    sessions.begin(alice.user, key, "Mozilla <script>\n")
    assert key and key not in repr(cache.get(f"own_sessions:{alice.user.person}"))
    (mine,) = [one for one in sessions.sessions_of(alice.user, key) if one.current]
    assert "\n" not in mine.browser_untrusted


def test_the_only_passkey_asks_for_a_second_one(client: Client, as_login: AsLogin) -> None:
    with as_login("hitl_web"):
        assert "Your only passkey. Add a second one." in text_of(client.get(PAGE))
