"""Hold a secret inside one step of one worker, and keep it out of everything that leaves the step.

`SecretValue` has no form that a log, a page, a record or a pickle could take. `watching` notes the
values that exist during a call, so that the caller can look for them in what the call returns
(`quotes`); a log record that quotes one meanwhile is withheld, whatever its logger and level, and
so are those of libraries that log what they send and receive.
`closed` and `sealed` end a call that failed: its frames lose their local variables.
"""

from __future__ import annotations

import base64
import hmac
import json
import logging
import secrets
import string
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote

from remediation.domain.errors import Refused

T = TypeVar("T")

# What may stand beside a secret in a store and is none: names that tell which credential it is.
NOT_SECRET = frozenset(
    {"access_key_id", "accessor", "ca_chain", "certificate", "host", "lease_id", "port", "role_id",
     "serial_number", "username"}
)  # fmt: skip
# Shorter values occur by chance in other text.
LEAST_SOUGHT = 12
# Their loggers write bodies of requests and answers, below the level of warnings.
_WIRE = frozenset({"botocore", "boto3", "urllib3", "hvac"})
_ALPHABET = string.ascii_letters + string.digits

_watched: ContextVar[list[str] | None] = ContextVar("watched", default=None)


class SecretValue:
    """One credential as a store keeps it: texts by field, for example {"password": "..."}.

    Only `reveal` gives a text. The fields in NOT_SECRET may be told.
    """

    __slots__ = ("_fields",)
    _fields: Mapping[str, str]

    def __init__(self, fields: Mapping[str, str]) -> None:
        object.__setattr__(self, "_fields", MappingProxyType(dict(fields)))
        watch(*(text for name, text in fields.items() if name not in NOT_SECRET))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._fields))

    @property
    def is_empty(self) -> bool:
        """Return whether it has no field, or a secret field without a text."""
        return not self._fields or not all(self._fields.values())

    def reveal(self, field: str) -> str:
        """Return the text of a field, for a call to the target or the store and nothing else."""
        return self._fields[field]

    def reveal_all(self) -> dict[str, str]:
        """Return all fields, for the store."""
        return dict(self._fields)

    def has(self, other: SecretValue) -> bool:
        """Return whether every field of the other one stands here, with the same text."""
        return all(
            hmac.compare_digest(self._fields.get(name, "").encode(), text.encode())
            for name, text in other.reveal_all().items()
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretValue):
            return NotImplemented
        return self.names == other.names and self.has(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "SecretValue(...)"

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("a secret is not written into a text")

    def __str__(self) -> NoReturn:
        raise TypeError("a secret is not written into a text")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret cannot be changed")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be stored or sent")


def make_password(length: int = 40) -> str:
    """Return a random password of letters and digits: 40 have 238 bits.

    So long because a verifier that a log quotes can be guessed at offline.
    """
    made = "".join(secrets.choice(_ALPHABET) for _ in range(length))
    watch(made)
    return made


def watch(*texts: str) -> None:
    """Note secrets for `watching`, if a call is being watched; of a longer text each line, too."""
    watched = _watched.get()
    if watched is not None:
        parts = {part for text in texts for part in (text, *text.splitlines())}
        watched.extend(part for part in parts if len(part) >= LEAST_SOUGHT)


@contextmanager
def watching() -> Iterator[list[str]]:
    """Yield the list of the secrets that were made, read or noted since, for `quotes`."""
    _withhold_records()
    noted: list[str] = []
    token = _watched.set(noted)
    try:
        yield noted
    finally:
        _watched.reset(token)
        noted.clear()


def _withhold_records() -> None:
    """Let no logger write a record that quotes a noted secret: boto logs bodies of requests."""
    make = logging.getLogRecordFactory()
    if getattr(make, "withholds", False):
        return

    def made(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        noted = _watched.get()
        if noted is not None and (_is_of_wire(record) or _record_quotes(record, noted)):
            record.msg, record.args = "(withheld: this record may quote a secret)", ()
            record.exc_info = record.exc_text = record.stack_info = None
        return record

    made.withholds = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(made)


def _is_of_wire(record: logging.LogRecord) -> bool:
    """Return whether it may have the body of an answer, which nobody could note before."""
    return record.levelno < logging.WARNING and record.name.partition(".")[0] in _WIRE


def _record_quotes(record: logging.LogRecord, noted: Iterable[str]) -> bool:
    try:
        text = f"{record.getMessage()}{record.args}{record.stack_info}"
        if record.exc_info:
            text += logging.Formatter().formatException(record.exc_info)
    except Exception:  # it cannot be written, and nobody knows what it would quote
        return True
    return quotes(text, noted)


def quotes(text: str, noted: Iterable[str]) -> bool:
    """Return whether a text contains one of these secrets, as it is or in a usual encoding."""
    return any(form in text for secret in noted for form in forms(secret))


def forms(secret: str) -> frozenset[str]:
    """Return the forms in which a text may contain a secret: plain, JSON, URL, base64, hex."""
    raw = secret.encode()
    # Base64 inside of longer data: the middle of each of the three alignments.
    inner = {
        base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4].decode() for shift in range(3)
    }
    found = {
        secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[3:-3],
        repr(secret)[1:-1], quote(secret, safe=""), raw.hex(),
        raw.hex().upper(), base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        *inner, *(form.replace("+", "-").replace("/", "_") for form in inner),
    }  # fmt: skip
    return frozenset(form for form in found if len(form) >= LEAST_SOUGHT)


def closed(call: Callable[[], T], refusal: type[Refused], known: type[Refused] = Refused) -> T:
    """Return what the call returns; let nothing of a failure out but its class.

    An error of class `known` keeps its class and its words: it comes from the portal's own code,
    and never quotes a value. Any other error becomes `refusal` with the name of its class. Neither
    keeps a cause, a context or a traceback, whose frames have local variables.
    """
    failure: Refused
    try:
        return call()
    except known as error:
        failure = error
        forget(error)
    except Exception as error:  # drivers have errors without a common class
        failure = refusal(type(error).__name__)
        forget(error)
    raise failure  # after the handler, so that it has no context


def sealed(call: Callable[[], T], refusal: type[Refused], *, words: bool) -> T:
    """Return what a call to a target returns, if it quotes no secret that the call handled.

    Errors leave as from `closed`, with words that quote no such secret. `words`: whether an
    unexpected error keeps its own, which come from a driver; not for calls that make a secret.
    """
    with watching() as noted:
        result = _attempt(call, refusal, words, noted)
    if isinstance(result, Refused):
        raise result  # after the handlers, so that it has no context
    return result


def _attempt(
    call: Callable[[], T], refusal: type[Refused], words: bool, noted: Iterable[str]
) -> T | Refused:
    """Return the result or the failure: a frame of an error that is raised keeps its locals."""
    try:
        result = call()
    except Refused as error:
        _clean(error, noted)
        return error
    except Exception as error:  # drivers have errors without a common class
        text = f"{type(error).__name__}: {error}"[:300]
        forget(error)
        return refusal(text if words and not quotes(text, noted) else type(error).__name__)
    if quotes(repr(result), noted):
        return refusal("withheld: the result quoted a secret")
    return result


def _clean(error: Refused, noted: Iterable[str]) -> None:
    """Empty an error's frames; keep its words and its cause's class unless they quote a secret."""
    cause = error.__cause__
    forget(error)
    if isinstance(cause, Refused):
        _clean(cause, noted)
        error.__cause__ = cause
    if quotes(f"{error.detail}{error.pointer}{error.args}", noted):
        error.detail, error.pointer = "withheld: its words quoted a secret", ""
        error.args = (error.detail,)


def forget(error: BaseException) -> None:
    """Empty the local variables of the frames that this error and its causes came through."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__]
        traceback.clear_frames(one.__traceback__)
        one.__traceback__ = one.__cause__ = one.__context__ = None
