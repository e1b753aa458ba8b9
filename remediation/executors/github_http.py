"""How GitHub's REST API is called, and what its failure says."""

from __future__ import annotations

import re

from remediation.executors import api_http
from remediation.executors.api_http import CALL_SECONDS, Answer, Api, Call
from remediation.executors.libraries import REQUESTS

# A hundred installations have about half a megabyte.
MOST_BYTES = 4 * 1024 * 1024
VERSION = "2022-11-28"
# `x-accepted-github-permissions`, for example "administration=write"
_RIGHTS = re.compile(r"[a-z_]+=[a-z]+(?:[,;] ?[a-z_]+=[a-z]+){0,5}")


class GithubAnswer(Answer):
    """GitHub's answer: its limits have several forms, and it names the rights that lack."""

    words = api_http.WORDS | {
        409: "somebody else changed it",
        422: "it takes the call for invalid",
    }
    moved = ": it was renamed or moved"

    @property
    def _is_limited(self) -> bool:
        if self.status not in (403, 429):
            return False
        left = self.headers.get("x-ratelimit-remaining", "")
        if self.status == 429 or left == "0" or "retry-after" in self.headers:
            return True
        # The second limit (calls in a short time) may have no header of its own, only these words.
        return b"secondary rate limit" in self.body[:2000].lower()

    @property
    def _more(self) -> str:
        rights = self.headers.get("x-accepted-github-permissions", "")
        is_said = self.status == 403 and _RIGHTS.fullmatch(rights)
        return f" (it needs {rights})" if is_said else ""


API = Api(
    REQUESTS,
    GithubAnswer,
    MOST_BYTES,
    {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": VERSION},
)


def send(call: Call, ca_file: str, seconds: float = CALL_SECONDS) -> Answer:
    """Make one attempt. Raises NoAnswer, and TargetUnobservable if the library is missing."""
    return api_http.send_to(API, call, ca_file, seconds)
