"""AWS: a bucket of S3. Public access to it is blocked, or as before."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws_rotation import ACCOUNT
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Change,
    Limit,
    Live,
    Op,
    TargetSpec,
    gettext_noop,
)

# The flags of PublicAccessBlockConfiguration (S3 API), in the order in which they stand everywhere.
FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")

BUCKET = TargetSpec(
    kind="aws.bucket",
    title=gettext_noop("AWS S3 bucket"),
    # "General purpose bucket naming rules": 3 to 63 characters. Older names with capitals or
    # underscores are not taken.
    fields={"account": ACCOUNT, "bucket": r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"},
    distinguishing="bucket",
    example={"account": "123456789012", "bucket": "price-lists"},
    names=("bucket",),
    account="account",
    shown_fields=(
        "policy_public",
        "policy_digest",
        "public_grants",
        "open_now",
        "open_again",
        "website",
        "uncut",
    ),
    live=(
        Live(
            "public_blocks",
            gettext_noop("These of the four flags that block public access are on:"),
            gettext_noop("None of the four flags that block public access is on."),
        ),
        Live(
            "policy_public",
            values=MappingProxyType(
                {
                    "yes": gettext_noop("AWS calls its policy public."),
                    "no": gettext_noop("It has no policy that AWS calls public."),
                }
            ),
        ),
        Live(
            "public_grants",
            gettext_noop("Its ACL gives these grants to the public, which the flags may keep out:"),
            gettext_noop("Its ACL gives no grant to the public."),
        ),
        Live("open_now", gettext_noop("It is open to:")),
        Live("website", gettext_noop("It is set up as a website.")),
    ),
    no_secret_compared=gettext_noop("A bucket has no secret."),
)

# Policy and ACL are shown and not pinned before a block: who changes them could hold it off.
_PIN = ("public_blocks", "region")
_BEFORE: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {
            "earlier_blocks": {
                "type": "array",
                "items": {"type": "string", "enum": [*FLAGS]},
                "minItems": 0,
                "maxItems": len(FLAGS),
                "uniqueItems": True,
            }
        },
        "required": ["earlier_blocks"],
        "additionalProperties": False,
    }
)
_EXAMPLE: Mapping[str, Json] = MappingProxyType({"earlier_blocks": ["BlockPublicAcls"]})
_CREDENTIAL = Limit(
    "uncut",
    present=gettext_noop("The worker's login is not cut to this step: {value}."),
    absent=gettext_noop(
        "The worker's session is cut to the flags of this bucket, for 15 minutes. A thief of it"
        " could also switch them off."
    ),
    unknown=gettext_noop("It was not looked at whether the worker's login is cut to this step."),
)
_READERS = Limit(
    "open_now",
    present=gettext_noop("Public readers of the bucket lose access: {value}."),
    absent=gettext_noop(
        "Neither its policy nor its own ACL opens it to everyone now; ACLs of its objects were not"
        " looked at."
    ),
    unknown=gettext_noop("It was not looked at who loses access."),
    cuts=True,
)
_WEBSITE = Limit(
    "website",
    present=gettext_noop("It is set up as a website: visitors without an AWS login lose it."),
    absent="",
    unknown=gettext_noop("It was not looked at whether it is a website."),
    cuts=True,
)

BLOCK = ActionSpec(
    kind="aws.bucket.block_public_access",
    version=1,
    title="Block public access to an AWS S3 bucket",
    sentence="Switch on all four flags that block public access to bucket {bucket} of AWS account"
    " {account}.",
    headline="Block public access to AWS bucket {bucket} (account {account})",
    headlines=(
        "Block public access to {count} buckets in AWS account {account}",
        "Block public access to {count} AWS buckets",
    ),
    done="Public access to bucket {bucket} is blocked.",
    undone=gettext_noop("the bucket has its earlier flags, and may be public again"),
    target_kind=BUCKET.kind,
    rollback="aws.bucket.restore_public_access",
    reversible=True,
    hard_timeout_s=45,
    # S3 gives no time for a change of a bucket's settings; a few minutes as for IAM.
    propagation_s=300,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"public_blocks": [*FLAGS]}),
    removes_access=True,
    lives_on=(
        LivesOn(
            none=gettext_noop(
                "Presigned URLs go on until they expire or the key that signed them is deactivated."
            ),
        ),
        LivesOn(
            none=gettext_noop(
                "Other accounts that the policy names one by one go on, unless it is public, too."
            ),
        ),
    ),
    parameters=_BEFORE,
    example=_EXAMPLE,
    ends_sessions=gettext_noop(
        "It ends no session: requests of the public are refused, and so are uploads with a public"
        " ACL and new public policies."
    ),
    limits=(_READERS, _WEBSITE),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It does not change the policy or any ACL: both count again without it."),
        gettext_noop("It does not bring back what was read before."),
        gettext_noop("It does not stop logins of the account itself."),
        gettext_noop("It does not look at the block of the whole account, nor at access points."),
        gettext_noop(
            "Who may change the flags can switch them off again. Who switches any of them before"
            " each run holds it off: the plan is stale then."
        ),
        gettext_noop("Copies in caches and content networks go on."),
    ),
)
RESTORE_PUBLIC = ActionSpec(
    kind="aws.bucket.restore_public_access",
    version=1,
    title="Give an AWS S3 bucket its earlier public access",
    sentence="Leave on only the named ones of the four flags that block public access to bucket"
    " {bucket} of AWS account {account}.",
    headline="Restore public access to AWS bucket {bucket} (account {account})",
    headlines=(
        "Restore public access to {count} buckets in AWS account {account}",
        "Restore public access to {count} AWS buckets",
    ),
    done="Bucket {bucket} has its earlier flags against public access.",
    undone=gettext_noop("public access is blocked again"),
    target_kind=BUCKET.kind,
    rollback=BLOCK.kind,
    reversible=True,
    hard_timeout_s=45,
    propagation_s=300,
    # Whom it lets in is decided by what people saw of policy and ACL.
    pin_fields=(*_PIN, "policy_public", "policy_digest", "public_grants"),
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"public_blocks": Change(Op.SET, parameter="earlier_blocks")}),
    grants_access=True,
    parameters=_BEFORE,
    example=_EXAMPLE,
    ends_sessions=gettext_noop("It ends no session."),
    limits=(
        Limit(
            "open_again",
            present=gettext_noop("A flag that is off no longer keeps these out: {value}."),
            absent=gettext_noop(
                "Neither its policy nor its own ACL waits to open it to everyone; ACLs of its"
                " objects were not looked at."
            ),
            unknown=gettext_noop("It was not looked at who gets access."),
        ),
    ),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It does not say whether what lies in the bucket may be public."),
        gettext_noop("It does not change the policy or any ACL."),
        gettext_noop(
            "It does not see ACLs of single objects: whom they let in gets access, and nobody was"
            " shown who that is."
        ),
        gettext_noop(
            "It does not show the policy's text: the digest tells that it is the same one until"
            " then, and people read it in AWS."
        ),
    ),
)
