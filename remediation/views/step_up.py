"""Take a form whose act the person signs with the passkey (stepup.js; docs/attacks.md A76).

The script sends the form's fields once with the header `X-Step-Up`, to learn what is signed, and
then submits the form with the signed statement. Without script the passkey cannot be asked, and
the service refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext

from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.domain.act import Act, ActName, ActStatement
from remediation.domain.gate.signature import Assertion
from remediation.domain.strict import parse as parse_json
from remediation.services.people import stepup
from remediation.views import decorators

HEADER = "X-Step-Up"
STATEMENT, ASSERTION = "step_up_statement", "step_up_assertion"
MAX_BYTES = 64 * 1024

# Returns the act that a request asks for; the arguments are those of the route.
About = Callable[..., Act]


def signed_form(about: About) -> Callable[[decorators.View], decorators.View]:
    """Wrap the POST of a form that a passkey signs; the view gets the `proof`, or None."""

    def wrap(view: decorators.View) -> decorators.View:
        def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if asked(request):
                return begin(request, about(request, *args, **kwargs))
            return view(request, *args, proof=proof_of(request), **kwargs)

        asking = decorators.form_or_json(door, asked)
        asking.__doc__ = view.__doc__
        return asking

    return wrap


def asked(request: HttpRequest) -> bool:
    """Return whether the script asks what is signed, and changes nothing yet."""
    return HEADER in request.headers


def refuse_invalid(request: HttpRequest) -> None:
    """Refuse to sign a form with mistakes; the form itself says which. Raises BadValue."""
    if asked(request):
        raise errors.BadValue("the form has mistakes")


def proof_of(request: HttpRequest) -> stepup.Proof | None:
    """Return the signed statement that the form carries. Raises BadInput."""
    statement, assertion = request.POST.get(STATEMENT, ""), request.POST.get(ASSERTION, "")
    if not statement or not assertion:
        return None
    given: Json = parse_json(assertion.encode(), max_bytes=MAX_BYTES)
    return stepup.Proof(ActStatement.parse(statement.encode()), Assertion.from_browser(given))


def begin(request: HttpRequest, act: Act, what: str = "") -> HttpResponse:
    """Answer with the statement of this act; ``what`` says it in words that name the people."""
    started = stepup.start(actor=decorators.person(request), act=act)
    return JsonResponse(
        {
            "statement": started.statement.body().decode(),
            "options": started.options,
            "words": _describe(act, started.statement, what),
        }
    )


def _describe(act: Act, statement: ActStatement, what: str) -> str:
    named = {**act.input, "object": act.object.partition(":")[2]}
    said = {
        "what": what or _WORDS[act.name]() % named,
        "until": statement.expires.strftime("%H:%M UTC"),
    }
    return gettext("Your passkey signs, once, until %(until)s: %(what)s") % said


# Acts on people and rights are said by remediation/admin/signing.py, which knows their names.
_WORDS: dict[ActName, Callable[[], str]] = {
    ActName.REVEAL: lambda: gettext(
        "reveal the secrets of artefact %(artefact)s (proposal %(object)s), because: %(reason)s"
    ),
    ActName.OBSERVE_AGAIN: lambda: gettext(
        "read the target of proposal %(object)s again; if something signed differs, "
        "round %(round)s and its reviews end"
    ),
    ActName.REPORT_AGENT: lambda: gettext(
        "suspend the agent of proposal %(object)s, because: %(reason)s"
    ),
    ActName.END_SESSIONS: lambda: gettext("sign you out everywhere but in this browser"),
}


def text_of(request: HttpRequest, name: str, longest: int = 4_000) -> str:
    """Return a field of the form. Raises TooLarge."""
    value = request.POST.get(name, "")
    if len(value) > longest:
        raise errors.TooLarge(f"{longest} characters at most", pointer=f"/{name}")
    return value
