"""Sign-in by passkey: find the account by the passkey's handle, and check the assertion.

allauth reads the account's number from the handle; ours holds the opaque id of the person, so that
a lost device reveals nobody. allauth keeps one begun sign-in in a session; ours keeps several, so
that a second tab does not end the first one's (docs/attacks.md A80).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.account.internal.stagekit import clear_login
from allauth.account.stages import LoginStageController
from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.stages import AuthenticateStage
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm, LoginWebAuthnForm
from allauth.mfa.webauthn.internal import auth
from allauth.mfa.webauthn.views import LoginWebAuthnView
from django.conf import settings
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from fido2.utils import websafe_decode, websafe_encode

from hitlportal import doors
from hitlportal.adapter import has_passkey
from remediation.models import User

# In the session: the challenges that tabs have not answered yet, the newest last.
BEGUN = "passkey_sign_ins"
MOST_TABS = 8


class PasskeyLoginForm(LoginWebAuthnForm):  # type: ignore[misc]
    """Takes the browser's answer; user verification is required and checked."""

    def clean_credential(self) -> Authenticator:
        """Return the passkey that answered."""
        return _verified(context.request, self.cleaned_data["credential"], None)


class PasskeyStepForm(AuthenticateWebAuthnForm):  # type: ignore[misc]
    """Takes the passkey that follows the password."""

    def clean_credential(self) -> Authenticator:
        """Return the passkey that answered. allauth would count by the account alone."""
        used = doors.knock(context.request, self.user.get_username())
        if used is None:
            raise get_account_adapter().validation_error("too_many_login_attempts")
        found = _verified(context.request, self.cleaned_data["credential"], self.user)
        used.rollback()
        return found


class PasskeyLoginView(LoginWebAuthnView):  # type: ignore[misc]
    """Sign-in by passkey alone."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().get(request, *args, **kwargs)
        _remember(request)
        return response


class PasskeyStepView(AuthenticateView):  # type: ignore[misc]
    """The passkey after the password."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer an account that was reset or switched off meanwhile; allauth would send it round.

        Its sign-in page leads to this one while the sign-in lasts, and this one back.
        """
        stage = LoginStageController.enter(request, AuthenticateStage.key)
        user = stage and stage.login.user
        if user and not user.is_active:
            clear_login(request)
            return redirect("account_inactive")
        if user and not has_passkey(user):
            clear_login(request)
            return render(request, "account/no_passkey.html", status=403)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().get_context_data(**kwargs)
        _remember(self.request)
        return found


login_webauthn = PasskeyLoginView.as_view()
authenticate = PasskeyStepView.as_view()


def _verified(request: HttpRequest, given: Any, user: User | None) -> Authenticator:
    """Return the passkey of this account, or of the one that the handle names.

    Raises ValidationError. A failure is counted, as that of a password is.
    """
    try:
        response = auth.parse_authentication_response(given)
        # The library takes every host below the relying party's, and any port.
        if response.response.client_data.origin != settings.ORIGIN:
            raise get_adapter().validation_error("incorrect_code")
        _take(request, websafe_encode(response.response.client_data.challenge))
        found: Authenticator = auth.complete_authentication(user or _user(given), given)
    except (ValidationError, ValueError, TypeError, KeyError):
        user_login_failed.send(sender=__name__, credentials={}, request=None)
        raise get_adapter().validation_error("incorrect_code") from None
    return found


def _remember(request: HttpRequest) -> None:
    """Keep the sign-in that was just begun, beside those of other tabs."""
    state = auth.get_state()
    if state:
        request.session[BEGUN] = [*request.session.get(BEGUN, []), state][-MOST_TABS:]


def _take(request: HttpRequest, challenge: str) -> None:
    """Give allauth the begun sign-in with this challenge, once; none when there is none."""
    begun = request.session.get(BEGUN, [])
    auth.clear_state()
    for state in begun:
        if state["challenge"] == challenge:
            auth.set_state(state)
    request.session[BEGUN] = [state for state in begun if state["challenge"] != challenge]


def _user(given: dict[str, Any]) -> User:
    """Return the account of the handle. Raises ValueError, TypeError or ValidationError."""
    handle = given["response"].get("userHandle")
    user = User.objects.filter(person=UUID(bytes=websafe_decode(handle))).first()
    if user is None:
        raise get_adapter().validation_error("incorrect_code")
    return user
