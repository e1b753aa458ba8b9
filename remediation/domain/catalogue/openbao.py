"""OpenBao: AppRoles, their secret ids, database credentials and their leases, and more."""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue import openbao_access as access
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.openbao_credential import (
    DATABASE_ROLE,
    NEW_CREDENTIAL,
    REVOKE_CREDENTIAL,
)
from remediation.domain.catalogue.openbao_credential import (
    WORDS as CREDENTIAL_WORDS,
)
from remediation.domain.catalogue.openbao_lease import (
    LEASE,
    LEASE_WORDS,
    MOUNT,
    REVOKE,
    SERVER,
    one_parameter,
)
from remediation.domain.catalogue.openbao_words import WORDS
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Change,
    Limit,
    Live,
    Narrows,
    Op,
    Protected,
    Provider,
    TargetSpec,
    gettext_noop,
    never_cut,
)
from remediation.domain.store_place import MAX_PLACE, PATTERN, VERSION

# OpenBao writes names of AppRoles in lower case; another case would be a second name of the same.
_ROLE = r"[a-z0-9_](?:[a-z0-9_.-]{0,98}[a-z0-9_])?"
ACCESSOR = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_STORE_PARAMETERS = one_parameter(
    "store", {"type": "string", "pattern": PATTERN, "maxLength": MAX_PLACE}
)
_ACCESSOR_PARAMETERS = one_parameter(
    "accessor", {"type": "string", "pattern": f"^{ACCESSOR}$", "maxLength": 36}
)
_BATCH = Limit(
    "batch_tokens",
    gettext_noop(
        "The role gives batch tokens, which OpenBao can neither list nor revoke. Each lives until"
        " its end: {value}."
    ),
    "",
    gettext_noop("It was not looked at whether the role gives batch tokens."),
)
_TOKENS_UNSEEN = Limit(
    "tokens_unseen",
    gettext_noop("Tokens of the server were not all looked at; not looked at: {value}."),
    "",
    gettext_noop("The server's tokens were not looked at."),
)
_CREDENTIAL = never_cut(
    gettext_noop(
        "The operator's token is not cut to this step: it can make and destroy secret ids of every"
        " role that its policy names, and revoke each token and lease of the server whose accessor"
        " or id is known."
    )
)
_TOKENS_CHILDREN = gettext_noop(
    "It does not end orphan tokens that were made with a token of the role; OpenBao does not show"
    " who made them."
)
_TOKENS_SECRETS = gettext_noop(
    "What was read with a token is known to its reader: secrets behind it stay valid."
)

APPROLE = TargetSpec(
    kind="openbao.approle",
    title=gettext_noop("OpenBao AppRole"),
    fields={"server": SERVER, "mount": MOUNT, "role": _ROLE},
    escaped=MappingProxyType({"mount": 100}),
    distinguishing="role",
    example={"server": "main", "mount": "approle", "role": "orders"},
    names=("role", "mount"),
    protected=(Protected("role", "the role belongs to the portal", r"hitl[_.-].*"),),
    shown_fields=("secret_ids", "secret_id_life", "tokens", "tokens_unseen", "batch_tokens"),
    live=(
        Live(
            "accessors",
            gettext_noop("It has secret ids, any of which signs in: {accessors}."),
            gettext_noop("It has no secret id: nobody can sign in with one."),
        ),
        Live(
            "tokens",
            gettext_noop("Tokens of the role that are valid now:"),
            gettext_noop("It has no valid token."),
            gettext_noop("The server's tokens were not looked at."),
        ),
    ),
    no_secret_compared=gettext_noop(
        "The portal does not compare secret ids: asking OpenBao about one means sending it there."
    ),
)

SECRET_ID = TargetSpec(
    kind="openbao.secret_id",
    title=gettext_noop("Secret id of an OpenBao AppRole"),
    fields={"server": SERVER, "mount": MOUNT, "role": _ROLE, "accessor": ACCESSOR},
    escaped=MappingProxyType({"mount": 100}),
    distinguishing="accessor",
    example={
        "server": "main",
        "mount": "approle",
        "role": "orders",
        "accessor": "84896a0c-1347-aa90-a4f6-aca8b7558780",
    },
    names=("role", "mount"),
    holder="role",
    protected=(Protected("role", "the role belongs to the portal", r"hitl[_.-].*"),),
    shown_fields=(
        "created",
        "expires",
        "uses_left",
        "other_secret_ids",
        "own_tokens",
        "unclear_tokens",
        "tokens_unseen",
        "batch_tokens",
    ),
    live=(
        Live(
            "valid",
            values=MappingProxyType(
                {
                    "yes": gettext_noop("The secret id is there: it signs in."),
                    "no": gettext_noop("There is no such secret id."),
                }
            ),
        ),
        Live(
            "own_tokens",
            gettext_noop("Valid tokens that it minted, as their metadata shows:"),
            gettext_noop("No valid token shows that it minted it."),
        ),
        Live(
            "unclear_tokens",
            gettext_noop(
                "Valid tokens of the role, of which OpenBao does not show whether this secret id"
                " or another one minted them:"
            ),
        ),
        Live(
            "other_secret_ids",
            gettext_noop("The role has other secret ids: {other_secret_ids}."),
            gettext_noop("The role has no other secret id."),
        ),
    ),
    no_secret_compared=APPROLE.no_secret_compared,
)

NEW_SECRET_ID = ActionSpec(
    kind="openbao.approle.new_secret_id",
    version=1,
    title="Make a secret id for an OpenBao AppRole and deliver it",
    sentence="Make one more secret id for AppRole {role} (mount {mount}) on OpenBao {server}, and"
    " put it into the store.",
    done="AppRole {role} on {server} has one more secret id.",
    target_kind=APPROLE.kind,
    rollback="openbao.approle.destroy_secret_id",
    reversible=True,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=("accessors", "policies", "bind_secret_id"),
    ends_sessions=gettext_noop("It ends no session: every other secret id stays valid."),
    cannot=(
        gettext_noop("It does not make a process read the new secret id."),
        gettext_noop("It does not destroy the secret id that leaked."),
        gettext_noop(
            "The new secret id is asked for at the server, and not signed in with: a sign-in would"
            " use it up where uses are counted."
        ),
    ),
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"accessors": Change(Op.ADD, made="accessor", lasts=False)}),
    parameters=_STORE_PARAMETERS,
    example=MappingProxyType({"store": "files:orders/approle"}),
    headline="Make and deliver a secret id for AppRole {role} (mount {mount}, OpenBao {server})",
    undone=gettext_noop("the new secret id can be destroyed again"),
    credential=_CREDENTIAL,
    rotation="Rotate the secret id of AppRole {role} (mount {mount}, OpenBao {server})",
    leaves=True,
    makes=MappingProxyType({"accessor": ACCESSOR, "version": VERSION}),
    delivers="store",
    conditions=("consumers_moved", "old_quiet"),
    seen_by_uses=True,
    replaces=MappingProxyType({"server": "{server}", "mount": "{mount}", "role": "{role}"}),
)

# The undoing of NEW_SECRET_ID. The other way, to a destroyed secret id, does not exist.
DESTROY_NEW = ActionSpec(
    kind="openbao.approle.destroy_secret_id",
    version=1,
    title="Destroy a secret id of an OpenBao AppRole that nobody uses",
    sentence="Destroy a secret id of AppRole {role} (mount {mount}) on OpenBao {server} with which"
    " nobody signed in.",
    done="AppRole {role} on {server} has one secret id less.",
    target_kind=APPROLE.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=30,
    propagation_s=0,
    pin_fields=("accessors", "policies", "bind_secret_id"),
    ends_sessions=gettext_noop("It ends no session, and refuses while a token shows its use."),
    cannot=(
        gettext_noop("It cannot be undone: a new secret id has another value."),
        gettext_noop("It does not remove the value from a store or a process."),
    ),
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"accessors": Change(Op.REMOVE, parameter="accessor")}),
    parameters=_ACCESSOR_PARAMETERS,
    example=MappingProxyType({"accessor": SECRET_ID.example["accessor"]}),
    headline="Destroy an unused secret id of AppRole {role} (mount {mount}, OpenBao {server})",
    credential=_CREDENTIAL,
    leaves=True,
    references=MappingProxyType({"accessor": "accessor"}),
    retires=True,
    lives_on=(),
)

DESTROY = ActionSpec(
    kind="openbao.secret_id.destroy",
    version=1,
    title="Destroy a secret id of an OpenBao AppRole, and end its tokens",
    sentence="Destroy secret id {accessor} of AppRole {role} (mount {mount}) on OpenBao {server},"
    " and revoke the tokens that it minted.",
    done="Secret id {accessor} of {role} (mount {mount}) on {server} is destroyed.",
    target_kind=SECRET_ID.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=("valid",),
    ends_sessions=gettext_noop(
        "It revokes every token that shows in its metadata that this secret id minted it, with the"
        " children and the leases of these tokens. Where asked, it also revokes the role's tokens"
        " of which OpenBao does not show which secret id minted them."
    ),
    cannot=(
        gettext_noop("It cannot be undone: a new secret id has another value."),
        gettext_noop(
            "OpenBao does not keep which secret id minted a token. Only metadata that no other"
            " secret id of the role has shows it."
        ),
        _TOKENS_CHILDREN,
        _TOKENS_SECRETS,
        gettext_noop(
            "Database sessions that were opened with a lease of such a token may stay open."
        ),
    ),
    leads_to=MappingProxyType({"valid": False}),
    removes_access=True,
    limits=(
        Limit(
            "unclear_tokens",
            gettext_noop(
                "Unless asked, it leaves tokens of the role of which OpenBao does not show which"
                " secret id minted them: {value}."
            ),
            "",
            gettext_noop("The server's tokens were not looked at."),
        ),
        _TOKENS_UNSEEN,
        _BATCH,
        Limit(
            "other_secret_ids",
            gettext_noop("The role has other secret ids, which stay valid: {value}."),
            gettext_noop(
                "The role has no other secret id: after it nobody signs in to this role with one."
            ),
            gettext_noop("It was not looked at whether the role has other secret ids."),
        ),
    ),
    parameters=one_parameter("end_unclear_tokens", {"type": "boolean"}),
    narrows=MappingProxyType({"end_unclear_tokens": Narrows.TO_FALSE}),
    example=MappingProxyType({"end_unclear_tokens": False}),
    headline="Destroy secret id {accessor} of AppRole {role} (mount {mount}, OpenBao {server}) and"
    " revoke its tokens",
    headlines=(
        "Destroy {count} secret ids of AppRole {role} on OpenBao {server}",
        "Destroy {count} secret ids of OpenBao AppRoles",
    ),
    credential=_CREDENTIAL,
    retires=True,
    lives_on=(LivesOn("unclear_tokens", parameter="end_unclear_tokens"),),
)

PROVIDER = Provider(
    name="openbao",
    tested="OpenBao 2.7",
    title="OpenBao",
    targets=(APPROLE, SECRET_ID, LEASE, DATABASE_ROLE, *access.TARGETS),
    actions=(
        NEW_SECRET_ID, DESTROY_NEW, DESTROY, REVOKE, NEW_CREDENTIAL, REVOKE_CREDENTIAL,
        *access.ACTIONS,
    ),
    words={**WORDS, **LEASE_WORDS, **CREDENTIAL_WORDS, **access.WORDS},
)  # fmt: skip
