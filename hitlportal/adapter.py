"""Configure allauth's behaviour: no sign-up, no session without a passkey."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.stagekit import clear_login
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy

from hitlportal import doors


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Closes sign-up (administrators create accounts) and refuses sign-in by password alone."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_login(
        self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any
    ) -> HttpResponse | None:
        """Stop the sign-in of an account without a passkey, and discard the attempt.

        allauth would skip the passkey stage and open a session.
        """
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        if response is not None:
            return response
        if has_passkey(user):
            return None
        clear_login(request)
        return render(request, "account/no_passkey.html", status=403)

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address by which limits are counted. Never fails: allauth answers 500."""
        return doors.address(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt by account and address; `authenticate` takes back what succeeds."""
        self._login_failed_rl_usage = doors.knock(request, str(credentials.get("username", "")))
        if self._login_failed_rl_usage is None:
            raise self.validation_error("too_many_login_attempts")

    def get_reauthentication_methods(
        self, user: AbstractBaseUser | AnonymousUser
    ) -> list[dict[str, str]]:
        """Return no methods: enrolling and removing passkeys asks for a passkey each time."""
        return []

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("account_login")


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Takes the relying party from the settings, not from the Host header."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": gettext_lazy(
            "That passkey was not accepted. Try again, or sign in with your username and password"
            " first."
        ),
    }

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {"id": settings.RP_ID, "name": "hitlportal"}


def has_passkey(user: AbstractBaseUser) -> bool:
    """Return whether the account holds a passkey."""
    found = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.WEBAUTHN)
    return bool(found.exists())
