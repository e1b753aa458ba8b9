"""The values that a format reads from a record; "" where the record does not have one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence, Set

from remediation.domain.formats.body import Body


class Format(ABC):
    """One format of records; a subclass overrides what it can read."""

    @abstractmethod
    def is_record(self, names: Set[str], body: Body) -> bool:
        """Return whether the object is a record of it; ``names`` are its members in lower case.

        The first format that says yes reads the record alone: ask for more than one common name.
        """

    def name(self, body: Body) -> str:
        """Return the name of the call."""
        return ""

    def service(self, body: Body) -> str:
        """Return the service that was called."""
        return ""

    def region(self, body: Body) -> str:
        """Return the region of the call."""
        return ""

    def time(self, body: Body) -> str:
        """Return the text with the time."""
        return ""

    def key(self, body: Body) -> str:
        """Return the credential of the caller."""
        return ""

    def user(self, body: Body) -> str:
        """Return the name of the caller."""
        return ""

    def actor(self, body: Body) -> str:
        """Return the caller, if the record has something more exact than key or name."""
        return ""

    def issuer(self, body: Body) -> str:
        """Return who issued the caller's session: the role that it assumed, or its provider."""
        return ""

    def objects(self, body: Body) -> tuple[str, ...]:
        """Return the names of what was acted on."""
        return ()

    def obtained(self, body: Body) -> tuple[str, ...]:
        """Return the credentials and identities that the call gave to its caller."""
        return ()

    def note(self, body: Body) -> str:
        """Return why the record may be about nothing real now: a sample, archived, a test."""
        return ""

    def address(self, body: Body) -> str:
        """Return the address of the caller."""
        return ""

    def account(self, body: Body) -> str:
        """Return the account of the call."""
        return ""

    def message(self, body: Body) -> str:
        """Return the message of a log line, without its prefix if the agent split it off."""
        return ""

    def acts(self, body: Body) -> bool:
        """Return whether it is a call or statement, and not only a line about a connection."""
        return False

    def session(self, body: Body) -> str:
        """Return the id of the session."""
        return ""

    def ends_session(self, body: Body) -> bool:
        """Return whether this record ends the session."""
        return False

    def error(self, body: Body) -> str | None:
        """Return why it had no effect; "" if it had, None if the format does not say."""
        return None

    def late_errors(
        self, bodies: Sequence[tuple[str, Body]], errors: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Return errors that a later record reports, by the pointer of the record that failed.

        ``bodies`` are all records of the artefact in order, ``errors`` the results of `error`.
        """
        return {}

    def repeats(self, bodies: Sequence[tuple[str, Body]]) -> Mapping[str, str]:
        """Return records of acts that another record tells to the end, by pointer: its pointer.

        Only that other one counts as a record; a citation of either is one of it.
        """
        return {}
