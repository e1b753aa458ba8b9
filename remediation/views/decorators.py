"""Guard views: require sign-in and method, and record each refusal.

A refusal is caught outside the refused transaction, recorded, and then answered.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST, require_safe

from remediation.domain import errors
from remediation.domain.errors import Refused
from remediation.domain.events import Event
from remediation.models import User
from remediation.services.access import record_refusal
from remediation.services.actors import PersonActor
from remediation.views.bodies import read_object
from remediation.views.refusals import problem, refused_page

# Routes about the run of a proposal: a refusal there is not a refused review.
ABOUT_A_RUN = frozenset(
    {"execution", "execution_progress", "halt", "halt_sign", "propose_reversal", "propose_rest"}
)


View = Callable[..., HttpResponse]
Refuse = Callable[[HttpRequest, Refused], HttpResponse]


def person(request: HttpRequest) -> User:
    """Return the signed-in person, from the session alone (docs/attacks.md A14)."""
    return cast(User, request.user)


def page(view: View) -> View:
    """Wrap a page for signed-in people that only reads (docs/attacks.md A17)."""
    return require_safe(login_required(_answered(view, refused_page)))


def form(view: View) -> View:
    """Wrap the POST of a form by a signed-in person."""
    return require_POST(login_required(_answered(view, refused_page)))


def form_or_json(
    view: View, by_script: Callable[[HttpRequest], bool], again: Refuse | None = None
) -> View:
    """Wrap the POST of a form that a script may send, too; a script's refusal is JSON.

    ``again`` answers every other refusal, instead of the refusal's own page.
    """

    def refused(request: HttpRequest, refusal: Refused) -> HttpResponse:
        answer = _refused_json if by_script(request) else again or refused_page
        return answer(request, refusal)

    return require_POST(login_required(_answered(view, refused)))


def json_post(view: View) -> View:
    """Wrap the POST of a JSON object by a signed-in person's script; the view gets it as `body`."""

    @wraps(view)
    def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return problem(errors.NotAuthenticated("sign in again"))
        return _answered(_with_body(view), _refused_json)(request, *args, **kwargs)

    return cast(View, require_POST(door))


def anonymous_json_post(view: View) -> View:
    """Wrap as `json_post`, for people who cannot sign in yet; the service records its refusals."""

    @wraps(view)
    def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return _with_body(view)(request, *args, **kwargs)
        except Refused as refusal:
            return problem(refusal)

    return cast(View, require_POST(door))


def _with_body(view: View) -> View:
    """Pass the request's JSON object to the view as `body`."""

    @wraps(view)
    def reading(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, body=read_object(request), **kwargs)

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
    """Return the event to record: a refused review, or any other refused request."""
    match = request.resolver_match
    about_a_run = match is not None and match.url_name in ABOUT_A_RUN
    reviewing = proposal_id is not None and not about_a_run
    return Event.PERSON_REVIEW_REFUSED if reviewing else Event.PERSON_REQUEST_REFUSED


def _refused_json(request: HttpRequest, refusal: Refused) -> HttpResponse:
    return problem(refusal)
