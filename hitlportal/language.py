"""In which language what is said.

**Translated**, into the language that the reader's browser asks for: everything that the portal
says on a page of its own, from titles and labels to the messages of refusals. The words of the
domain that pages show (states, roles, risks, reasons of a list) are listed in
`remediation/vocabulary/`, since the domain knows no Django.

**Never translated**, since it is signed, hashed, recorded or read by machines, and has to be the
same for everybody who opens it again:

* the bytes of plans, diagnoses, assessments and statements; the sentence that the portal makes of
  a plan; reasons of checks and of rulings, what the scope does not know: reviewers saw exactly
  these words;
* what a refusal says of its one case (`Refused.detail`), and everything else that goes on record;
  the sentences of the audit log, the names of its events;
* the agents' API with its description and its problems, exports, bundles, files, logs, commands;
* mails: one mail goes to several people and repeats what is on record.

Where such English stands on a page its element says ``lang="en"``, so that it is read out as that
(WCAG 3.1.2). What agents and people wrote is in no language that we know of: ``lang=""``.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

# Under these addresses machines are spoken with.
MACHINES = ("/api/",)
# What can be in the reader's language: pages, and problems that a page's script shows.
SAID = ("text/html", "application/problem+json")


class LanguageMiddleware(LocaleMiddleware):
    """The reader's language, by cookie or browser, for pages; one language for everything else."""

    def process_request(self, request: HttpRequest) -> None:
        if not request.path_info.startswith(MACHINES):
            super().process_request(request)
            return
        translation.activate(settings.LANGUAGE_CODE)
        request.LANGUAGE_CODE = settings.LANGUAGE_CODE

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """``Vary`` and ``Content-Language`` on what is said to people, and nowhere else."""
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if request.path_info.startswith(MACHINES) or kind not in SAID:
            return response
        return super().process_response(request, response)
