"""Sign in at GitHub as an App, read whole lists, and make one change.

GitHub answers 404 where the login may not look, too. So nothing counts as absent because of a 404:
the token's rights are those that were asked for, and a list was read to its end without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors.api_http import CALL_SECONDS, Answer, Call, NoAnswer
from remediation.executors.base import Deadline
from remediation.executors.credentials import for_observing, for_operating
from remediation.executors.errors import NotApplied, OutcomeUnknown
from remediation.executors.github_http import send
from remediation.executors.github_server import Login, Organisation
from remediation.executors.secret import watch

Object = Mapping[str, Any]
# For all calls of one look: a rollback looks twice, and waits in between.
LOOK_SECONDS = 15.0
PER_PAGE, MOST_PAGES = 100, 10
MOST_TEXT = 200
# A proxy on the way may say it after it has passed the call on.
REQUEST_TIMEOUT = 408
_CHANGED = "GitHub: the list changed while it was read"
MOST_NUMBER = 2**63
MOST_LISTED = 200
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[Z+.:0-9UTC -]{0,20}")


@dataclass(frozen=True)
class Signed:
    """A token of an installation."""

    bearer: str = field(repr=False)


@dataclass(frozen=True)
class Reading:
    """The observer's calls in one organisation, all within one time."""

    at: Organisation
    signed: Signed
    _until: Deadline

    def get(self, path: str) -> Object | None:
        """Return an object; None for a 404, which alone says nothing. Raises TargetUnobservable."""
        answer = self._ask(path, {})
        if answer.status == 404:
            return None
        return objects([_success(answer)])[0]

    def pages(self, path: str, inside: str = "", **query: str) -> list[Object] | None:
        """Return a whole list; None for a 404 at its beginning. Raises TargetUnobservable.

        `inside`: the member of the answer that has the list, beside the number of all.
        A list of several pages is read twice: what is removed from a page that was read moves an
        entry of the next page to where nobody looks any more.
        """
        found, pages = self._whole(path, inside, query)
        if found is None or pages == 1:
            return found
        again, _ = self._whole(path, inside, query)
        if again is None or [number(one) for one in again] != [number(one) for one in found]:
            raise TargetUnobservable(_CHANGED)
        return found

    def _whole(
        self, path: str, inside: str, query: Mapping[str, str]
    ) -> tuple[list[Object] | None, int]:
        """Return the list as one reading gives it, and the number of its pages."""
        found: list[Object] = []
        for page in range(1, MOST_PAGES + 1):
            more = {"per_page": str(PER_PAGE), **({"page": str(page)} if page > 1 else {})}
            answer = self._ask(path, {**query, **more})
            if answer.status == 404 and page == 1:
                return None, page
            said = _success(answer)
            part = objects(said[inside] if inside and isinstance(said, dict) else said)
            found += part
            # A full page may be followed by another one, whatever the header says.
            if len(part) < PER_PAGE and not answer.has_next:
                held = len({number(one) for one in found})
                if held != (said.get("total_count") if inside else len(found)):
                    raise TargetUnobservable(_CHANGED)
                return found, page
        raise TargetUnobservable(f"GitHub: the list has more than {MOST_PAGES * PER_PAGE} entries")

    def _ask(self, path: str, query: Mapping[str, str]) -> Answer:
        call = Call("GET", f"{self.at.api}{path}", self.signed.bearer, query=query)
        return _sent(self.at, call, self._until)


@contextmanager
def reading(at: Organisation, right: str) -> Iterator[Reading]:
    """Yield the observer's calls, with a token that has this right to read and no other.

    Raises TargetUnobservable, also for an answer of another shape than GitHub's.
    """
    until = Deadline.within(LOOK_SECONDS)
    pem = for_observing(at.observer.app.key)
    with shaped():
        asked: dict[str, Json] = {"permissions": {right: "read"}}
        yield Reading(at, _signed_in(at, at.observer, pem, asked, until), until)


def operating(
    at: Organisation, pem: str, right: str, repository: str, deadline: Deadline
) -> Signed:
    """Sign the operator in, with a token that has one right to write; "" for no repository.

    `pem` is from `operator_key`: the key is read before anything is asked. Raises NotApplied.
    """
    asked: dict[str, Json] = {"permissions": {right: "write"}}
    if repository:
        asked["repositories"] = [repository]
    try:
        with shaped():
            return _signed_in(at, at.operator, pem, asked, deadline)
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from error


def operator_key(at: Organisation, clearance: Clearance) -> str:
    """Raises ClearanceRefused and CredentialUnavailable."""
    return for_operating(clearance, at.operator.app.key)


def change(
    at: Organisation, bearer: str, method: str, path: str, body: Json, until: Deadline
) -> None:
    """Make one change. Raises NotApplied and OutcomeUnknown.

    A 4xx is a refusal: nothing was changed. After anything else, and after a lost answer, it may
    have been.
    """
    if until.left < CALL_SECONDS:
        raise NotApplied("no time is left for the call")
    try:
        answer = send(Call(method, f"{at.api}{path}", bearer, body), str(at.ca_file or ""))
    except NoAnswer as error:
        raise (OutcomeUnknown if error.sent else NotApplied)(f"GitHub: {error}") from None
    if 400 <= answer.status < 500 and answer.status != REQUEST_TIMEOUT:
        raise NotApplied(f"GitHub refuses: {answer.why_not}")
    if not 200 <= answer.status < 300:
        raise OutcomeUnknown(f"GitHub: {answer.why_not}")


def _signed_in(
    at: Organisation, login: Login, pem: str, asked: dict[str, Json], until: Deadline
) -> Signed:
    """Return a token of the App's installation. Raises TargetUnobservable."""
    jwt = login.app.signed(pem)
    path = f"/app/installations/{login.installation}/access_tokens"
    answer = _sent(at, Call("POST", f"{at.api}{path}", jwt, asked), until)
    if answer.status == 404:
        raise _not_installed(at, jwt, until)
    if answer.status == 422:
        raise TargetUnobservable(
            f"GitHub: the App has not the right {_rights(asked)} in {at.name}, or the repository is"
            " not one of its installation"
        )
    if answer.status != 201:
        raise TargetUnobservable(f"GitHub: the App cannot sign in: {answer.why_not}")
    said = objects([answer.said])[0]
    token, given = said["token"], said.get("permissions") or {}
    if not isinstance(token, str) or any(
        given.get(name) not in (level, "write") for name, level in _asked(asked).items()
    ):
        raise TargetUnobservable(f"GitHub: the token has not the right {_rights(asked)}")
    watch(token)
    return Signed(token)


def _asked(asked: Mapping[str, Json]) -> Mapping[str, Json]:
    found = asked["permissions"]
    return found if isinstance(found, dict) else {}


def _rights(asked: Mapping[str, Json]) -> str:
    return ", ".join(f"{name}={level}" for name, level in _asked(asked).items())


def _not_installed(at: Organisation, jwt: str, until: Deadline) -> TargetUnobservable:
    """Return what a missing installation means.

    The App's own page shows that its key is good and that this is GitHub's API. Whether the
    organisation is there is not asked: one that was renamed is a 404, too, and its tokens live.
    """
    app = _sent(at, Call("GET", f"{at.api}/app", jwt), until)
    if app.status != 200 or not isinstance(objects([app.said])[0].get("id"), int):
        return TargetUnobservable(f"GitHub: the App cannot sign in: {app.why_not}")
    return TargetUnobservable(f"GitHub: the App is not installed in organisation {at.name}")


def _sent(at: Organisation, call: Call, until: Deadline) -> Answer:
    """Raises TargetUnobservable if there is no answer."""
    if until.passed:
        raise TargetUnobservable("GitHub: the look took too long")
    try:
        return send(call, str(at.ca_file or ""), min(CALL_SECONDS, until.left))
    except NoAnswer as error:
        raise TargetUnobservable(f"GitHub: {error}") from None


def _success(answer: Answer) -> Any:
    if answer.status != 200:
        raise TargetUnobservable(f"GitHub: {answer.why_not}")
    return answer.said


# -- reading answers -------------------------------------------------------------------------------


@contextmanager
def shaped() -> Iterator[None]:
    """Turn what reading an answer of another shape raises into TargetUnobservable."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise TargetUnobservable(f"GitHub: {type(error).__name__} in an answer") from None


def objects(value: Any) -> list[Object]:
    """Return a list of objects as it is. Raises TypeError for anything else."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise TypeError("no list of objects")
    return value


def text(found: Object, name: str, most: int = MOST_TEXT) -> str:
    """Return a text, cut; "" if there is none. Raises TypeError."""
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise TypeError(name)
    return plain(value or "", most)


def number(found: Object, name: str = "id") -> str:
    """Return a number as a text. Raises TypeError."""
    value = found[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(name)
    if not 0 < value < MOST_NUMBER:
        raise ValueError(name)
    return str(value)


def truth(found: Object, name: str) -> bool:
    """Raises TypeError."""
    value = found[name]
    if not isinstance(value, bool):
        raise TypeError(name)
    return value


def moment(found: Object, name: str) -> str | None:
    """Return a time as GitHub writes it; "" for none, None if it is not said."""
    if name not in found:
        return None
    value = text(found, name)
    if value and not _MOMENT.fullmatch(value):
        raise ValueError(name)
    return value


def rights(found: Object) -> list[Json]:
    """Return permissions as a sorted list of texts. Raises TypeError and ValueError."""
    if len(found) > MOST_LISTED:  # they are compared, so none is left out
        raise ValueError("permissions")
    return [*sorted(plain(f"{name}: {_level(level)}") for name, level in found.items())]


def _level(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("permissions")
    return value


def plain(value: str, most: int = MOST_TEXT) -> str:
    """Return a text, cut, without what no record takes: it would keep a step off the record."""
    return "".join("\ufffd" if _unkept(each) else each for each in value[:most])


def _unkept(each: str) -> bool:
    return each == "\0" or "\ud800" <= each <= "\udfff"


def segment(value: str) -> str:
    """Return a field of a target as one part of a path."""
    return quote(value, safe="")
