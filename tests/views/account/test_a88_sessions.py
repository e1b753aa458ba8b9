"""A88: a session made before an account lost something is dead for ever."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AbstractUser
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain import b64url, errors
from remediation.domain.act import ActStatement
from remediation.services.actors import operator
from remediation.services.people import accounts, enroll, sessions, stepup
from tests import factories
from tests import stepup as signing
from tests.conftest import AsLogin
from tests.factories import Person
from tests.views.account.test_passkey_alone import answer
from tests.views.conftest import BrowserOf

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Person:
    return factories.person("alice-k", roles=["security", "compliance"])


def changed(user: m.User, *, active: bool, groups: set[str]) -> None:
    facts = accounts.PersonFacts(user.email, active=active, groups=frozenset(groups))
    accounts.change(actor=operator(), user_id=user.pk, facts=facts)


def switched_off_and_on(user: m.User) -> None:
    changed(user, active=False, groups={"security", "compliance"})
    changed(user, active=True, groups={"security", "compliance"})


def role_lost_and_given_back(user: m.User) -> None:
    changed(user, active=True, groups={"security"})
    changed(user, active=True, groups={"security", "compliance"})


def reset_and_given_back(user: m.User) -> None:
    """Also when a restore or an operator puts back the very passkey and password."""
    kept, password = list(Authenticator.objects.filter(user=user)), user.password
    enroll.reset(actor=operator(), username=user.username)
    Authenticator.objects.bulk_create(kept)
    m.User.objects.filter(pk=user.pk).update(password=password)


def by_sql(user: m.User) -> None:
    """Past the services, by the one login that may."""
    for active in ("false", "true"):
        with factories.as_owner(), connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE remediation_user SET is_active = {active} WHERE id = %s", [user.pk]
            )


WAYS = [switched_off_and_on, role_lost_and_given_back, reset_and_given_back, by_sql]


def ends(alice: Person, settings: Settings, as_login: AsLogin, way: Callable[..., None]) -> bool:
    """Sign in, do this to the account, and return whether the session is dead."""
    client = Client()
    with as_login("hitl_web"):
        assert answer(client, alice, settings)["Location"] == reverse("home")
        assert client.get(reverse("queue")).status_code == 200
        if way is by_sql:
            way(alice.user)
    if way is not by_sql:
        way(alice.user)
    with as_login("hitl_web"):
        dead = bool(client.get(reverse("queue")).status_code == 302)
        fresh = Client()
        alice.user.refresh_from_db()
        assert answer(fresh, alice, settings)["Location"] == reverse("home")
        assert fresh.get(reverse("queue")).status_code == 200, "the account itself works again"
    return dead


@pytest.mark.parametrize("way", WAYS)
def test_a88_what_ends_a_session_ends_it_for_ever(
    alice: Person, settings: Settings, as_login: AsLogin, way: Callable[..., None]
) -> None:
    assert ends(alice, settings, as_login, way)


@pytest.mark.parametrize("way", WAYS)
def test_a88_control_without_the_epoch_the_session_lives_again(
    alice: Person,
    settings: Settings,
    as_login: AsLogin,
    monkeypatch: pytest.MonkeyPatch,
    way: Callable[..., None],
) -> None:
    monkeypatch.setattr(m.User, "get_session_auth_hash", AbstractUser.get_session_auth_hash)
    assert not ends(alice, settings, as_login, way)


def test_a88_a_removed_passkey_ends_the_sessions_elsewhere_and_keeps_this_one(
    alice: Person, settings: Settings, browser_of: BrowserOf
) -> None:
    second = factories.person("second-k")
    row = Authenticator.objects.get(user=second.user)
    Authenticator.objects.filter(pk=row.pk).update(user=alice.user)
    here, elsewhere = browser_of(alice), browser_of(alice)
    started = here.send("passkey_remove_start", row.pk, body={}).json()
    proof = alice.passkey.authentication(
        b64url.decode(started["prove"]["challenge"]), settings.RP_ID, settings.ORIGIN
    )
    assert here.send("passkey_remove", row.pk, body={"assertion": proof}).status_code == 200
    assert here.get("queue").status_code == 200
    assert elsewhere.get("queue").status_code == 302


def test_a88_the_end_of_sessions_elsewhere_outlives_the_cache(
    alice: Person, browser_of: BrowserOf
) -> None:
    """It stood in the cache for a shift; the sessions' copies could outlive it."""
    here, elsewhere = browser_of(alice), browser_of(alice)
    here.act("settings_sessions")
    cache.delete(f"own_sessions:{alice.user.person}")
    assert here.get("queue").status_code == 200
    assert elsewhere.get("queue").status_code == 302


def race(
    alice: Person, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch, *, adopt: bool
) -> bool:
    """A thief's request to end sessions is under way when alice ends hers; does he stay in?

    With `adopt` the request takes over the account's newest epoch, as it once did.
    """
    victim, thief = browser_of(alice), browser_of(alice)
    end_others = sessions.end_others

    def slow(*, actor: m.User, proof: stepup.Proof | None) -> None:
        monkeypatch.setattr(sessions, "end_others", end_others)
        assert victim.act("settings_sessions").status_code == 302
        if adopt:
            actor.refresh_from_db(fields=["session_epoch"])
        end_others(actor=actor, proof=proof)

    monkeypatch.setattr(sessions, "end_others", slow)
    answer = thief.act("settings_sessions")
    stays = bool(thief.get("queue").status_code == 200)
    assert (answer.status_code, stays) == ((302, True) if adopt else (409, False))
    assert (victim.get("queue").status_code == 200) is not stays
    return stays


def test_a88_a_session_that_was_ended_ends_no_other(
    alice: Person, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not race(alice, browser_of, monkeypatch, adopt=False)
    assert [e.data["action"] for e in Entry.objects.all()].count("person:sessions:ended") == 1


def test_a88_control_with_the_newest_epoch_a_thief_outlives_his_victim(
    alice: Person, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert race(alice, browser_of, monkeypatch, adopt=True)


def test_a88_a_session_that_was_ended_removes_no_passkey(alice: Person) -> None:
    second = Authenticator.objects.get(user=factories.person("second-p").user)
    Authenticator.objects.filter(pk=second.pk).update(user=alice.user)
    stale = m.User.objects.get(pk=alice.user.pk)
    sessions.end_others(actor=alice.user, proof=signing.proof(alice, sessions.ending(alice.user)))
    with pytest.raises(errors.SignedOut):
        enroll.remove_passkey(actor=stale, authenticator_id=second.pk)
    assert Authenticator.objects.filter(user=alice.user).count() == 2
    # Control: with the account's newest epoch the same call removes it.
    enroll.remove_passkey(actor=alice.user, authenticator_id=second.pk)
    assert Authenticator.objects.filter(user=alice.user).count() == 1


def test_a76_a_cookie_alone_signs_nobody_out(alice: Person, browser_of: BrowserOf) -> None:
    thief, victim = browser_of(alice), browser_of(alice)
    assert thief.post("settings_sessions").status_code == 422
    assert victim.get("queue").status_code == 200
    asked = thief.begin("settings_sessions").json()
    assert "sign you out everywhere but in this browser" in asked["words"]
    assert ActStatement.parse(asked["statement"].encode()).object == alice.actor
    # Control: the passkey's signature is all that was missing.
    assert thief.act("settings_sessions").status_code == 302
    assert victim.get("queue").status_code == 302


def test_sessions_that_ended_are_not_listed(alice: Person, browser_of: BrowserOf) -> None:
    here = browser_of(alice)
    browser_of(alice)
    alice.user.refresh_from_db()
    key = here.client.session.session_key or ""
    assert len(sessions.sessions_of(alice.user, key)) == 2
    switched_off_and_on(alice.user)
    alice.user.refresh_from_db()
    assert sessions.sessions_of(alice.user, key) == []
