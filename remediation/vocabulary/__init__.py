"""The words of the domain in the reader's language.

The domain is pure and speaks English, since its words are signed and recorded. Here each of its
words that a page shows is listed, so that `make messages` finds it, and looked up when a page is
drawn; `tests/language/test_vocabulary.py` compares the lists with the domain. What is in no list,
an agent's text above all, comes out as it went in. The words of a provider's kinds and actions
stand in its declaration; those of another package come out in English where no catalog of this
project has them.
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
    """A name from a closed vocabulary as words: ``rolled_back`` → ``rolled back``."""
    plain = str(name)
    if plain in _NAMED:
        return str(_NAMED[plain])
    for provider in PROVIDERS.values():
        if plain in provider.words:
            declared = provider.words[plain]
            return pgettext(declared.context, declared.text)
    return plain.replace("_", " ").replace(":", " · ")


def saying(text: str) -> str:
    """A fixed sentence or title of the domain."""
    declared = any(text in provider.sentences for provider in PROVIDERS.values())
    return gettext(text) if declared or text in _SENTENCES else text


def message(refusal: Refused | type[Refused]) -> str:
    """What a refusal means; its detail stands beside it, as it is on record."""
    return saying(" ".join((refusal.__doc__ or "").split()))
