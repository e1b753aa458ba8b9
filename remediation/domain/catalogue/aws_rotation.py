"""AWS: the rotation of a user's access keys. The kinds and actions are declared by aws.py."""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.spec import (
    ActionSpec,
    Change,
    Limit,
    Live,
    Op,
    TargetSpec,
    gettext_noop,
)
from remediation.domain.store_place import MAX_PLACE, PATTERN, VERSION

ACCOUNT = r"[0-9]{12}"
# IAM User and Role API: 1 to 64 characters of [\w+=,.@-].
NAME = r"[A-Za-z0-9_+=,.@-]{1,64}"
# IAM AccessKey API: 16 to 128 characters of [\w]*.
KEY_ID = r"[A-Za-z0-9_]{16,128}"
# AWS takes no third key of a user.
SLOTS = 2

USER_KEYS = TargetSpec(
    kind="aws.user_keys",
    title=gettext_noop("Access keys of an AWS IAM user"),
    fields={"account": ACCOUNT, "user": NAME},
    distinguishing="user",
    example={"account": "123456789012", "user": "deploy"},
    names=("user",),
    account="account",
    shown_fields=("slots", "rotated_by", "staged", "uncut"),
    live=(
        Live(
            "slots",
            gettext_noop("The user has these keys:"),
            gettext_noop("The user has no key."),
        ),
        Live(
            "rotated_by",
            gettext_noop("Somebody else rotates its keys: {rotated_by}."),
            gettext_noop("No tag and no schedule says that somebody else rotates its keys."),
            gettext_noop("It was not looked at whether somebody else rotates its keys."),
        ),
    ),
    no_secret_compared=gettext_noop(
        "AWS has nothing that a secret access key can be compared with. The access key id in the"
        " evidence says which key it is."
    ),
)

_OWNERS = Limit(
    "rotated_by",
    present=gettext_noop("Somebody else rotates the keys of this user: {value}."),
    absent=gettext_noop(
        "No tag of the user and no schedule of the store says that somebody else rotates its keys;"
        " an owner who leaves neither is not seen."
    ),
    unknown=gettext_noop("It was not looked at whether somebody else rotates the keys."),
)
CREDENTIAL = Limit(
    "uncut",
    present=gettext_noop("The worker's login is not cut to this step: {value}."),
    absent=gettext_noop(
        "The worker's session is cut to one action on this user, for 15 minutes; IAM cannot cut it"
        " to a single key."
    ),
    unknown=gettext_noop("It was not looked at whether the worker's login is cut to this step."),
)
_NO_CONSUMER = gettext_noop("It does not move any consumer to the new key.")

DISCARD_KEY = ActionSpec(
    kind="aws.user_keys.discard_key",
    version=1,
    title="Delete an AWS access key that was made and not used",
    sentence="Delete an unused access key of IAM user {user} in AWS account {account}.",
    headline="Delete an unused access key of AWS IAM user {user} (account {account})",
    headlines=("Delete unused access keys of {count} AWS IAM users",),
    done="The unused access key of {user} is deleted.",
    target_kind=USER_KEYS.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=60,
    propagation_s=300,
    pin_fields=("keys",),
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"keys": Change(Op.REMOVE, parameter="access_key_id")}),
    retires=True,
    lives_on=(),
    ends_sessions=gettext_noop("It ends no session."),
    limits=(_OWNERS,),
    credential=CREDENTIAL,
    cannot=(
        gettext_noop("It cannot bring a deleted key back."),
        gettext_noop("It does not delete a key that AWS shows as used by anybody but the portal."),
    ),
    parameters=MappingProxyType(
        {
            "type": "object",
            "properties": {"access_key_id": {"type": "string", "pattern": rf"^{KEY_ID}$"}},
            "required": ["access_key_id"],
            "additionalProperties": False,
        }
    ),
    example=MappingProxyType({"access_key_id": "AKIAIOSFODNN7EXAMPLE"}),
)

CREATE_KEY = ActionSpec(
    kind="aws.user_keys.create_key",
    version=1,
    title="Create an AWS access key and deliver it to a store",
    sentence="Create an access key for IAM user {user} in AWS account {account} and deliver it to"
    " a store.",
    headline="Create and deliver an access key for AWS IAM user {user} (account {account})",
    headlines=("Create and deliver access keys for {count} AWS IAM users",),
    done="A new access key of {user} is in the store.",
    target_kind=USER_KEYS.kind,
    rollback=DISCARD_KEY.kind,
    reversible=True,
    hard_timeout_s=60,
    # IAM is eventually consistent: AWS may refuse a new key for some minutes.
    propagation_s=300,
    # Each key by its id; its status is shown and not pinned, because a plan that cuts first has
    # set the old key to Inactive before this step. `stored`: the version that consumers read now.
    pin_fields=("keys", "stored"),
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType(
        {
            "keys": Change(Op.ADD, made="access_key_id"),
            "stored": Change(Op.SET, made="version"),
        }
    ),
    leaves=True,
    makes=MappingProxyType({"access_key_id": KEY_ID, "version": VERSION}),
    delivers="store",
    conditions=("consumers_moved", "old_quiet"),
    seen_by_uses=True,
    replaces=MappingProxyType(
        {"account": "{account}", "user": "{user}", "access_key_id": "{replaces}"}
    ),
    grants_access=True,
    ends_sessions=gettext_noop("It ends no session; the old key stays as it is."),
    limits=(_OWNERS,),
    credential=CREDENTIAL,
    rotation="Rotate the access key of AWS IAM user {user} (account {account})",
    cannot=(
        _NO_CONSUMER,
        gettext_noop("It does not refuse the old key: that is a later step."),
        gettext_noop("Services may refuse the new key for some minutes."),
        gettext_noop(
            "AWS names no consumer in a key's last use, and shows one use in 15 minutes at most."
        ),
    ),
    parameters=MappingProxyType(
        {
            "type": "object",
            "properties": {
                # Where consumers read the key: a place in a store of the targets file.
                "store": {"type": "string", "maxLength": MAX_PLACE, "pattern": PATTERN},
                # The key that it follows; absent only for a user without a key.
                "replaces": {"type": "string", "pattern": rf"^{KEY_ID}$"},
            },
            "required": ["store"],
            "additionalProperties": False,
        }
    ),
    example=MappingProxyType({"store": "apps:deploy/aws", "replaces": "AKIAIOSFODNN7EXAMPLE"}),
    undone=gettext_noop("the new key is deleted while nobody uses it"),
)
