"""Answer refusals: status, message and advice, as JSON and as a page.

The page shows what the person typed, so that nothing is lost.
"""

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
        gettext_lazy("Load the page again and see what changed before you decide."),
    ),
    (
        errors.AssessmentStale,
        gettext_lazy("Ask the worker to read the target again, then decide on the new round."),
    ),
    (
        errors.SessionExpired,
        gettext_lazy("It took too long. Start the step again."),
    ),
    (errors.SignedOut, gettext_lazy("Sign in again, and see under Settings where you are.")),
    (
        errors.SessionUsed,
        gettext_lazy("This was already submitted. Load the page to see the current state."),
    ),
    (
        errors.AlreadyReviewed,
        gettext_lazy("Each person decides once in a round. Others have to decide now."),
    ),
    (errors.RunEnded, gettext_lazy("Nothing was halted.")),
    (
        errors.WrongState,
        gettext_lazy("It changed in the meantime. Load the page to see the current state."),
    ),
    (errors.SlotNotOpen, gettext_lazy("Load the page to see which approvals are still needed.")),
    (errors.Separation, gettext_lazy("Leave this decision to a person who took no part.")),
    (errors.NotEntitled, gettext_lazy("Ask a user administrator if you need this right.")),
    (errors.NoSuchObject, gettext_lazy("It does not exist, or your account may not see it.")),
    (errors.VerdictsDisagree, gettext_lazy("Change an answer, or reject or return the proposal.")),
    (
        errors.ReasonRequired,
        gettext_lazy("Choose a reason from the list and explain it in 10 characters or more."),
    ),
    (
        errors.NothingToCorrect,
        gettext_lazy("Change the diagnosis, or name a service that is missing."),
    ),
    (errors.EvidenceNotOpened, gettext_lazy("Open each of them in section 1, then approve.")),
    (
        errors.NameNotTyped,
        gettext_lazy("Type it exactly as in the plan."),
    ),
    (errors.AgentDisabled, gettext_lazy("You can still reject or return the proposal.")),
    (errors.SignatureInvalid, gettext_lazy("Try again with a passkey of this account.")),
    (errors.Throttled, gettext_lazy("Wait a few minutes, then try again.")),
)


_RELOAD = (errors.StaleDigest, errors.WrongState, errors.SlotNotOpen, errors.AssessmentStale)


def status_of(refusal: Refused) -> int:
    """Return the HTTP status of a refusal."""
    return next((status for kind, status in STATUS if isinstance(refusal, kind)), 400)


def advice_on(refusal: Refused) -> str:
    """Return what the person can do now, in one or two sentences."""
    known = (str(words) for kind, words in ADVICE if isinstance(refusal, kind))
    return next(known, gettext("Nothing was changed."))


def as_recorded(detail: str) -> SafeString:
    """Return the recorded detail, marked as written in the language of the record."""
    return format_html('<span lang="{}">{}</span>', settings.LANGUAGE_CODE, detail)


def problem(refusal: Refused, **extra: Any) -> JsonResponse:
    """Return the refusal as problem JSON (RFC 9457)."""
    status = status_of(refusal)
    title, advice = vocabulary.message(refusal), advice_on(refusal)
    detail = f"{title.rstrip('.')}: {refusal.detail.rstrip('.')}." if refusal.detail else title
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": f"{detail} {advice}",
        # Also in parts: the recorded detail is in the language of the record, not of the page.
        "recorded": refusal.detail,
        "advice": advice,
        "name": refusal.name,
        "reload": isinstance(refusal, _RELOAD),
        **extra,
    }
    return JsonResponse(body, status=status, content_type="application/problem+json")


def refused_page(request: HttpRequest, refusal: Refused) -> HttpResponse:
    """Return the refusal as a page, with what was typed."""
    if isinstance(refusal, errors.NoSuchObject):
        return render(request, "404.html", status=404)
    # A form sends every line end as CR LF; the CR is nothing that the person typed.
    typed = [
        (key, str(value).replace("\r\n", "\n"))
        for key, value in request.POST.items()
        if key != "csrfmiddlewaretoken"
    ]
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
