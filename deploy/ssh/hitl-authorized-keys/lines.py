"""Read and change the lines of an authorized_keys file as sshd reads them, byte for byte."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from typing import NamedTuple

BOM = b"\xef\xbb\xbf"
AUTHORITY = "cert-authority"
_KEY = re.compile(rb"(?P<kind>[^ \t]+)[ \t]+(?P<blob>[^ \t]+)")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_QUOTED = re.compile(rb'"(?:\\"|[^"])*"')
# Other names that sshd takes for a type, before a key and in its bytes (seen with 9.2). The short
# ones have no case. A key under such a name lets in, and is logged by the fingerprint of the first.
_SK_ECDSA = b"sk-ecdsa-sha2-nistp256@openssh.com"
_SAME = {
    b"rsa": b"ssh-rsa",
    b"rsa-sha2-256": b"ssh-rsa",
    b"rsa-sha2-512": b"ssh-rsa",
    b"dsa": b"ssh-dss",
    b"ed25519": b"ssh-ed25519",
    b"ed25519-sk": b"sk-ssh-ed25519@openssh.com",
    b"ecdsa-sk": _SK_ECDSA,
    b"webauthn-sk-ecdsa-sha2-nistp256@openssh.com": _SK_ECDSA,
}


class Line(NamedTuple):
    """A line with a key. `options`: their names; values may hold passwords, and stay here."""

    fingerprint: str
    options: tuple[str, ...] = ()

    @property
    def lets_in(self) -> bool:
        """A line of an authority lets in those with its certificates, not the key itself."""
        return AUTHORITY not in self.options


class Taken(NamedTuple):
    """A line that was taken out: its bytes, where they began, and the line that stays before it
    (its digest, "" for none)."""

    raw: bytes
    at: int
    after: str


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def split(raw: bytes) -> list[bytes]:
    """Return the lines with their ends: sshd knows no end of a line but \\n."""
    return [line for line in re.split(rb"(?<=\n)", raw) if line]


def bare(line: bytes) -> bytes:
    return line[:-1] if line.endswith(b"\n") else line


def read(line: bytes) -> Line | None:
    """Return what a line says of a key; None for any other line.

    A key behind a byte order mark is read, too: sshd does not take it, but does as soon as an
    editor drops the mark.
    """
    text = bare(line).split(b"\0")[0]  # C reads no further
    text = (text[len(BOM) :] if text.startswith(BOM) else text).lstrip(b" \t")
    if not text or text.startswith(b"#"):
        return None
    found = _key(text)
    if found:
        return Line(found)
    options = _options(text)
    found = _key(text[len(options) :].lstrip(b" \t")) if options else ""
    return Line(found, _names(options)) if found else None


def matches(line: bytes, fingerprint: str) -> bool:
    """Return whether sshd lets this key in for the line."""
    found = read(line)
    return found is not None and found.fingerprint == fingerprint and found.lets_in


def without(raw: bytes, fingerprint: str) -> tuple[bytes, list[Taken]]:
    """Return the bytes without the key's lines, and those lines."""
    kept, taken, at, before = list[bytes](), list[Taken](), 0, ""
    for line in split(raw):
        if matches(line, fingerprint):
            taken.append(Taken(line, at, before))
        else:
            kept.append(line)
            before = digest(bare(line))
        at += len(line)
    return b"".join(kept), taken


def with_back(raw: bytes, lines: list[Taken], left: str) -> bytes:
    """Return the bytes with the lines where they were.

    `left`: digest of the file as the removal left it. In a file that changed since, a line stands
    after the one that it stood after, if that one is there once; else at the end.
    """
    if digest(raw) == left:
        for line in lines:
            raw = raw[: line.at] + line.raw + raw[line.at :]
        return raw
    for line in reversed(lines):
        now = split(raw)
        places = [at for at, one in enumerate(now, 1) if digest(bare(one)) == line.after]
        at = len(now)
        if not line.after:
            at = 0
        elif len(places) == 1:
            at = places[0]
        if at and not now[at - 1].endswith(b"\n"):
            now[at - 1] += b"\n"
        raw = b"".join([*now[:at], bare(line.raw) + b"\n", *now[at:]])
    return raw


def _key(text: bytes) -> str:
    """Return the fingerprint of the key that a text begins with; "" if it begins with none."""
    found = _KEY.match(text)
    blob = found["blob"].translate(None, b"\r\n\v\f") if found else b""
    if found is None or not _BASE64.fullmatch(blob) or len(blob) % 4:
        return ""
    parts = _strings(base64.b64decode(blob))
    if not parts:
        return ""
    kind = _kind(parts[0], parts)
    return _fingerprint([kind, *parts[1:]]) if kind == _kind(found["kind"], parts) else ""


def _kind(name: bytes, parts: list[bytes]) -> bytes:
    """Return the first name of a type: that of ECDSA has the curve."""
    if name.lower() == b"ecdsa" and len(parts) > 1:
        return b"ecdsa-sha2-" + parts[1]
    return _SAME.get(name.lower(), name)


def _strings(raw: bytes) -> list[bytes]:
    """Return the strings that a key's bytes are made of; [] if they are not."""
    found = []
    while raw:
        size = struct.unpack(">I", raw[:4])[0] if len(raw) >= 4 else len(raw)
        if len(raw) < 4 + size:
            return []
        found.append(raw[4 : 4 + size])
        raw = raw[4 + size :]
    return found


def _fingerprint(parts: list[bytes]) -> str:
    """Return the fingerprint that sshd logs: it writes numbers in their shortest form first."""
    if parts[0] in (b"ssh-rsa", b"ssh-dss"):
        short = [part.lstrip(b"\0") for part in parts[1:]]
        parts = [parts[0], *(b"\0" + part if part[:1] > b"\x7f" else part for part in short)]
    raw = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


def _options(text: bytes) -> bytes:
    """Return the options that a text begins with; b"" if a quote in them does not end."""
    quoted, at = False, 0
    while at < len(text) and (quoted or text[at : at + 1] not in (b" ", b"\t")):
        if text[at : at + 2] == b'\\"':
            at += 1
        elif text[at : at + 1] == b'"':
            quoted = not quoted
        at += 1
    return b"" if quoted else text[:at]


def _names(options: bytes) -> tuple[str, ...]:
    plain = _QUOTED.sub(b"", options).decode("ascii", "replace").lower()
    return tuple(each.split("=")[0][:40] for each in plain.split(","))
