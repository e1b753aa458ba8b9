"""Checkpoints (C2SP tlog-checkpoint): a log's origin, size and root."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from audit.tlog import b64, ed25519
from audit.tlog.errors import Malformed, UnknownKey
from audit.tlog.merkle import HASH_SIZE, MAX_SIZE
from audit.tlog.note import Note, VerifierKey, Verify, check_text, signed_by

_SIZE = re.compile(r"0|[1-9][0-9]{0,19}")


@dataclass(frozen=True)
class Checkpoint:
    """The signed text. Our checkpoints have no extension lines; those of other logs are kept."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        lines = (self.origin, str(self.size), b64.encode(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Parse the text of a checkpoint (C2SP tlog-checkpoint, Note text). Raises Malformed."""
        check_text(text)
        *lines, end = text.split("\n")
        if end or len(lines) < 3 or "" in lines:
            raise Malformed("a checkpoint has lines for origin, size and root")
        origin, size, root, *extensions = lines
        if not _SIZE.fullmatch(size) or int(size) > MAX_SIZE:
            raise Malformed("the size of a checkpoint is a whole number")
        decoded = b64.decode(root, "the root")
        if len(decoded) != HASH_SIZE:
            raise Malformed("the root of a checkpoint has 32 bytes")
        return cls(origin, int(size), decoded, tuple(extensions))


def opened(source: str, keys: Iterable[VerifierKey], verify: Verify = ed25519.verify) -> Checkpoint:
    """Return the checkpoint of a note that a key of its origin signed.

    Raises Malformed, BadSignature, and UnknownKey when no key with the origin's name signed it
    (C2SP tlog-checkpoint: the key's name is the origin).
    """
    note = Note.parse(source)
    found = Checkpoint.parse(note.text)
    named = [key for key in keys if key.name == found.origin]
    if not signed_by(note, named, verify):
        raise UnknownKey(f"no trusted key signed this checkpoint of {found.origin}")
    return found
