"""Sign in to OpenBao (or Vault), and call it.

Keys in a section of the targets file, for observing and for operating:

address = "https://bao.example:8200"    http only on the loopback address
ca_file = "..."                         optional: the authority of the server's certificate
namespace = "..."                       optional
auth_mount = "approle"                  optional
observe_token_file = "..."
operate_token_file = "..."

Instead of a token, a login of AppRole: `observe_role_id` and `observe_secret_id_file`, and the same
for `operate`. Then each call signs in anew, and revokes its token afterwards.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from remediation.domain.gate.gate import Clearance
from remediation.executors.addresses import is_loopback
from remediation.executors.credentials import for_observing, for_operating
from remediation.executors.cut_after import Cuts
from remediation.executors.section import Secret, Section, TargetsFileInvalid

CALL_SECONDS = 8.0


@dataclass(frozen=True)
class BaoLogin:
    """How to get a token: from a file, or by a role id and the file with a secret id."""

    secret: Secret
    role_id: str = ""


@dataclass(frozen=True)
class BaoServer:
    """One server, and the two logins of the worker there."""

    address: str
    observer: BaoLogin
    operator: BaoLogin
    ca_file: Path | None = None
    namespace: str = ""
    auth_mount: str = "approle"

    @contextmanager
    def observing(self) -> Iterator[Any]:
        """Yield a client that can only read. Raises TargetUnobservable, and hvac's errors."""
        secret = for_observing(self.observer.secret)
        with self._signed_in(self.observer, secret, CALL_SECONDS) as client:
            yield client

    @contextmanager
    def operating(
        self, clearance: Clearance, *, policy: str = "", seconds: float = CALL_SECONDS
    ) -> Iterator[Any]:
        """Yield a client that can change something.

        `policy`: cut the token to this one policy and to a minute. Raises ClearanceRefused,
        CredentialUnavailable, and hvac's errors.
        """
        secret = for_operating(clearance, self.operator.secret)
        with self._signed_in(self.operator, secret, min(seconds, CALL_SECONDS)) as client:
            if not policy:
                yield client
                return
            made = client.auth.token.create(
                policies=[policy], no_default_policy=True, ttl="60s", renewable=False
            )
            cut = self.client(made["auth"]["client_token"], min(seconds, CALL_SECONDS))
            try:
                yield cut
            finally:
                # Also without an answer it ends within a minute.
                with contextlib.suppress(Exception):
                    client.auth.token.revoke_accessor(made["auth"]["accessor"])

    def client(self, token: str, seconds: float) -> Any:
        """Return a client with this token: one attempt, no redirect, no proxy."""
        import hvac  # extra "openbao"; loaded here because it is slow

        session = _session(seconds)
        return hvac.Client(
            url=self.address,
            token=token,
            namespace=self.namespace or None,
            verify=str(self.ca_file) if self.ca_file else True,
            timeout=seconds,
            allow_redirects=False,
            session=session,
        )

    @contextmanager
    def _signed_in(self, login: BaoLogin, secret: str, seconds: float) -> Iterator[Any]:
        if not login.role_id:
            yield self.client(secret, seconds)
            return
        client = self.client("", seconds)
        client.auth.approle.login(
            role_id=login.role_id, secret_id=secret, mount_point=self.auth_mount
        )
        try:
            yield client
        finally:
            with contextlib.suppress(Exception):  # it ends with its own time to live
                client.auth.token.revoke_self()


def _session(seconds: float) -> Any:
    """Return a session of which each call ends after this time, however slowly its bytes come."""
    import requests

    class Timed(requests.Session):
        # No reference leads from here to the session: it ends, with its connections, when it is
        # dropped, and no collector has to find it.
        def request(self, *args: Any, **given: Any) -> requests.Response:
            with cuts.after(seconds) as over:
                try:
                    return super().request(*args, **given)
                finally:
                    cuts.forget_old()
                    if over.is_set():
                        raise requests.exceptions.ReadTimeout("cut off")

    session = Timed()
    session.trust_env = False
    cuts = Cuts(session)
    weakref.finalize(session, cuts.close)
    return session


def read_server(section: Section, at: str) -> BaoServer:
    """Read the keys of a server; opens no file. Raises TargetsFileInvalid."""
    address = section.text("address")
    where = urlsplit(address)
    local = where.scheme == "http" and is_loopback(where.hostname or "")
    if where.scheme != "https" and not local:
        raise TargetsFileInvalid(f"{at}: an address that is not local needs https")
    return BaoServer(
        address,
        _login(section, "observe"),
        _login(section, "operate"),
        section.path("ca_file") if section.has("ca_file") else None,
        section.text("namespace") if section.has("namespace") else "",
        section.text("auth_mount") if section.has("auth_mount") else "approle",
    )


def _login(section: Section, who: str) -> BaoLogin:
    if section.has(f"{who}_role_id"):
        return BaoLogin(section.secret_file(f"{who}_secret_id"), section.text(f"{who}_role_id"))
    return BaoLogin(section.secret_file(f"{who}_token"))


def is_refusal(error: Exception) -> bool:
    """Return whether the server refused a call, so that it certainly changed nothing."""
    import hvac.exceptions as refused
    import requests

    if isinstance(error, requests.ConnectTimeout):
        return True
    unclear = (refused.InternalServerError, refused.VaultDown, refused.BadGateway)
    return isinstance(error, refused.VaultError) and not isinstance(error, unclear)
