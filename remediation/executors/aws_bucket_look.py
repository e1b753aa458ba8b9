"""Read a bucket of S3: its flags against public access, and who is let in without them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from audit.tlog.canonical import Json, encode
from audit.tlog.errors import NotCanonical
from remediation.domain import strict
from remediation.domain.catalogue.aws_bucket import FLAGS
from remediation.domain.catalogue.aws_trail import REGION
from remediation.domain.errors import BadInput, TargetUnobservable
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_account import account
from remediation.executors.aws_client import client_of, reading, uncut
from remediation.executors.base import GONE
from remediation.executors.targets import Targets

# S3 takes 100 grants in an ACL ("Access control list (ACL) overview").
MOST_GRANTS = 100
# "Bucket policies are limited to 20 KB in size" (S3 User Guide).
LONGEST_POLICY = 20 * 1024
PERMISSION = r"FULL_CONTROL|READ|WRITE|READ_ACP|WRITE_ACP"
# The groups that make a grant public (the same page).
GROUPS: Mapping[str, str] = {
    "http://acs.amazonaws.com/groups/global/AllUsers": "everyone",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers": "everyone with any AWS login",
}
# RestrictPublicBuckets keeps out every other account while the policy is public (S3 User Guide,
# "Blocking public access to your Amazon S3 storage").
BY_POLICY = "everyone whom its policy lets in, and other AWS accounts that it names"
# "General purpose bucket naming rules": no bucket of this kind has a name that ends so.
ALIASES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
# What GetBucketLocation answers for the two regions that are older than their names.
OLD_NAMES = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}


def owned(step: Step) -> dict[str, str]:
    """Return the bucket, and the account that must own it."""
    fields = step.target.fields
    return {"Bucket": fields["bucket"], "ExpectedBucketOwner": fields["account"]}


def stay(client: Any) -> Any:
    """Return the client, which now asks one place only.

    botocore follows S3 to the region that an answer names, by a second call and whatever the limit
    of retries. The bucket there is another one than people decided on.
    """
    client.meta.events.register("before-call.s3", _mark_redirected)
    return client


def _mark_redirected(params: dict[str, Any], **_: Any) -> None:
    # botocore follows only once, and keeps here that it did (S3RegionRedirectorv2).
    params["context"]["s3_redirect"]["redirected"] = True


def _refuse_alias(bucket: str) -> None:
    """Refuse an access point: GetBucketAcl and others take its alias for a bucket's name."""
    if bucket.endswith(ALIASES):
        raise TargetUnobservable("the name is that of an access point or of a special bucket")


def look_at_bucket(step: Step, targets: Targets) -> Observation:
    """Read the bucket, its flags, policy, ACL and website. Raises TargetUnobservable."""
    target = account(targets, step.target.fields["account"])
    asked = owned(step)
    _refuse_alias(asked["Bucket"])
    with reading(step):
        key_id, secret = target.observe()
        anywhere = stay(client_of(target, key_id, secret, service="s3"))
        place = _unless("NoSuchBucket", anywhere.get_bucket_location, asked)
        if place is None:
            return GONE
        region = _region(place)
        client = stay(client_of(target, key_id, secret, service="s3", region=region))
        blocks = _blocks(
            _unless("NoSuchPublicAccessBlockConfiguration", client.get_public_access_block, asked)
        )
        # Its status first: a policy that changes between the two is another one at the next look.
        status = _unless("NoSuchBucketPolicy", client.get_bucket_policy_status, asked)
        public = bool(status["PolicyStatus"]["IsPublic"]) if status is not None else False
        policy = _unless("NoSuchBucketPolicy", client.get_bucket_policy, asked)
        policy_digest = "" if policy is None else _digest(policy["Policy"])
        granted = _granted(client.get_bucket_acl(**asked))
        website = _unless("NoSuchWebsiteConfiguration", client.get_bucket_website, asked)
    opens: dict[str, Json] = {
        "policy_public": public,
        "policy_digest": policy_digest,
        "public_grants": granted,
    }
    facts: dict[str, Json] = {"public_blocks": blocks, "region": region, **opens}
    state = {name: facts[name] for name in step.spec.pin_fields}
    by_policy: list[Json] = [BY_POLICY] if public else []
    ways = (("RestrictPublicBuckets", by_policy), ("IgnorePublicAcls", granted))
    shown: dict[str, Json] = {
        **opens,
        "open_now": [each for flag, who in ways if flag not in blocks for each in who],
        "open_again": [each for flag, who in ways if flag in blocks for each in who],
        "website": "yes" if website is not None else "",
        "uncut": [*uncut(target)],
    }
    return Observation(True, state, shown, target.simulated)


def _unless(
    code: str, call: Callable[..., Mapping[str, Any]], asked: Mapping[str, str]
) -> Mapping[str, Any] | None:
    """Return the answer; None if S3 says that there is no such thing."""
    from botocore.exceptions import ClientError

    try:
        return call(**asked)
    except ClientError as error:
        if error.response["Error"]["Code"] != code:
            raise
        return None


def _region(place: Mapping[str, Any]) -> str:
    """Return the bucket's region. It becomes part of a host's name, so it is checked."""
    found = place.get("LocationConstraint")
    region = str(OLD_NAMES.get(found, found))
    if not re.fullmatch(REGION, region):
        raise TargetUnobservable("S3 names no region for the bucket")
    return region


def _digest(policy: str) -> str:
    """Return what distinguishes a policy from every other one, whatever its blanks and order.

    A text that parsers may read differently counts as it stands: it must not hold off a block.
    """
    raw = policy.encode()
    with suppress(BadInput, NotCanonical):
        raw = encode(strict.parse(raw, max_bytes=LONGEST_POLICY))
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def _blocks(held: Mapping[str, Any] | None) -> list[Json]:
    """Return the flags that are on."""
    flags = {} if held is None else held["PublicAccessBlockConfiguration"]
    return [each for each in FLAGS if flags.get(each) is True]


def _granted(acl: Mapping[str, Any]) -> list[Json]:
    """Return whom the bucket's ACL lets in beyond named accounts."""
    grants = acl["Grants"]
    if len(grants) > MOST_GRANTS:
        raise TargetUnobservable("the bucket's ACL has more grants than S3 takes")
    found = []
    for grant in grants:
        who = GROUPS.get(grant["Grantee"].get("URI", ""))
        if who is None:
            continue
        if not re.fullmatch(PERMISSION, grant["Permission"]):
            raise TargetUnobservable("the bucket's ACL grants what S3 does not know")
        found.append(f"{who}, by its ACL ({grant['Permission']})")
    return [*sorted(found)]
