"""What every page and every JSON address does alike: who asks, and what a refusal looks like.

A refusal is caught outside the refused transaction, put on record, and answered with words that
say what to do; on a page nothing that the person typed is lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from audit.tlog.canonical import Json
from remediation import vocabulary
from remediation.domain import errors
from remediation.domain.errors import Refused
from remediation.domain.events import Event
from remediation.domain.strict import parse as parse_json
from remediation.models import User
from remediation.services.access import record_refusal
from remediation.services.actors import PersonActor

# The largest body a page sends: a reason of 4,000 characters and an attestation with certificates.
MAX_JSON = 128 * 1024

STATUS: tuple[tuple[type[Refused], int], ...] = (
    (errors.NotAuthenticated, 401),
    (errors.NoSuchObject, 404),
    (errors.AccessRefused, 403),
    (errors.Conflict, 409),
    (errors.ReviewRefused, 422),
    (errors.Throttled, 429),
    (errors.BadInput, 400),
)

ADVICE: tuple[tuple[type[Refused], Promise], ...] = (
    (
        errors.StaleDigest,
        gettext_lazy("Load the page again and look at what changed before you decide."),
    ),
    (
        errors.AssessmentStale,
        gettext_lazy("Ask the worker to observe again, then decide on what it finds."),
    ),
    (
        errors.SessionExpired,
        gettext_lazy("It took longer than the time allowed. Start the step again."),
    ),
    (
        errors.SessionUsed,
        gettext_lazy("This was handed in already. Load the page to see how it stands."),
    ),
    (
        errors.AlreadyReviewed,
        gettext_lazy("One person decides once in a round. Others have to decide now."),
    ),
    (
        errors.WrongState,
        gettext_lazy("Somebody moved it meanwhile. Load the page to see how it stands."),
    ),
    (errors.SlotNotOpen, gettext_lazy("Load the page to see which roles are still needed.")),
    (errors.Separation, gettext_lazy("Leave this decision to somebody who took no part.")),
    (errors.NotEntitled, gettext_lazy("Ask a user administrator if you should hold this right.")),
    (errors.NoSuchObject, gettext_lazy("It does not exist, or your account may not see it.")),
    (errors.VerdictsDisagree, gettext_lazy("Change a verdict, or reject or return it.")),
    (
        errors.ReasonRequired,
        gettext_lazy("Choose a reason of the list and say why in ten characters or more."),
    ),
    (
        errors.NothingToCorrect,
        gettext_lazy("Change a word of it, or name a service that is missing."),
    ),
    (errors.EvidenceNotOpened, gettext_lazy("Open each of them in section 1, then approve.")),
    (
        errors.NameNotTyped,
        gettext_lazy("Type it as it stands in the plan, character by character."),
    ),
    (errors.AgentDisabled, gettext_lazy("You can still reject or return it.")),
    (errors.SignatureInvalid, gettext_lazy("Try again with a passkey of this account.")),
    (errors.Throttled, gettext_lazy("Wait a few minutes, then try again.")),
)
_RELOAD = (errors.StaleDigest, errors.WrongState, errors.SlotNotOpen, errors.AssessmentStale)

# Addresses at which something is asked of a proposal's run.
ABOUT_A_RUN = frozenset({"execution", "execution_progress", "halt", "halt_sign", "propose_undo"})

View = Callable[..., HttpResponse]


def person(request: HttpRequest) -> User:
    """Who asks: from the session alone (docs/attacks.md A14)."""
    return cast(User, request.user)


def status_of(refusal: Refused) -> int:
    return next((status for kind, status in STATUS if isinstance(refusal, kind)), 400)


def advice_on(refusal: Refused) -> str:
    known = (str(words) for kind, words in ADVICE if isinstance(refusal, kind))
    return next(known, gettext("Nothing was changed."))


def as_recorded(detail: str) -> SafeString:
    """What went on record stands on the page as it was recorded, in that language."""
    return format_html('<span lang="{}">{}</span>', settings.LANGUAGE_CODE, detail)


def page(view: View) -> View:
    """A page for signed-in people that only reads (docs/attacks.md A17)."""
    return require_safe(login_required(_answered(view, _refused_page)))


def form(view: View) -> View:
    """A form's POST by a signed-in person."""
    return require_POST(login_required(_answered(view, _refused_page)))


def json_post(view: View) -> View:
    """A script's POST of a JSON object by a signed-in person; the view gets it as `body`."""

    @wraps(view)
    def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return problem(errors.NotAuthenticated("sign in again"))
        return _answered(_with_body(view), _refused_json)(request, *args, **kwargs)

    return cast(View, require_POST(door))


def anonymous_json_post(view: View) -> View:
    """As `json_post`, for those who cannot sign in yet. The view records its own refusals."""

    @wraps(view)
    def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return _with_body(view)(request, *args, **kwargs)
        except Refused as refusal:
            return problem(refusal)

    return cast(View, require_POST(door))


def problem(refusal: Refused, **extra: Any) -> JsonResponse:
    """The refusal as problem JSON (RFC 9457)."""
    status = status_of(refusal)
    title, advice = vocabulary.message(refusal), advice_on(refusal)
    said = f"{title.rstrip('.')}: {refusal.detail.rstrip('.')}." if refusal.detail else title
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": f"{said} {advice}",
        # The same in parts: what is on record is in another language than the page.
        "recorded": refusal.detail,
        "advice": advice,
        "name": refusal.name,
        "reload": isinstance(refusal, _RELOAD),
        **extra,
    }
    return JsonResponse(body, status=status, content_type="application/problem+json")


def _with_body(view: View) -> View:
    """Read the body once, strictly. A form cannot send this content type, so a page of another
    site cannot even try without the browser asking first."""

    @wraps(view)
    def reading(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.content_type != "application/json":
            raise errors.MalformedJson("the content type must be application/json")
        body = parse_json(request.body, max_bytes=MAX_JSON)
        if not isinstance(body, dict):
            raise errors.WrongType("not an object")
        return view(request, *args, body=body, **kwargs)

    return reading


def _answered(view: View, refused: Callable[[HttpRequest, Refused], HttpResponse]) -> View:
    @wraps(view)
    def answering(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Refused as refusal:
            _record(request, refusal, kwargs.get("proposal_id"))
            return refused(request, refusal)

    return answering


def _record(request: HttpRequest, refusal: Refused, proposal_id: UUID | None) -> None:
    who = person(request)
    actor = PersonActor(who.person, who.pk)
    seen = record_refusal.seen(actor, proposal_id)
    record_refusal.record(
        actor=actor,
        event=_event(request, proposal_id),
        error=refusal,
        object=f"proposal:{seen}" if seen else f"address:{request.path[:200]}",
        proposal_id=seen if request.method == "POST" else None,
        data={"method": request.method or "", "address": request.path[:200]},
    )


def _event(request: HttpRequest, proposal_id: UUID | None) -> Event:
    """What was refused: a review, or something else that was asked of a proposal."""
    match = request.resolver_match
    about_a_run = match is not None and match.url_name in ABOUT_A_RUN
    reviewing = proposal_id is not None and not about_a_run
    return Event.PERSON_REVIEW_REFUSED if reviewing else Event.PERSON_REQUEST_REFUSED


def _refused_json(request: HttpRequest, refusal: Refused) -> HttpResponse:
    return problem(refusal)


def _refused_page(request: HttpRequest, refusal: Refused) -> HttpResponse:
    if isinstance(refusal, errors.NoSuchObject):
        return render(request, "404.html", status=404)
    typed = [(key, value) for key, value in request.POST.items() if key != "csrfmiddlewaretoken"]
    posted = request.method == "POST"
    context = {
        "name": refusal.name,
        "message": vocabulary.message(refusal),
        "detail": refusal.detail,
        "advice": advice_on(refusal),
        "typed": typed,
        # A form posts to an address below its page.
        "back": request.path.rsplit("/", 2)[0] + "/" if posted else reverse("queue"),
        "back_title": gettext("Back"),
    }
    return render(request, "remediation/refused.html", context, status=status_of(refusal))


def text(body: Mapping[str, Json], key: str, longest: int = 4_000) -> str:
    """A text member of a JSON body. Raises MissingField, WrongType, TooLarge."""
    if key not in body:
        raise errors.MissingField(key, pointer=f"/{key}")
    value = body[key]
    if not isinstance(value, str):
        raise errors.WrongType("not text", pointer=f"/{key}")
    if len(value) > longest:
        raise errors.TooLarge(f"{longest} characters at most", pointer=f"/{key}")
    return value


def mapping(body: Mapping[str, Json], key: str) -> dict[str, Json]:
    """An object member of a JSON body. Raises MissingField, WrongType."""
    if key not in body:
        raise errors.MissingField(key, pointer=f"/{key}")
    value = body[key]
    if not isinstance(value, dict):
        raise errors.WrongType("not an object", pointer=f"/{key}")
    return value


def texts(body: Mapping[str, Json], key: str) -> dict[str, str]:
    """An object member whose values are all text."""
    found = mapping(body, key)
    return {name: text(found, name) for name in found}


def list_of_texts(body: Mapping[str, Json], key: str, most: int = 200) -> tuple[str, ...]:
    """A list member whose items are all text; none when it is left out. Raises WrongType,
    TooLarge."""
    value = body.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise errors.WrongType("not a list of texts", pointer=f"/{key}")
    if len(value) > most:
        raise errors.TooLarge(f"{most} at most", pointer=f"/{key}")
    return tuple(str(item) for item in value)


def dumps(value: Json) -> str:
    """A JSON value as people read it: one line, in the bytes that are stored."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
