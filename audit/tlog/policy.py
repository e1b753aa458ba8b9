"""Trust policies (C2SP tlog-policy): keys that sign the log, witnesses, and a quorum.

Lines: ``log <vkey> [<url>]``, ``witness <name> <vkey> [<url>]``, ``group <name> <k|any|all>
<name>...``, ``quorum <name|none>``; empty lines and lines that start with # are ignored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from audit.tlog import cosignature, ed25519
from audit.tlog.checkpoint import Checkpoint, opened
from audit.tlog.errors import Malformed, QuorumMissing
from audit.tlog.note import COSIGNATURE, ED25519, Note, SignatureLine, VerifierKey, Verify

NONE = "none"
# Enough for a policy, which is written by hand.
MAX_TEXT = 256 * 1024


@dataclass(frozen=True)
class Witness:
    """A witness with its name in the policy; `url` is its address."""

    name: str
    key: VerifierKey
    url: str = ""


@dataclass(frozen=True)
class Group:
    """A group; it is met when at least `least` of its members are."""

    name: str
    least: int
    members: tuple[str, ...]


@dataclass(frozen=True)
class Checked:
    """A checkpoint that the policy accepts, with witnesses and their times."""

    checkpoint: Checkpoint
    note: str
    witnesses: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Policy:
    """The trust of a verifier, from its own file."""

    logs: tuple[VerifierKey, ...]
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NONE
    urls: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def single(cls, vkey: VerifierKey) -> Policy:
        """Return a policy for one log without witnesses."""
        return cls((vkey,))

    @classmethod
    def parse(cls, text: str) -> Policy:
        """Parse a policy. Raises Malformed with the line."""
        if len(text) > MAX_TEXT:
            raise Malformed("the policy is too long")
        reading = _Reading()
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            try:
                reading.line(words)
            except Malformed as error:
                raise Malformed(f"line {number}: {error.detail}") from None
        return reading.policy()

    def dump(self) -> str:
        lines = [" ".join(("log", str(key), *_some(self.urls.get(str(key))))) for key in self.logs]
        lines += [" ".join(("witness", w.name, str(w.key), *_some(w.url))) for w in self.witnesses]
        lines += [" ".join(("group", g.name, str(g.least), *g.members)) for g in self.groups]
        return "".join(f"{line}\n" for line in (*lines, f"quorum {self.quorum}"))

    def check(self, note: str, verify: Verify = ed25519.verify) -> Checked:
        """Return the checkpoint of a note that a log's key signed and the quorum cosigned.

        Raises Malformed, UnknownKey, QuorumMissing, and BadSignature (also for a wrong line of a
        known witness).
        """
        found = opened(note, self.logs, verify)
        parsed = Note.parse(note)
        times = self._cosigned(parsed, verify)
        if not self._met(self.quorum, times.keys()):
            said = ", ".join(sorted(times)) or "no witness"
            raise QuorumMissing(f"{said} cosigned size {found.size}, quorum {self.quorum}")
        return Checked(found, note, tuple(sorted(times.items())))

    def _cosigned(self, note: Note, verify: Verify) -> dict[str, int]:
        lines: dict[tuple[str, bytes], SignatureLine] = {}
        for line in note.signatures:
            lines.setdefault((line.name, line.key_id), line)
        found = {}
        for witness in self.witnesses:
            signed = lines.get((witness.key.name, witness.key.key_id))
            if signed is not None:
                found[witness.name] = cosignature.check(note.text, signed, witness.key, verify)
        return found

    def _met(self, name: str, seen: Collection[str]) -> bool:
        if name == NONE:
            return True
        for group in self.groups:
            if group.name == name:
                return sum(self._met(member, seen) for member in group.members) >= group.least
        return name in seen


class _Reading:
    """Parser state: a line may only refer to names of earlier lines."""

    def __init__(self) -> None:
        self.logs: list[VerifierKey] = []
        self.urls: dict[str, str] = {}
        self.witnesses: dict[str, Witness] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None

    def line(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self._log(vkey, *url)
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._witness(name, vkey, *url)
            case ["group", name, least, *members] if members:
                self._group(name, least, members)
            case ["quorum", name]:
                if self.quorum is not None:
                    raise Malformed("there is one quorum")
                if name != NONE and name not in self.witnesses and name not in self.groups:
                    raise Malformed(f"{name!r} is neither a witness nor a group")
                self.quorum = name
            case _:
                raise Malformed("not a line of a policy")

    def policy(self) -> Policy:
        if not self.logs:
            raise Malformed("a policy names a log")
        if self.quorum is None:
            raise Malformed("a policy names a quorum, if only `quorum none`")
        return Policy(
            tuple(self.logs),
            tuple(self.witnesses.values()),
            tuple(self.groups.values()),
            self.quorum,
            self.urls,
        )

    def _log(self, vkey: str, url: str = "") -> None:
        key = VerifierKey.parse(vkey)
        if key.algorithm != ED25519 or key in self.logs:
            raise Malformed("a log signs with an Ed25519 key, named once")
        self.logs.append(key)
        if url:
            self.urls[vkey] = url

    def _witness(self, name: str, vkey: str, url: str = "") -> None:
        key = VerifierKey.parse(vkey)
        if key.algorithm != COSIGNATURE:
            raise Malformed("a witness has a key for cosignatures (type 0x04)")
        if any(key == other.key for other in self.witnesses.values()):
            raise Malformed("two witnesses have one key: one would count twice")
        self._new(name)
        self.witnesses[name] = Witness(name, key, url)

    def _group(self, name: str, least: str, members: list[str]) -> None:
        self._new(name)
        if len(set(members)) != len(members):
            raise Malformed("a member stands twice in the group")
        for member in members:
            if member not in self.witnesses and member not in self.groups:
                raise Malformed(f"{member!r} is neither a witness nor a group")
        words = {"any": 1, "all": len(members)}
        count = words.get(least) or (int(least) if least.isdecimal() and len(least) < 4 else 0)
        if not 1 <= count <= len(members):
            raise Malformed(f"of {len(members)} members {least} cannot be needed")
        self.groups[name] = Group(name, count, tuple(members))

    def _new(self, name: str) -> None:
        if name == NONE or name in self.witnesses or name in self.groups:
            raise Malformed(f"the name {name!r} is taken")


def _some(url: str | None) -> tuple[str, ...]:
    return (url,) if url else ()
