"""A language that nobody speaks: each message of the catalogs in marks, accented and longer.

What a page says in plain letters under it was not translated. It exists in a test's directory and
nowhere else.
"""

from __future__ import annotations

import ast
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import allauth
import django
from django.contrib import admin, auth

from hitlportal.development.messages import ENGLISH, ROOT

CODE = "xx"
BEGIN, END = "⟦", "⟧"
PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ACCENTED = "ÀƁČĎĒƑĢĤĨĴĶĹḾŃŌƤɊŔŚŤŪṼŴẌŶŽàƀčďēƒģĥĩĵķĺḿńōƥɋŕśťūṽŵẍŷž"
_LETTERS = str.maketrans(PLAIN, ACCENTED)
# What a translator leaves as it is: placeholders, markup, entities.
_KEPT = re.compile(r"(%\(\w+\)[sd]|%%|%[sd]|\{\w*\}|<[^<>]*>|&#?\w+;)")
_ENTRY = re.compile(r'^(msgctxt|msgid|msgid_plural|msgstr(?:\[\d\])?) ((?:".*"\n?)+)', re.MULTILINE)

# What a page shows may come out of these: ours, Django's, allauth's.
CATALOGS = [
    ROOT / ENGLISH,
    *(
        Path(str(package.__file__)).parent / below / "en" / "LC_MESSAGES" / "django.po"
        for package, below in (
            (django, "conf/locale"),
            (admin, "locale"),
            (auth, "locale"),
            (allauth, "locale"),
        )
    ),
]


def pseudo(text: str) -> str:
    """The message as the language says it, a third longer."""
    pieces = [
        piece if place % 2 else piece.translate(_LETTERS)
        for place, piece in enumerate(_KEPT.split(text))
    ]
    longer = "·" * max(1, len(text) // 3)
    begin = "\n" if text.startswith("\n") else ""
    end = "\n" if text.endswith("\n") else ""
    return f"{begin}{BEGIN}{''.join(pieces).strip(chr(10))}{longer}{END}{end}"


def messages(path: Path) -> Iterator[tuple[str, str, str]]:
    """(context, message, plural) of a catalog; the last is empty where there is none."""
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        lines = "\n".join(line for line in block.splitlines() if not line.startswith("#"))
        found = {key: _string(quoted) for key, quoted in _ENTRY.findall(lines + "\n")}
        if found.get("msgid"):
            yield found.get("msgctxt", ""), found["msgid"], found.get("msgid_plural", "")


def _string(quoted: str) -> str:
    return "".join(str(ast.literal_eval(line)) for line in quoted.splitlines() if line)


def catalog() -> dict[str, str]:
    """Keys and values as gettext's binary form has them."""
    made = {
        "": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"
    }
    for path in reversed(CATALOGS):
        for context, message, plural in messages(path):
            key = f"{context}\x04{message}" if context else message
            if plural:
                made[f"{key}\0{plural}"] = f"{pseudo(message)}\0{pseudo(plural)}"
            else:
                made[key] = pseudo(message)
    return made


def install(directory: Path) -> Path:
    """Write the language's binary catalog below the directory, for LOCALE_PATHS."""
    place = directory / CODE / "LC_MESSAGES"
    place.mkdir(parents=True)
    (place / "django.mo").write_bytes(_binary(catalog()))
    return directory


def _binary(entries: dict[str, str]) -> bytes:
    """The GNU .mo format, without its optional hash table (gettext manual, 10.3)."""
    pairs = sorted((key.encode(), value.encode()) for key, value in entries.items())
    count, header = len(pairs), 28
    place = header + 16 * count
    tables: list[bytes] = []
    data = b""
    for side in (0, 1):
        for pair in pairs:
            tables.append(struct.pack("<II", len(pair[side]), place + len(data)))
            data += pair[side] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, count, header, header + 8 * count, 0, place)
    return head + b"".join(tables) + data
