"""End sessions that were not opened with a passkey."""

from __future__ import annotations

from collections.abc import Callable

from allauth.account.authentication import get_authentication_records
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers


class PasskeySessionMiddleware:
    """Ends every session whose sign-in used no passkey (promise 5).

    Sign-in cannot make such a session, but a new view, a test login or a manipulated cache could.
    Also forbids browsers to store pages of signed-in people: "back" must not show a stale review.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated and not opened_by_passkey(request):
            logout(request)
        response = self.get_response(request)
        if request.user.is_authenticated:
            add_never_cache_headers(response)
        return response


def opened_by_passkey(request: HttpRequest) -> bool:
    """Return whether allauth recorded a passkey of this user in this session."""
    return any(
        record.get("method") == "mfa" and record.get("type") == "webauthn"
        for record in get_authentication_records(request, request.user)
    )
