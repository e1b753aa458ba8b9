"""Run the demo's OAuth provider, with a client and the API token that this client uses.

Secrets and token are made at the first start and kept in the provider's seed. The token is valid a
day.
"""

from __future__ import annotations

import json
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from hitlportal.demo.servers import private
from hitlportal.demo.servers.oauth import OAuthProvider
from hitlportal.demo.story import CLIENT, ISSUER

INTROSPECT, REVOKE = "/o/introspect/", "/o/revoke_token/"
# The worker's observer, and a server that asks about tokens without the portal.
OBSERVER, GATEWAY = "hitl-observe", "api-gateway"
# With a grant that needs a browser, a client gets no token (docs/oauth.md).
GRANTS = {
    CLIENT: "client-credentials",
    OBSERVER: "authorization-code",
    GATEWAY: "authorization-code",
}

SECTION = """\
[oauth.{issuer}]
introspection_endpoint = "{url}{introspect}"
revocation_endpoint = "{url}{revoke}"
tokens_dir = "{tokens}"
observe_client_id = "{observer}"
observe_client_secret_file = "{observe_secret}"
environment = "production"

[oauth.{issuer}.clients.{client}]
operate_client_secret_file = "{operate_secret}"
"""


class Issuer:
    """The provider in one directory."""

    def __init__(self, directory: Path) -> None:
        kept = directory / "seed.json"
        found = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else _seed()
        self.provider = OAuthProvider(directory, found)
        self._secrets = {one["id"]: str(one["secret"]) for one in found["clients"]}
        self.token = str(found["tokens"][0]["token"])

    @property
    def sha256(self) -> str:
        return sha256(self.token.encode()).hexdigest()

    @property
    def locator(self) -> str:
        return f"oauth.token:{ISSUER}/{self.sha256}"

    def section(self, worker: Path) -> str:
        """Put the worker's secrets and the token into its directory, as an operator does; return
        the section of the targets file."""
        tokens = worker / "leaked-tokens"
        private.write(tokens / self.sha256, f"{self.token}\n")
        observe, operate = (
            private.write(worker / f"oauth-{client}.secret", self._secrets[client])
            for client in (OBSERVER, CLIENT)
        )
        return SECTION.format(
            issuer=ISSUER,
            url=self.provider.url,
            introspect=INTROSPECT,
            revoke=REVOKE,
            tokens=tokens,
            observer=OBSERVER,
            observe_secret=observe,
            client=CLIENT,
            operate_secret=operate,
        )

    def is_active(self) -> bool:
        """Ask the provider about the token as the API's gateway does."""
        form = {"client_id": GATEWAY, "client_secret": self._secrets[GATEWAY], "token": self.token}
        request = Request(  # noqa: S310 - on the loopback address
            f"{self.provider.url}{INTROSPECT}", data=urlencode(form).encode()
        )
        with build_opener(ProxyHandler({})).open(request, timeout=20) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return bool(found["active"])


def _seed() -> dict[str, Any]:
    return {
        "clients": [
            {"id": client, "secret": secrets.token_urlsafe(30), "grant": grant}
            for client, grant in GRANTS.items()
        ],
        "users": [],
        "tokens": [{"client": CLIENT, "scope": "read", "token": secrets.token_urlsafe(32)}],
    }
