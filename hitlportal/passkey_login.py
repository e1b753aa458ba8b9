"""Sign-in by passkey alone: find the account by the passkey's handle, and check the assertion.

allauth reads the account's number from the handle; ours holds the opaque id of the person, so that
a lost device reveals nobody.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import LoginWebAuthnForm
from allauth.mfa.webauthn.internal import auth
from django.conf import settings
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from fido2.utils import websafe_decode

from remediation.models import User


class PasskeyLoginForm(LoginWebAuthnForm):  # type: ignore[misc]
    """Takes the browser's answer; user verification is required and checked."""

    def clean_credential(self) -> Authenticator:
        """Return the passkey that answered. A failure is counted, as that of a password is."""
        given = self.cleaned_data["credential"]
        try:
            response = auth.parse_authentication_response(given)
            # The library takes every host below the relying party's, and any port.
            if response.response.client_data.origin != settings.ORIGIN:
                raise get_adapter().validation_error("incorrect_code")
            found: Authenticator = auth.complete_authentication(_user(given), given)
        except (ValidationError, ValueError, TypeError, KeyError):
            user_login_failed.send(sender=__name__, credentials={}, request=None)
            raise get_adapter().validation_error("incorrect_code") from None
        return found


def _user(given: dict[str, Any]) -> User:
    """Return the account of the handle. Raises ValueError, TypeError or ValidationError."""
    handle = given["response"].get("userHandle")
    user = User.objects.filter(person=UUID(bytes=websafe_decode(handle))).first()
    if user is None:
        raise get_adapter().validation_error("incorrect_code")
    return user
