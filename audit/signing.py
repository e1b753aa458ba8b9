"""Sign the log with a key in a file, in the environment, or in Vault or OpenBao.

All kinds have one `sign(bytes) -> 64 bytes`. Only the sequencer and a witness load a key.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from ipaddress import ip_address
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.tlog import b64, cosignature
from audit.tlog.errors import Malformed, TlogError
from audit.tlog.note import COSIGNATURE, ED25519, SignatureLine, VerifierKey, check_name, key_id
from audit.verifying import verify

# The private key format of golang.org/x/mod/sumdb/note; sunlight and litewitness read it.
PREFIX = "PRIVATE+KEY+"
SEED_SIZE = 32
# A slower key service would delay every approval.
TRANSIT_TIMEOUT_S = 3.0
MAX_ANSWER = 64 * 1024


class KeyUnavailable(TlogError):
    """The key that signs the log cannot be used."""


@dataclass(frozen=True)
class NoteSigner:
    """A named key; `sign` returns a raw Ed25519 signature and never reveals the key."""

    vkey: VerifierKey
    sign: Callable[[bytes], bytes] = field(repr=False)

    def line(self, text: str) -> SignatureLine:
        """Return the signature line of a note's text."""
        return SignatureLine(self.vkey.name, self.vkey.key_id, self._checked(text.encode()))

    def cosign(self, checkpoint_text: str, time: int) -> SignatureLine:
        """Return a witness's line at this time, in POSIX seconds."""
        message = cosignature.message(checkpoint_text, time)
        return cosignature.line(self.vkey, time, self._checked(message))

    def _checked(self, message: bytes) -> bytes:
        """Return the signature if it verifies; a device may be broken or a key wrong."""
        signature = self.sign(message)
        if not verify(self.vkey.public, message, signature):
            raise KeyUnavailable(f"what signed for {self.vkey.name} has another key")
        return signature


def generate(name: str, algorithm: int = ED25519) -> tuple[str, str]:
    """Return a new private key as text, and its vkey. Raises Malformed for an invalid name."""
    check_name(name)
    seed = os.urandom(SEED_SIZE)
    signer = of_seed(name, algorithm, seed)
    encoded = b64.encode(bytes([algorithm]) + seed)
    return f"{PREFIX}{name}+{signer.vkey.key_id.hex()}+{encoded}", str(signer.vkey)


def parse(text: str) -> NoteSigner:
    """Return the signer for a private key's text. Raises Malformed, which never shows the text."""
    parts = text.strip().removeprefix(PREFIX).split("+", 2)
    if not text.startswith(PREFIX) or len(parts) != 3:
        raise Malformed(f"a private key reads {PREFIX}name+id+base64")
    name, stated, encoded = parts
    data = b64.decode(encoded, "the private key")
    if len(data) != 1 + SEED_SIZE or data[0] not in (ED25519, COSIGNATURE):
        raise Malformed("the private key is of a kind that is not known here")
    signer = of_seed(name, data[0], data[1:])
    if stated != signer.vkey.key_id.hex():
        raise Malformed("the id of the private key is not that of its name and bytes")
    return signer


def load(uri: str) -> NoteSigner:
    """Return the signer at ``file:PATH``, ``env:NAME`` or ``transit:URL#NAME``.

    Raises KeyUnavailable, and Malformed when the content is not a key.
    """
    kind, _, rest = uri.partition(":")
    if kind == "file":
        return parse(_read(Path(rest)))
    if kind == "env":
        if rest not in os.environ:
            raise KeyUnavailable(f"{rest} is not in the environment")
        return parse(os.environ[rest])
    if kind == "transit":
        return _transit(rest)
    raise KeyUnavailable("a key is named file:PATH, env:NAME or transit:URL#NAME")


def of_seed(name: str, algorithm: int, seed: bytes) -> NoteSigner:
    """Return the signer with this private key of 32 bytes."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes_raw()
    return NoteSigner(
        VerifierKey(name, key_id(name, algorithm, public), algorithm, public), key.sign
    )


def _read(path: Path) -> str:
    """Read a key file that only its owner can read. Raises KeyUnavailable."""
    try:
        with path.open(encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode) or mode & 0o077:
                raise KeyUnavailable(f"{path} can be read by others; chmod 0400")
            return file.read(4096)
    except (OSError, UnicodeDecodeError) as error:
        raise KeyUnavailable(f"{path} cannot be read: {type(error).__name__}") from None


# ---- Vault and OpenBao ---------------------------------------------------------------------------


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def _transit(place: str) -> NoteSigner:
    """Return a signer of the transit engine at ``https://host/v1/transit/keys/NAME?version=1#LOG``.

    HITL_AUDIT_TRANSIT_TOKEN_FILE names the file with the token. The key must have type ed25519 and
    is never exported. Only one version is used, because verifiers do not know a rotated key.
    """
    url, _, name = place.partition("#")
    parts = urlsplit(url)
    mount, found, key = parts.path.rpartition("/keys/")
    if parts.scheme not in ("http", "https") or not found or not name:
        raise KeyUnavailable("a transit key is named transit:https://host/v1/MOUNT/keys/KEY#LOG")
    version = parts.query.removeprefix("version=") or "1"
    if parts.scheme == "http" and not _on_loopback(parts.hostname or ""):
        # The token and what is signed would cross a network in clear.
        raise KeyUnavailable("a transit key over plain http is used on the loopback address only")
    base = f"{parts.scheme}://{parts.netloc}{mount}"
    keys = _ask(f"{base}/keys/{key}", None).get("keys", {})
    listed = keys.get(version, {}) if isinstance(keys, dict) else {}
    try:
        public = b64.decode(str(listed.get("public_key", "")), "the public key")
        vkey = VerifierKey.make(name, public)
    except Malformed as error:
        raise KeyUnavailable(f"{key} version {version} is no Ed25519 key: {error.detail}") from None

    def sign(message: bytes) -> bytes:
        body = {"input": b64.encode(message), "key_version": int(version)}
        said = str(_ask(f"{base}/sign/{key}", body).get("signature", ""))
        # "vault:v1:<base64>"
        return b64.decode(said.rpartition(":")[2], "the signature")

    return NoteSigner(vkey, sign)


def _on_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _ask(url: str, body: dict[str, object] | None) -> dict[str, object]:
    token = os.environ.get("HITL_AUDIT_TRANSIT_TOKEN_FILE", "")
    if not token:
        raise KeyUnavailable("HITL_AUDIT_TRANSIT_TOKEN_FILE is not set")
    request = Request(  # noqa: S310  (the scheme was checked)
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"X-Vault-Token": _read(Path(token)).strip()},
    )
    opener = build_opener(_NoRedirect, ProxyHandler({}))
    try:
        with opener.open(request, timeout=TRANSIT_TIMEOUT_S) as answer:
            found = json.loads(answer.read(MAX_ANSWER))
    except HTTPError as error:
        with error:  # close the connection
            raise KeyUnavailable(f"the key service answers {error.code}") from None
    except (URLError, OSError, ValueError, HTTPException) as error:
        raise KeyUnavailable(f"the key service does not answer: {type(error).__name__}") from None
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, dict):
        raise KeyUnavailable("the key service gave no data")
    return data
