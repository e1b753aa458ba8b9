"""Make and read locators: the one-line name of a target, from the values of its fields.

A kind declares fields with free values (`TargetSpec.escaped`). In a locator every UTF-8 byte of
such a value is percent-encoded (RFC 3986 section 2.1, upper-case digits) except those of SAFE, so
that a locator is ASCII, has one line and can be read in one way only. SQL does the same
(`remediation.escaped_v1`, sql/proposals.sql).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from remediation.domain.catalogue.spec import TargetSpec

# Leases and separation of duties compare recorded locators, so this set never changes: it is what
# the pattern of PostgreSQL roles took before values were escaped. "~" is unreserved in RFC 3986
# and escaped here nevertheless.
SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$.-")
_ESCAPED = re.compile(r"%([0-9A-F]{2})|([A-Za-z0-9_$.-])")


def escape(value: str) -> str:
    """Return a value as it stands in a locator. Raises UnicodeEncodeError for lone surrogates."""
    return "".join(chr(byte) if byte in SAFE else f"%{byte:02X}" for byte in value.encode())


def unescape(text: str) -> str | None:
    """Return the value that `escape` writes as `text`; None for anything that it never writes."""
    raw, at = bytearray(), 0
    for found in _ESCAPED.finditer(text):
        if found.start() != at:
            return None
        at = found.end()
        raw.append(int(found[1], 16) if found[1] else ord(found[2]))
    try:
        value = raw.decode()
    except UnicodeDecodeError:
        return None
    return value if at == len(text) and escape(value) == text else None


def is_plain(value: str) -> bool:
    """Return whether the value stands in a locator as it is."""
    return escape(value) == value


def locator_of(spec: TargetSpec, fields: Mapping[str, str]) -> str:
    """Return the locator of a target of this kind."""
    return spec.locator.format_map(
        {name: escape(value) if name in spec.escaped else value for name, value in fields.items()}
    )


def fields_of(spec: TargetSpec, locator: str) -> dict[str, str] | None:
    """Return the values of a locator's fields; None if it is not a locator of this kind.

    The values are not compared with the patterns of the fields.
    """
    kind, _, rest = locator.partition(":")
    parts = rest.split("/")
    if kind != spec.kind or len(parts) != len(spec.fields):
        return None
    found = {}
    for name, part in zip(spec.fields, parts, strict=True):
        value = unescape(part) if name in spec.escaped else part
        if not value:
            return None
        found[name] = value
    return found
