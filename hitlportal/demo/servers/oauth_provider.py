"""Run a real OAuth 2.0 provider for the demo and the tests: Django OAuth Toolkit on SQLite.

    python -m hitlportal.demo.servers.oauth_provider --home DIRECTORY --port P

`DIRECTORY/seed.json`: {"clients": [{"id": "...", "secret": "...", "grant": "password"}],
        a client without a secret is public
    "users": [{"name": "...", "password": "..."}],
    "tokens": [{"client": "...", "scope": "...", "token": "..."}],   of an observer, valid a day
    "registration": "rotates" or "stays"}   optional: clients may register themselves, and the
        toolkit gives a new registration token at each change (its default), or keeps the first

Endpoints: /o/token/, /o/revoke_token/ (RFC 7009) and /o/introspect/ (RFC 7662), as the toolkit has
them; /all/introspect/ is an addition of this file: it knows refresh tokens, too, as the endpoints
of other providers do. An access token with scope `jwt` is self-contained (RFC 9068).

`DIRECTORY/calls.log` gets one JSON line for each call before its caller gets the answer: method,
path, client, SHA-256 of the token, status. It holds no token.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hitlportal.demo.servers.ports import LOOPBACK

LIFE_SECONDS = 3600
ENDING = (signal.SIGTERM, signal.SIGINT)
_key = secrets.token_bytes(32)
_writing = threading.Lock()


def new_token(request: Any) -> str:
    """Return a new access token for a request of oauthlib."""
    if "jwt" not in (request.scopes or ()):
        return secrets.token_urlsafe(32)
    now = int(time.time())
    claims = {"iss": "demo", "jti": secrets.token_hex(8), "iat": now, "exp": now + LIFE_SECONDS}
    signed = f"{_part({'alg': 'HS256', 'typ': 'at+jwt'})}.{_part(claims)}"
    tag = hmac.new(_key, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(tag).decode().rstrip('=')}"


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def configure(home: Path) -> None:
    """Configure Django for this process."""
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY=secrets.token_hex(32),
        ALLOWED_HOSTS=[LOOPBACK],
        USE_TZ=True,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": home / "db.sqlite3",
                # A change waits for another one, and does not fail beside it.
                "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
        MIDDLEWARE=[f"{__name__}.recorded"],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # many tests sign in
        ROOT_URLCONF=__name__,
        OAUTH2_PROVIDER={
            "SCOPES": dict.fromkeys(("read", "write", "jwt", "introspection"), ""),
            "ACCESS_TOKEN_EXPIRE_SECONDS": LIFE_SECONDS,
            "ACCESS_TOKEN_GENERATOR": f"{__name__}.new_token",
        }
        | _registration(home),
    )
    django.setup()


def _registration(home: Path) -> dict[str, Any]:
    """Return the toolkit's settings of Dynamic Client Registration; it is off without a seed's."""
    kind = json.loads((home / "seed.json").read_text(encoding="utf-8")).get("registration", "")
    if not kind:
        return {}
    return {
        "DCR_ENABLED": True,
        # Anybody who reaches the loopback address may register: this is a demo.
        "DCR_REGISTRATION_PERMISSION_CLASSES": ("oauth2_provider.dcr.AllowAllDCRPermission",),
        "DCR_ROTATE_REGISTRATION_TOKEN_ON_UPDATE": kind == "rotates",
    }


def recorded(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Write a line for each call before it is answered."""
    from django.conf import settings
    from django.contrib.auth.models import AnonymousUser

    log = Path(str(settings.DATABASES["default"]["NAME"])).with_name("calls.log")

    def answer(request: Any) -> Any:
        request.user = AnonymousUser()  # nobody signs in here; the registration asks who it is
        response = get_response(request)
        token = request.POST.get("token", "")
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "method": request.method,
            "path": request.path,
            "client": _client(request),
            "token": hashlib.sha256(token.encode()).hexdigest() if token else "",
            "hint": request.POST.get("token_type_hint", "")[:40],
            "status": response.status_code,
        }
        with _writing, log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return response

    return answer


def _client(request: Any) -> str:
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if kind != "Basic":
        return str(request.POST.get("client_id", ""))
    return base64.b64decode(value).decode(errors="replace").partition(":")[0]


def seed(home: Path) -> None:
    """Make the database, and in it the clients, users and tokens of the seed file, once."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from oauth2_provider.models import AccessToken, Application

    call_command("migrate", verbosity=0)
    if Application.objects.exists():
        return
    given = json.loads((home / "seed.json").read_text(encoding="utf-8"))
    for one in given["users"]:
        User.objects.create_user(one["name"], password=one["password"])
    for one in given["clients"]:
        Application.objects.create(
            client_id=one["id"],
            client_secret=one["secret"],
            client_type="confidential" if one["secret"] else "public",
            authorization_grant_type=one["grant"],
            redirect_uris="https://nowhere.invalid/",
        )
    ends = datetime.now(UTC) + timedelta(days=1)
    for one in given.get("tokens", ()):
        client = Application.objects.get(client_id=one["client"])
        AccessToken.objects.create(
            application=client, scope=one["scope"], token=one["token"], expires=ends
        )


def __getattr__(name: str) -> Any:
    """Give Django the addresses: they can be made only when it is configured."""
    if name == "urlpatterns":
        from django.urls import include, path
        from oauth2_provider import views

        class IntrospectAll(views.IntrospectTokenView):  # type: ignore[misc]
            """The toolkit's endpoint, with refresh tokens."""

            @staticmethod
            def get_token_response(token_value: str | None = None) -> Any:
                return _refresh_token(token_value) or views.IntrospectTokenView.get_token_response(
                    token_value
                )

        return [
            path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
            path("all/introspect/", IntrospectAll.as_view()),
        ]
    raise AttributeError(name)


def _refresh_token(value: str | None) -> Any:
    """Return the answer about a refresh token in force; None if it is none."""
    from django.http import JsonResponse
    from oauth2_provider.models import RefreshToken

    checksum = hashlib.sha256((value or "").encode()).hexdigest()
    found = RefreshToken.objects.filter(token_checksum=checksum, revoked__isnull=True).first()
    if found is None:
        return None
    return JsonResponse(
        {
            "active": True,
            "client_id": found.application.client_id,
            "username": found.user.get_username(),
            "token_type": "refresh_token",
        }
    )


def serve(port: int) -> None:
    """Listen on the loopback address until SIGTERM or Ctrl-C."""
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    server = ThreadedWSGIServer((LOOPBACK, port), WSGIRequestHandler)
    server.daemon_threads = True
    server.set_app(get_wsgi_application())
    # Blocked here and awaited below, so that no handler interrupts a request.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"OAuth provider: http://{LOOPBACK}:{server.server_port}", flush=True)
    signal.sigwait(ENDING)
    server.shutdown()


def main(argv: list[str] | None = None) -> None:
    """Read the arguments, seed and serve."""
    parser = argparse.ArgumentParser(description="OAuth 2.0 provider on SQLite")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args(argv)
    # Django imports it by its name; as a script it would be another module.
    sys.modules[f"{__package__}.oauth_provider"] = sys.modules[__name__]
    configure(arguments.home)
    seed(arguments.home)
    serve(arguments.port)


if __name__ == "__main__":
    main()
