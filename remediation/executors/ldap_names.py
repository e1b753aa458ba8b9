"""Distinguished names: the name of an account's entry, and whether two names mean one entry.

An account is named by the value of one attribute directly below a base. Names of entries are made
here and nowhere else; in a filter every byte of a name is escaped.
"""

from __future__ import annotations

import re
import unicodedata

# A name that stands in the targets file: no escapes, no values of several attributes.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9-]*=[^,+\"\\<>;=#\x00-\x1f\x7f]+")
# Bytes that stand in a name as they are; any other is written in hexadecimal (RFC 4514, 2.4).
_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
# RFC 4519 gives these attributes a second name.
_SAME = {
    "userid": "uid",
    "commonname": "cn",
    "domaincomponent": "dc",
    "organizationalunitname": "ou",
    "organizationname": "o",
    "countryname": "c",
    "surname": "sn",
}
Normal = tuple[tuple[str, str], ...]


def entry_of(attribute: str, value: str, base: str) -> str:
    """Return the distinguished name of the entry with this value, directly below the base."""
    escaped = "".join(chr(byte) if byte in _SAFE else f"\\{byte:02X}" for byte in value.encode())
    return f"{attribute}={escaped},{base}"


def in_filter(name: str) -> str:
    """Return a text as it stands in a filter: each byte in hexadecimal (RFC 4515)."""
    return "".join(f"\\{byte:02x}" for byte in name.encode())


def normal(name: str) -> Normal | None:
    """Return a plain name so that equal names are equal; None if it is not a plain one."""
    parts = [re.sub(" *= *", "=", part.strip(), count=1) for part in name.split(",")]
    if not all(_PLAIN.fullmatch(part) for part in parts):
        return None
    return tuple(normal_value(*part.split("=", 1)) for part in parts)


def normal_value(attribute: str, value: str) -> tuple[str, str]:
    """Return an attribute and its value as directories compare them (RFC 4518: case, spaces)."""
    short = attribute.strip().lower()
    return _SAME.get(short, short), " ".join(
        unicodedata.normalize("NFKC", value).casefold().split()
    )


def first_value(name: str) -> str:
    """Return the value of the first attribute of a name that a server wrote, without escapes."""
    raw, at = bytearray(), name.index("=") + 1
    while at < len(name) and name[at] not in ",+":
        if name[at] != "\\":
            raw += name[at].encode()
            at += 1
        elif re.fullmatch("[0-9A-Fa-f]{2}", name[at + 1 : at + 3]):
            raw.append(int(name[at + 1 : at + 3], 16))
            at += 3
        else:
            raw += name[at + 1 : at + 2].encode()
            at += 2
    return raw.decode(errors="replace")
