"""What people do at a browser before the page that a test is about."""

from __future__ import annotations

from django.contrib.auth.models import Group

from remediation import models as m
from remediation.services.actors import operator
from remediation.services.people import enroll
from tests import factories
from tests.browser.chromium import Visitor
from tests.flows.world import World

PASSWORD = "correct horse battery staple"


def account(name: str, *roles: str) -> m.User:
    """An account as a user administrator makes it: no password, no passkey."""
    user = m.User(username=name, email=f"{name}@example.org", is_staff="staff" in roles)
    user.set_unusable_password()
    user.save()
    for role in roles:
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user


def enrol(visitor: Visitor, user: m.User) -> None:
    """With a code of the operator: password and first passkey."""
    code = enroll.invite(actor=operator(), username=user.username)
    page = visitor.open("/invite/")
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("One-time code").fill(code)
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("Name of the passkey").fill("Laptop")
    page.get_by_role("button", name="Create passkey").click()
    page.wait_for_url("**/account/login/")


def sign_in(visitor: Visitor, user: m.User) -> None:
    page = visitor.open("/account/login/")
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Use passkey").click()
    page.wait_for_url(lambda url: "/account/" not in url)


def come_in(visitor: Visitor, user: m.User) -> None:
    enrol(visitor, user)
    sign_in(visitor, user)


def approver(world: World, name: str, role: str) -> m.User:
    user = account(name, role)
    service = m.Service.objects.get(versions__environment="production")
    factories.grant(user, "review_service", service)
    return user


def say_yes(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_label("Yes, the diagnosis is right").check()
    page.get_by_label("Yes, the scope is right").check()
    page.get_by_label("Yes, the action is right").check()
