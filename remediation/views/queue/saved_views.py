"""Save the filters of the queue under a name, and remove them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext

from remediation.services.review import saved_views
from remediation.views import decorators
from remediation.views.queue import filters


@decorators.form
def save(request: HttpRequest) -> HttpResponse:
    """Save the filters in their canonical form; anything else in the query is dropped."""
    chosen, _ = filters.read(QueryDict(request.POST.get("query", "")[: saved_views.QUERY_MAX]))
    name = request.POST.get("view", "")
    saved_views.save(actor=decorators.person(request), name=name, query=chosen.query)
    messages.success(
        request, gettext("View saved as “%(name)s”.") % {"name": " ".join(name.split())}
    )
    return redirect(f"{reverse('queue')}?{chosen.query}")


@decorators.form
def remove(request: HttpRequest) -> HttpResponse:
    """Remove a saved view of this person."""
    name = request.POST.get("view", "")
    saved_views.remove(actor=decorators.person(request), name=name)
    messages.info(request, gettext("View “%(name)s” removed.") % {"name": name})
    return redirect("queue")
