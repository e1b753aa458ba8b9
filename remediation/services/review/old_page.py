"""Refuse an approval of what the worker has read again since the person saw it.

A new round ends what was signed in the old one. An equal look keeps the round, and what is shown
but not pinned may still differ after it.
"""

from __future__ import annotations

from dataclasses import dataclass

from remediation.domain import errors
from remediation.models import Assessment, Proposal, ReviewSession
from remediation.services.access import looks

_AGAIN = "the target was read again after this page was loaded"


@dataclass(frozen=True)
class Page:
    """What the page showed: the round, and the newest equal look of it (`looks.mark`), 0 for none.

    As the browser sends them: both may be anything.
    """

    round: object
    look: object = 0


def refuse(proposal: Proposal, assessment: Assessment, page: Page, *, approves: bool) -> None:
    """Refuse to judge another round, and to approve what was shown before the newest look.

    Raises StaleDigest.
    """
    if type(page.round) is not int or page.round != proposal.round:
        raise errors.StaleDigest("the proposal was assessed again after this page was loaded")
    if approves and (type(page.look) is not int or page.look != looks.mark(assessment)):
        raise errors.StaleDigest(_AGAIN)


def refuse_since(session: ReviewSession, assessment: Assessment) -> None:
    """Refuse to sign an approval that was started before the newest look. Raises StaleDigest.

    Their entries tell which was first, whatever the clock says: both are made under the proposal's
    lock.
    """
    again = looks.newest(assessment)
    if again is not None and again.entry > session.entry:
        raise errors.StaleDigest(_AGAIN)
