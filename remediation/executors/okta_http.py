"""How Okta's API is called, and what its failure says."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from remediation.executors import api_http
from remediation.executors.api_http import CALL_SECONDS, Answer, Api, Call
from remediation.executors.libraries import OKTA_REQUESTS

# A user has a few kilobytes; a profile may have many attributes of the organisation.
MOST_BYTES = 1024 * 1024
# Okta's number of an error, for example E0000006.
_CODE = re.compile(r"E[0-9]{7}")


class OktaAnswer(Answer):
    """Okta's answer: its errors have numbers, and its limit a time at which it ends."""

    @property
    def code(self) -> str:
        """Return Okta's number of the error; "" if it names none."""
        try:
            found = self.said.get("errorCode", "")
        except (ValueError, AttributeError):
            return ""
        return found if isinstance(found, str) and _CODE.fullmatch(found) else ""

    @property
    def _again(self) -> str:
        reset = self.headers.get("x-rate-limit-reset", "")
        if not re.fullmatch(r"[0-9]{10}", reset):
            return ""
        return f"; again at {datetime.fromtimestamp(int(reset), UTC):%Y-%m-%d %H:%M:%SZ}"


API = Api(OKTA_REQUESTS, OktaAnswer, MOST_BYTES, {"Accept": "application/json"})


def send(call: Call, ca_file: str, seconds: float = CALL_SECONDS) -> Answer:
    """Make one attempt. Raises NoAnswer, and TargetUnobservable if the library is missing."""
    return api_http.send_to(API, call, ca_file, seconds)
