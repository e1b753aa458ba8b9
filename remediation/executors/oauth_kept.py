"""Read a reported token from the directory where an operator put it.

No report, plan or record holds a token; they have its SHA-256. Its text lies in a file of that
name. The first line is the token. Each further line is the SHA-256 of another token there, of the
same grant: people see whether it ended, too.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors import regular_file
from remediation.executors.errors import CredentialUnavailable
from remediation.executors.section import Secret

MOST_OTHERS = 20
# RFC 6749, appendix A: visible characters. A shorter one could be guessed from its SHA-256.
_TOKEN = re.compile(r"[\x21-\x7e]{16,32768}")
_NAME = re.compile(r"[0-9a-f]{64}")
_PART = r"[A-Za-z0-9_-]+"
_SIGNED = re.compile(rf"({_PART})\.({_PART})\.(?:{_PART})?")
_ENCRYPTED = re.compile(rf"({_PART})\.(?:[A-Za-z0-9_-]*\.){{3}}{_PART}")
# PASETO (v4.public.…), SD-JWT (…~…): self-contained, too, and not read here.
_OTHER_FORMS = re.compile(r"v[0-9]\.(?:public|local)\.|[^~]*~")
NO_END = "(no end is set)"


@dataclass(frozen=True)
class KeptToken:
    """The file of one token, as the source of a `Secret`."""

    path: Path

    def __repr__(self) -> str:
        return "token in tokens_dir"

    def fetch(self, clearance: Clearance | None) -> str:
        """Return the token. Raises CredentialUnavailable with a clearance, TargetUnobservable."""
        refused = TargetUnobservable if clearance is None else CredentialUnavailable
        lines = self._lines(refused)
        if not _TOKEN.fullmatch(lines[0]):
            raise refused(f"tokens_dir: the first line of {self.path.name[:16]}… is no token")
        if hashlib.sha256(lines[0].encode()).hexdigest() != self.path.name:
            raise refused(f"tokens_dir: the token in {self.path.name[:16]}… has another SHA-256")
        return lines[0]

    def others(self) -> tuple[KeptToken, ...]:
        """Return the other tokens of its grant. Raises TargetUnobservable."""
        names = [line for line in self._lines(TargetUnobservable)[1:] if line]
        if len(names) > MOST_OTHERS or not all(_NAME.fullmatch(name) for name in names):
            raise TargetUnobservable(
                f"tokens_dir: {self.path.name[:16]}… may name {MOST_OTHERS} others by SHA-256"
            )
        return tuple(KeptToken(self.path.with_name(name)) for name in names)

    def _lines(self, refused: type[TargetUnobservable] | type[CredentialUnavailable]) -> list[str]:
        try:
            raw = regular_file.content(self.path)
        except (OSError, ValueError) as error:
            raise refused(f"tokens_dir: {self.path.name[:16]}…: {type(error).__name__}") from error
        return raw.decode("ascii", "replace").replace("\r\n", "\n").split("\n")


def kept(directory: Path, sha256: str) -> Secret | None:
    """Return the token with this SHA-256; None if nobody put it there.

    Raises TargetUnobservable if the directory cannot be read.
    """
    if not _NAME.fullmatch(sha256) or not directory.is_dir():
        raise TargetUnobservable("there is no directory tokens_dir, or it cannot be entered")
    try:
        (directory / sha256).lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TargetUnobservable(f"tokens_dir: {type(error).__name__}") from error
    return Secret(None, source=KeptToken(directory / sha256))


def form_of(token: str) -> str:
    """Return what servers can read in the token: "JWT", "encrypted JWT", or "opaque"."""
    signed, encrypted = _SIGNED.fullmatch(token), _ENCRYPTED.fullmatch(token)
    if signed and "alg" in _object(signed[1]):
        return "JWT"
    return "encrypted JWT" if encrypted and "enc" in _object(encrypted[1]) else "opaque"


def offline_until(token: str, now: datetime) -> str | None:
    """Return until when a server accepts the token that only checks its signature.

    "" if none can, or if it has ended; None if the token does not show it. The signature is not
    looked at: it is the token that the provider called active.
    """
    form = form_of(token)
    if form != "JWT":
        return None if form == "encrypted JWT" or _OTHER_FORMS.match(token) else ""
    ends = _object(token.split(".")[1]).get("exp")
    if ends is None:
        return NO_END
    at = moment(ends)
    if at is None:
        return None
    return iso(at) if at > now else ""


def moment(value: object) -> datetime | None:
    """Return the time of a number of seconds; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def iso(at: datetime) -> str:
    # Texts of times are compared: strftime does not fill up a year before 1000.
    return at.isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


def _object(part: str) -> dict[str, object]:
    """Return the JSON object in one part of a token; {} if there is none."""
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
