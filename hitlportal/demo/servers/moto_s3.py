"""What the simulator adds to moto's S3: the rights of public access blocks, and who owns a bucket.

moto judges calls for a block by another right than AWS does, and does not look at
ExpectedBucketOwner. Neither of them lets the public in or keeps it out here: a request without a
signature is refused whatever the flags say.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from moto.s3.models import s3_backends
from moto.s3.responses import ACTION_MAP

BLOCK = "publicAccessBlock"
FOREIGN = (
    "<Error><Code>AccessDenied</Code><Message>the bucket belongs to another account than"
    " expected</Message></Error>"
)


def name_rights() -> None:
    """Let moto ask for the rights by which AWS judges these calls."""
    for method, verb in (("GET", "Get"), ("PUT", "Put"), ("DELETE", "Put")):
        ACTION_MAP["BUCKET"][method][BLOCK] = f"{verb}BucketPublicAccessBlock"


def call_of(environ: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the right that a call asks for, and its bucket. S3 has no name of the action."""
    bucket, _, key = environ.get("PATH_INFO", "").lstrip("/").partition("/")
    names = ACTION_MAP["KEY" if key else "BUCKET"].get(environ["REQUEST_METHOD"], {})
    asked = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    found = next((names[name] for name in names if name in asked), names.get("DEFAULT", ""))
    return found, {"Bucket": bucket}


def is_foreign(environ: dict[str, Any], bucket: str) -> bool:
    """Return whether the bucket has another owner than the caller expects."""
    expected = environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER")
    _, owner = s3_backends.bucket_accounts.get(bucket, ("", expected))
    return expected is not None and owner != expected
