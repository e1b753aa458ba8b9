"""The theme that a person chose for this browser: a cookie, so that no script is needed."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse

COOKIE = "theme"
# "" follows the system.
THEMES = ("", "light", "dark")
YEAR_S = 365 * 24 * 3600


def chosen(request: HttpRequest) -> str:
    """Return the theme of this browser; whatever else the cookie holds counts as none."""
    value = request.COOKIES.get(COOKIE, "")
    return value if value in THEMES else ""


def keep(response: HttpResponse, theme: str) -> None:
    """Remember the theme in this browser."""
    if theme not in THEMES or not theme:
        response.delete_cookie(COOKIE, samesite="Lax")
        return
    response.set_cookie(
        COOKIE, theme, max_age=YEAR_S, secure=settings.SECURE, httponly=True, samesite="Lax"
    )
