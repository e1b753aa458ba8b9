"""How Entra and Microsoft Graph are called, and what their failure says."""

from __future__ import annotations

import re

from remediation.executors import api_http
from remediation.executors.api_http import CALL_SECONDS, Answer, Api, Call
from remediation.executors.libraries import ENTRA_REQUESTS

# An application has a few kilobytes; it may have many credentials.
MOST_BYTES = 1024 * 1024
# Graph's code of an error, for example Authorization_RequestDenied.
_CODE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{1,79}")


class EntraAnswer(Answer):
    """Graph's answer: its errors have codes, and an older copy of the directory may answer."""

    words = api_http.WORDS | {404: "it is not there, or not yet everywhere"}

    @property
    def code(self) -> str:
        """Return Graph's number of the error; "" if it names none."""
        try:
            found = self.said["error"]
            # Where one signs in, the error is the code itself.
            found = found if isinstance(found, str) else found["code"]
        except (ValueError, AttributeError, KeyError, TypeError):
            return ""
        return found if isinstance(found, str) and _CODE.fullmatch(found) else ""


API = Api(ENTRA_REQUESTS, EntraAnswer, MOST_BYTES, {"Accept": "application/json"})


def send(call: Call, ca_file: str, seconds: float = CALL_SECONDS) -> Answer:
    """Make one attempt. Raises NoAnswer, and TargetUnobservable if the library is missing."""
    return api_http.send_to(API, call, ca_file, seconds)
