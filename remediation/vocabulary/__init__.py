"""Translate the words of the domain into the reader's language.

The domain is pure and uses English, because its words are signed and recorded. These modules list
each word that a page shows, so that `make messages` finds it, and translate it when a page is
rendered; `tests/language/test_vocabulary.py` compares the lists with the domain. A text in no list
(above all an agent's) is returned unchanged. The declaration of a provider holds the words of its
kinds and actions; those of another package stay English when no catalog of this project has them.
"""

from __future__ import annotations

from django.utils.translation import gettext, pgettext

from remediation.domain.catalogue import PROVIDERS
from remediation.domain.errors import Refused
from remediation.vocabulary.refusals import MESSAGES, NAMES
from remediation.vocabulary.sayings import SAYINGS
from remediation.vocabulary.words import WORDS

_NAMED = {**NAMES, **WORDS}
_SENTENCES = SAYINGS | frozenset(MESSAGES)


def word(name: object) -> str:
    """Return a name of a closed vocabulary as words: ``rolled_back`` → ``rolled back``."""
    plain = str(name)
    if plain in _NAMED:
        return str(_NAMED[plain])
    for provider in PROVIDERS.values():
        if plain in provider.words:
            declared = provider.words[plain]
            return pgettext(declared.context, declared.text)
    return plain.replace("_", " ").replace(":", " · ")


def saying(text: str) -> str:
    """Return a fixed sentence or title of the domain, translated; any other text unchanged."""
    declared = any(text in provider.sentences for provider in PROVIDERS.values())
    return gettext(text) if declared or text in _SENTENCES else text


def message(refusal: Refused | type[Refused]) -> str:
    """Return the translated message of a refusal, without its recorded detail."""
    return saying(" ".join((refusal.__doc__ or "").split()))
