"""The import's page: files in, what they would change out, then exactly that by a POST.

The bytes wait in the shared cache, under the person's own key. The form of the diff carries the
digest of the diff; `services.inventory_import.apply` reads the same bytes again and refuses when
they, or the inventory, say anything else by then.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext, pgettext

from remediation import vocabulary
from remediation.admin.base import View, actor_of, describe_refusal, record_refusal, roles_of
from remediation.admin.inventory_import_form import ImportForm
from remediation.domain.errors import BadInput, Conflict, SessionExpired, TooManyKeys
from remediation.domain.intake import report
from remediation.domain.intake.changes import ChangeSet
from remediation.domain.intake.reading import File
from remediation.domain.intake.stated import Options
from remediation.services.inventory import import_files
from remediation.services.inventory.import_files import Prepared
from remediation.services.people import accounts

if TYPE_CHECKING:
    from remediation.admin.base import PortalAdmin

KEPT_SECONDS = 15 * 60
# A page shows every change; beyond what a person can read there is the command.
MAX_CHANGES = 2_000


def view_for(owner: PortalAdmin) -> View:
    """GET: the form, or with ``?upload=`` the diff. POST: look at files, or apply a diff."""

    def page(request: HttpRequest) -> HttpResponse:
        if accounts.INVENTORY_EDITOR not in roles_of(request):
            raise PermissionDenied
        if request.method != "POST":
            upload = request.GET.get("upload", "")
            return _diff(owner, request, upload) if upload else _form(owner, request, ImportForm())
        if request.POST.get("digest"):
            return _apply(request)
        return _look(owner, request)

    return page


def _form(owner: PortalAdmin, request: HttpRequest, form: ImportForm) -> HttpResponse:
    return _render(owner, request, "admin/portal_import.html", gettext("Import"), {"form": form})


def _look(owner: PortalAdmin, request: HttpRequest) -> HttpResponse:
    """Read the files; when they can be read keep them and show what they would change."""
    form = ImportForm(request.POST, request.FILES)
    if form.is_valid():
        asked = form.asked()
        try:
            _prepare(request, asked)
        except BadInput as refusal:
            record_refusal(request, refusal)
            form.add_error(None, describe_refusal(refusal))
        else:
            return _to_diff(request, _keep(request, asked))
    return _form(owner, request, form)


def _diff(owner: PortalAdmin, request: HttpRequest, upload: str) -> HttpResponse:
    asked = _kept(request, upload)
    found = _prepare(request, asked)
    context = {
        "upload": upload,
        "digest": found.digest,
        "files": asked["files"],
        "format": asked["format"],
        "options": asked["options"],
        "sections": _sections(found.changes),
        "loosening": found.changes.loosening(),
        "notes": [
            (vocabulary.saying(title), rows) for title, rows in report.notes(found.changes) if rows
        ],
        "summary": _summary(found.changes),
        "something": bool(found.changes.changes),
    }
    return _render(
        owner, request, "admin/portal_import_diff.html", gettext("What would change"), context
    )


def _apply(request: HttpRequest) -> HttpResponse:
    upload = request.POST.get("upload", "")
    try:
        done = import_files.apply(
            actor=actor_of(request),
            **_kept(request, upload),
            digest=request.POST["digest"],
            loosen=request.POST.get("loosen") == "yes",
        )
    except Conflict as refusal:
        if isinstance(refusal, SessionExpired):
            raise
        # Nothing was changed; what stands now is shown beside the files again.
        record_refusal(request, refusal)
        messages.error(request, describe_refusal(refusal))
        return _to_diff(request, upload)
    cache.delete(_key(request, upload))
    said = {"summary": _summary(done.changes)}
    messages.success(request, gettext("Imported. %(summary)s") % said)
    return HttpResponseRedirect(reverse("admin:remediation_service_changelist"))


def _prepare(request: HttpRequest, asked: dict[str, Any]) -> Prepared:
    found = import_files.prepare(actor=actor_of(request), **asked)
    if len(found.changes.changes) > MAX_CHANGES:
        raise TooManyKeys(
            f"more than {MAX_CHANGES:,} changes: an operator imports them with"
            " manage.py inventory_import"
        )
    return found


def _sections(found: ChangeSet) -> list[dict[str, Any]]:
    """Every change, what loosens first."""
    others = [change for change in found.changed() if not change.loosens]
    changed = (
        (gettext("Less strict than before"), found.loosening()),
        (pgettext("changes of the inventory", "Changed"), others),
    )
    kinds = ("service", "identity", "dependency")
    titles = (gettext("New services"), gettext("New identities"), gettext("New dependencies"))
    added = [(title, found.added(kind)) for title, kind in zip(titles, kinds, strict=True)]
    return [
        {"title": title, "changes": rows, "new": rows[0].before is None, "kind": rows[0].what}
        for title, rows in (*changed, *added)
        if rows
    ]


def _summary(found: ChangeSet) -> str:
    """As `report.summary` says it, in the reader's language."""
    if not found.changes:
        said = {"number": _number(found.unchanged)}
        return gettext("Nothing to do: %(number)s objects stand as the files say.") % said
    services, identities, dependencies = (
        len(found.added(kind)) for kind in ("service", "identity", "dependency")
    )
    values = {
        "services": ngettext("%(number)s service", "%(number)s services", services)
        % {"number": _number(services)},
        "identities": ngettext("%(number)s identity", "%(number)s identities", identities)
        % {"number": _number(identities)},
        "dependencies": ngettext("%(number)s dependency", "%(number)s dependencies", dependencies)
        % {"number": _number(dependencies)},
        "changed": _number(len(found.changed())),
        "looser": _number(len(found.loosening())),
        "unchanged": _number(found.unchanged),
    }
    return (
        gettext(
            "New: %(services)s, %(identities)s, %(dependencies)s. Changed: %(changed)s, of these"
            " less strict: %(looser)s. As before: %(unchanged)s."
        )
        % values
    )


def _number(value: int) -> str:
    return number_format(value, force_grouping=True)


# ---- bytes between two requests ------------------------------------------------------------------


def _keep(request: HttpRequest, asked: dict[str, Any]) -> str:
    upload = secrets.token_urlsafe(16)
    files = [[one.name, base64.b64encode(one.content).decode()] for one in asked["files"]]
    value = {"format": asked["format"], "options": asdict(asked["options"]), "files": files}
    cache.set(_key(request, upload), value, KEPT_SECONDS)
    return upload


def _kept(request: HttpRequest, upload: str) -> dict[str, Any]:
    """What the person handed in. Raises SessionExpired when it is gone, or another's."""
    value = cache.get(_key(request, upload))
    try:
        files = [File(name, base64.b64decode(content)) for name, content in value["files"]]
        return {"format": value["format"], "options": Options(**value["options"]), "files": files}
    except (TypeError, KeyError, ValueError):  # nothing there, or nothing of ours
        raise SessionExpired("hand the files in again") from None


def _key(request: HttpRequest, upload: str) -> str:
    return f"inventory-import:{actor_of(request).person}:{upload[:64].encode().hex()}"


def _to_diff(request: HttpRequest, upload: str) -> HttpResponse:
    query = QueryDict(mutable=True)
    query["upload"] = upload
    return HttpResponseRedirect(f"{request.path}?{query.urlencode()}")


def _render(
    owner: PortalAdmin, request: HttpRequest, template: str, title: str, context: dict[str, Any]
) -> HttpResponse:
    shared = {**owner.admin_site.each_context(request), "title": title, "opts": owner.opts}
    return render(request, template, {**shared, **context})
