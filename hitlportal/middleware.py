"""Which sessions end, and which request may take a session's cookie away."""

from __future__ import annotations

from collections.abc import Callable

from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.sessions import middleware
from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers


class SessionMiddleware(middleware.SessionMiddleware):
    """Django's, but only signing out deletes the cookie of a session.

    A page kept open asks for news. If it asks during a sign-in, its request has the session of
    before, which is gone; the answer would delete the cookie of the new session (A80). A cookie
    whose session is gone opens nothing.
    """

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Return Django's answer; unless a person signed out, without the cookie's deletion."""
        answer = super().process_response(request, response)
        cookie = answer.cookies.get(settings.SESSION_COOKIE_NAME)
        if cookie is not None and not cookie.value and not _signs_out(request):
            del answer.cookies[settings.SESSION_COOKIE_NAME]
        return answer


def _signs_out(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and match.view_name == "account_logout" and request.method == "POST"


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
