"""People in front of pages: signed-in clients with the rights of the web login."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from guardian.models import UserObjectPermission
from pytest_django import Settings

from remediation import models as m
from tests import factories, stepup
from tests.conftest import AsLogin
from tests.factories import Person
from tests.flows.world import World

# What a test client answers with; django-stubs has a private name for it.
Answer: TypeAlias = Any


class Browser:
    """A test client of one person; every request runs with hitl_web's rights."""

    def __init__(self, as_login: AsLogin, someone: Person | None = None) -> None:
        self.client = Client(enforce_csrf_checks=False)
        self._as_login = as_login
        self.someone = someone
        if someone is not None:
            sign_in(self.client, someone.user)

    def get(self, name: str, *args: Any, **query: str) -> Answer:
        with self._as_login("hitl_web"):
            return self.client.get(reverse(name, args=args), query)

    def post(self, name: str, *args: Any, **data: str) -> Answer:
        with self._as_login("hitl_web"):
            return self.client.post(reverse(name, args=args), data)

    def begin(self, name: str, *args: Any, **data: str) -> Answer:
        """Ask what the passkey is to sign for this form, as stepup.js does."""
        with self._as_login("hitl_web"):
            return self.client.post(reverse(name, args=args), data, headers={"X-Step-Up": "begin"})

    def act(self, name: str, *args: Any, **data: str) -> Answer:
        """POST a form that the person's passkey signs."""
        asked = self.begin(name, *args, **data)
        if self.someone is None or asked.status_code != 200:
            return asked
        signed = stepup.fields(self.someone, json.loads(asked.content))
        return self.post(name, *args, **data, **signed)

    def send(self, name: str, *args: Any, body: Any) -> Answer:
        """POST JSON as the page's script does."""
        with self._as_login("hitl_web"):
            return self.client.post(
                reverse(name, args=args), json.dumps(body), content_type="application/json"
            )


def sign_in(client: Client, user: m.User, *, by_passkey: bool = True) -> None:
    """A session as sign-in leaves it: allauth's record says which factors opened it."""
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    session = client.session
    methods: list[dict[str, Any]] = [{"method": "password", "at": time.time()}]
    if by_passkey:
        methods.append({"method": "mfa", "type": "webauthn", "id": 1, "at": time.time()})
    session["account_authentication_methods"] = methods
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()


BrowserOf = Callable[[Person | None], Browser]


@pytest.fixture
def browser_of(as_login: AsLogin) -> BrowserOf:
    """`browser_of(alice)`, or `browser_of(None)` for somebody who is not signed in."""
    return lambda someone: Browser(as_login, someone)


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    """alice, bob, mallory, dave, eve, an agent, and one target in production."""
    return World(tmp_path, settings)


@pytest.fixture
def proposal_id(world: World) -> UUID:
    """A proposal in its first round of review."""
    return world.in_review()


def may_review_everything(someone: Person) -> None:
    """The right to review every service that the inventory knows by now."""
    held = UserObjectPermission.objects.filter(user=someone.user).values_list(
        "object_pk", flat=True
    )
    for service in m.Service.objects.exclude(pk__in=[int(pk) for pk in held]):
        factories.grant(someone.user, "review_service", service)


def text_of(response: Answer) -> str:
    return str(response.content.decode())


@pytest.fixture(autouse=True, scope="session")
def _static_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """WhiteNoise warns when there is none; in tests static files come from their source."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(django_settings, "STATIC_ROOT", str(tmp_path_factory.mktemp("static")))
        yield


@pytest.fixture(autouse=True)
def _fresh_counters() -> Iterator[None]:
    """Rate limits count in the shared cache; no test pays for another one's requests."""
    from django.core.cache import cache

    cache.clear()
    yield
