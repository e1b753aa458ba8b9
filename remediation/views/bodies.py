"""Read JSON bodies strictly: one object, with members of the expected types."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest

from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.domain.strict import parse as parse_json

# The largest body that a page sends: a reason of 4,000 characters, or an attestation with
# certificates.
MAX_JSON = 128 * 1024


def read_object(request: HttpRequest) -> dict[str, Json]:
    """Return the body as a JSON object. Raises BadInput.

    A form cannot send this content type, so a page of another site needs a preflight request.
    """
    if request.content_type != "application/json":
        raise errors.MalformedJson("the content type must be application/json")
    body = parse_json(request.body, max_bytes=MAX_JSON)
    if not isinstance(body, dict):
        raise errors.WrongType("not an object")
    return body


def text(body: Mapping[str, Json], key: str, longest: int = 4_000) -> str:
    """Return a text member of a JSON body. Raises MissingField, WrongType, TooLarge."""
    if key not in body:
        raise errors.MissingField(key, pointer=f"/{key}")
    value = body[key]
    if not isinstance(value, str):
        raise errors.WrongType("not text", pointer=f"/{key}")
    if len(value) > longest:
        raise errors.TooLarge(f"{longest} characters at most", pointer=f"/{key}")
    return value


def mapping(body: Mapping[str, Json], key: str) -> dict[str, Json]:
    """Return an object member of a JSON body. Raises MissingField, WrongType."""
    if key not in body:
        raise errors.MissingField(key, pointer=f"/{key}")
    value = body[key]
    if not isinstance(value, dict):
        raise errors.WrongType("not an object", pointer=f"/{key}")
    return value


def texts(body: Mapping[str, Json], key: str) -> dict[str, str]:
    """Return an object member whose values are all text."""
    found = mapping(body, key)
    return {name: text(found, name) for name in found}


def list_of_texts(body: Mapping[str, Json], key: str, most: int = 200) -> tuple[str, ...]:
    """Return a list member whose items are all text; empty when absent.

    Raises WrongType, TooLarge.
    """
    value = body.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise errors.WrongType("not a list of texts", pointer=f"/{key}")
    if len(value) > most:
        raise errors.TooLarge(f"{most} at most", pointer=f"/{key}")
    return tuple(str(item) for item in value)
