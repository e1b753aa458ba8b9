"""GitHub: fine-grained tokens, as an organisation gives them access."""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.github_deploy_key import NUMBER, ORG, SPREADING_SECONDS
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Live,
    TargetSpec,
    gettext_noop,
    never_cut,
)

TOKEN = TargetSpec(
    kind="github.fine_grained_token",
    title=gettext_noop("GitHub fine-grained token"),
    fields={"org": ORG, "token": NUMBER},
    distinguishing="token",
    example={"org": "acme", "token": "8812345"},
    shown_fields=(
        "owner",
        "token_name",
        "permissions",
        "repository_selection",
        "repositories",
        "given",
        "expires",
        "is_expired",
        "last_used",
    ),
    live=(
        Live(
            "grant",
            present=gettext_noop("The organisation gives the token access (grant {grant})."),
            absent=gettext_noop("The organisation gives the token no access."),
        ),
        Live(
            "is_expired",
            values=MappingProxyType({"yes": gettext_noop("The token has expired.")}),
        ),
        Live(
            "last_used",
            present=gettext_noop("It was last used on {last_used}."),
            absent=gettext_noop("GitHub knows no use of it."),
            unknown=gettext_noop("GitHub does not say when it was last used."),
        ),
        Live("repositories", present=gettext_noop("It reaches these repositories:")),
        Live("permissions", present=gettext_noop("It may do this in the organisation:")),
    ),
    no_secret_compared=gettext_noop(
        "GitHub gives out no text of a token: there is nothing to compare with."
    ),
)

REVOKE = ActionSpec(
    kind="github.fine_grained_token.revoke",
    version=1,
    title="Take a fine-grained token's access to a GitHub organisation",
    sentence="Take the access of fine-grained token {token} to GitHub organisation {org}.",
    headline="Take the access of fine-grained token {token} (organisation {org})",
    headlines=("Take the access of {count} fine-grained tokens to organisation {org}",),
    done="Fine-grained token {token} has no access to organisation {org}.",
    target_kind=TOKEN.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=60,
    propagation_s=SPREADING_SECONDS,
    pin_fields=("grant",),
    leads_to=MappingProxyType({"grant": ""}),
    removes_access=True,
    retires=True,
    lives_on=(
        LivesOn(
            none=gettext_noop("SSH keys that were made with the token are removed by its owner.")
        ),
    ),
    ends_sessions=gettext_noop("Requests with the token to the organisation's own data fail."),
    credential=never_cut(
        gettext_noop(
            "The worker's token for the step can take the access of each fine-grained token to the"
            " organisation, and nothing else."
        )
    ),
    cannot=(
        gettext_noop(
            "It cannot be undone: the token's owner asks the organisation for access again, and"
            " gets another grant."
        ),
        gettext_noop(
            "It does not end the token: it still reads what is public in the organisation, and"
            " works for its owner elsewhere."
        ),
        gettext_noop("SSH keys that were made with the token keep working."),
        gettext_noop("It does not reach other tokens of the owner, classic ones included."),
        gettext_noop("It is no secret: GitHub tells the token's owner by mail."),
    ),
)
