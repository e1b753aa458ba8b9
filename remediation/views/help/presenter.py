"""Build the data of the help page."""

from __future__ import annotations

from remediation.models import User
from remediation.services.access import authorize
from remediation.views.help.page import HelpPage, TermRow
from remediation.vocabulary.terms import TERMS


def help_page(person: User) -> HelpPage:
    """Return the page for this person's roles, with the words in alphabetical order."""
    terms = (TermRow(name, str(term.title), str(term.text)) for name, term in TERMS.items())
    return HelpPage(
        roles=authorize.roles(person), terms=tuple(sorted(terms, key=lambda term: term.title))
    )
