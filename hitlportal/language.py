"""Choose the language of each response.

**Translated** into the language of the reader's browser: everything that the portal itself says on
its pages, from titles and labels to the messages of refusals. `remediation/vocabulary/` lists the
domain's words that pages show (states, roles, risks, listed reasons), since the domain does not
use Django.

**Never translated**, since it is signed, hashed, recorded or read by machines, and must be the
same for every reader:

* the bytes of plans, diagnoses, assessments and statements; the portal's sentence for a plan;
  reasons of checks and rulings; what the scope does not know: reviewers saw exactly these words;
* the details of one refusal (`Refused.detail`), and everything else that is recorded; the
  sentences of the audit log and the names of its events;
* the agents' API with its description and its problems, exports, bundles, files, logs, commands;
* mails: one mail goes to several people and repeats recorded text.

On a page, such English text has ``lang="en"``, so that screen readers pronounce it correctly (WCAG
3.1.2). Text by agents and people has an unknown language: ``lang=""``.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

# Addresses for machines.
MACHINES = ("/api/",)
# Types of responses that may be translated: pages, and problems that a page's script shows.
SAID = ("text/html", "application/problem+json")


class LanguageMiddleware(LocaleMiddleware):
    """Activates the reader's language (cookie or browser) for pages, English for the rest."""

    def process_request(self, request: HttpRequest) -> None:
        if not request.path_info.startswith(MACHINES):
            super().process_request(request)
            return
        translation.activate(settings.LANGUAGE_CODE)
        request.LANGUAGE_CODE = settings.LANGUAGE_CODE

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Set ``Vary`` and ``Content-Language`` on responses for people only."""
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if request.path_info.startswith(MACHINES) or kind not in SAID:
            return response
        return super().process_response(request, response)
