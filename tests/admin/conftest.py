"""Fixtures for the admin's tests; every request runs with the rights of the web login."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from tests import factories, stepup
from tests.conftest import AsLogin
from tests.factories import Person
from tests.views.conftest import sign_in


class Desk:
    """A person with a session in the admin."""

    def __init__(self, as_login: AsLogin, someone: Person) -> None:
        self.someone = someone
        self.actor = someone.actor
        self.client = Client()
        self._as_login = as_login
        sign_in(self.client, someone.user)

    def get(self, name: str, /, *args: Any, **query: Any) -> HttpResponse:
        with self._as_login("hitl_web"):
            return self.client.get(reverse(f"admin:{name}", args=args), query)

    def post(self, name: str, /, *args: Any, **data: Any) -> HttpResponse:
        with self._as_login("hitl_web"):
            return self.client.post(reverse(f"admin:{name}", args=args), data)

    def ask(self, name: str, /, *args: Any, **data: Any) -> HttpResponse:
        """Ask what the passkey would sign."""
        with self._as_login("hitl_web"):
            address = reverse(f"admin:{name}", args=args)
            return self.client.post(address, data, headers={"X-Step-Up": "begin"})

    def sign(self, name: str, /, *args: Any, **data: Any) -> HttpResponse:
        """Sign what the form asks for with the person's passkey, and send it."""
        asked = self.ask(name, *args, **data)
        assert asked.status_code == 200, text_of(asked)
        signed = stepup.fields(self.someone, json.loads(asked.content))
        return self.post(name, *args, **data, **signed)


DeskOf = Callable[..., Desk]


@pytest.fixture
def desk_of(as_login: AsLogin) -> DeskOf:
    """`desk_of("inventory_editor")` returns the desk of a new person in these groups."""

    def make(*roles: str, superuser: bool = False, staff: bool = True) -> Desk:
        someone = factories.person(roles=roles)
        m.User.objects.filter(pk=someone.user.pk).update(is_staff=staff, is_superuser=superuser)
        return Desk(as_login, someone)

    return make


@pytest.fixture(autouse=True)
def _static_root(settings: Settings, tmp_path: Path) -> None:
    """Create the static directory, because WhiteNoise warns if it is missing."""
    settings.STATIC_ROOT = str(tmp_path)


@pytest.fixture(autouse=True)
def _auditor_leaves() -> Iterator[None]:
    """Close the auditor's separate connection, which would block dropping the database."""
    yield
    if connections["auditor"].connection is not None:
        connections["auditor"].close()


def entries(action: str) -> list[dict[str, Any]]:
    return [e.data for e in Entry.objects.order_by("id") if e.data["action"] == action]


def refusals() -> list[str]:
    return [e["data"]["refusal"] for e in entries("person:request:refused")]


def text_of(response: HttpResponse) -> str:
    return response.content.decode()
