"""What a format can say of a record. Each answer is "" where it does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from remediation.domain.formats.body import Body


class Format:
    """One format of records; a new one overrides what it can say."""

    def is_record(self, names: Set[str]) -> bool:
        """Whether an object with members of these names, in lower case, is a record of it."""
        raise NotImplementedError

    def name(self, body: Body) -> str:
        """The call that was made."""
        return ""

    def service(self, body: Body) -> str:
        """The service that was called."""
        return ""

    def region(self, body: Body) -> str:
        """The region in which it was called."""
        return ""

    def time(self, body: Body) -> str:
        """The text in which the time stands."""
        return ""

    def key(self, body: Body) -> str:
        """The credential by which it was called."""
        return ""

    def user(self, body: Body) -> str:
        """The name of the caller."""
        return ""

    def actor(self, body: Body) -> str:
        """Who called, where that is told more closely than by key or name."""
        return ""

    def address(self, body: Body) -> str:
        """The address from which it was called."""
        return ""

    def account(self, body: Body) -> str:
        """The account in which it happened."""
        return ""

    def message(self, body: Body) -> str:
        """What a line says, without its prefix where the agent took it apart."""
        return ""

    def acts(self, body: Body) -> bool:
        """A call or a statement, not a line that only says who came and went."""
        return False

    def session(self, body: Body) -> str:
        """What tells this session's records from those of others."""
        return ""

    def ends_session(self, body: Body) -> bool:
        """Whether the session is over with it."""
        return False

    def error(self, body: Body) -> str | None:
        """Why it did not take effect; "" when it did, None when the format does not say."""
        return None

    def late_errors(
        self, bodies: Sequence[tuple[str, Body]], errors: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Errors that another record than the one that failed tells, by the pointer of the latter.

        ``bodies`` are all records of the artefact in their order, ``errors`` what `error` said.
        """
        return {}
