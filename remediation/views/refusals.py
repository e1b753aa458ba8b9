"""What a refusal looks like: its status, its words and its advice, as JSON and as a page.

A page shows again what the person typed, so that nothing of it is lost."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from remediation import vocabulary
from remediation.domain import errors
from remediation.domain.errors import Refused

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


def status_of(refusal: Refused) -> int:
    """The HTTP status of a refusal."""
    return next((status for kind, status in STATUS if isinstance(refusal, kind)), 400)


def advice_on(refusal: Refused) -> str:
    """What the person can do now, in one sentence."""
    known = (str(words) for kind, words in ADVICE if isinstance(refusal, kind))
    return next(known, gettext("Nothing was changed."))


def as_recorded(detail: str) -> SafeString:
    """The recorded detail, marked as written in the language of the record."""
    return format_html('<span lang="{}">{}</span>', settings.LANGUAGE_CODE, detail)


def problem(refusal: Refused, **extra: Any) -> JsonResponse:
    """The refusal as problem JSON (RFC 9457)."""
    status = status_of(refusal)
    title, advice = vocabulary.message(refusal), advice_on(refusal)
    detail = f"{title.rstrip('.')}: {refusal.detail.rstrip('.')}." if refusal.detail else title
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": f"{detail} {advice}",
        # In parts too: the recorded detail is in the language of the record, not of the page.
        "recorded": refusal.detail,
        "advice": advice,
        "name": refusal.name,
        "reload": isinstance(refusal, _RELOAD),
        **extra,
    }
    return JsonResponse(body, status=status, content_type="application/problem+json")


def refused_page(request: HttpRequest, refusal: Refused) -> HttpResponse:
    """The refusal as a page, with what was typed."""
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
