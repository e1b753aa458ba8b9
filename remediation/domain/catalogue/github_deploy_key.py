"""GitHub: deploy keys of repositories.

Everything is named by GitHub's own number, which is used once; a name can be given to something
else. GitHub ignores the case of names; here they are small.
"""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Live,
    TargetSpec,
    gettext_noop,
    never_cut,
)

# GitHub names no time after which a change holds everywhere.
SPREADING_SECONDS = 30
ORG = r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?"
NUMBER = r"[1-9][0-9]{0,18}"
IN_FORCE, DELETED = "in force", "deleted"

DEPLOY_KEY = TargetSpec(
    kind="github.deploy_key",
    title=gettext_noop("GitHub deploy key"),
    fields={
        "org": ORG,
        "repository": r"[a-z0-9_.-]{0,99}[a-z0-9_-]",
        "key_id": NUMBER,
    },
    distinguishing="key_id",
    example={"org": "acme", "repository": "checkout", "key_id": "104729331"},
    names=("repository",),
    shown_fields=(
        "title",
        "fingerprint",
        "read_only",
        "enabled",
        "created",
        "added_by",
        "last_used",
        "other_deploy_keys",
    ),
    live=(
        Live(
            "status",
            values=MappingProxyType(
                {
                    IN_FORCE: gettext_noop("The key is one of the repository's deploy keys."),
                    DELETED: gettext_noop(
                        "The repository has no deploy key with this id: it was deleted, or it"
                        " never was one."
                    ),
                }
            ),
        ),
        Live(
            "read_only",
            values=MappingProxyType(
                {
                    "yes": gettext_noop("It may read the repository."),
                    "no": gettext_noop("It may read the repository and write to it."),
                }
            ),
        ),
        Live(
            "last_used",
            present=gettext_noop("It was last used on {last_used}."),
            absent=gettext_noop("GitHub knows no use of it."),
            unknown=gettext_noop("GitHub does not say when it was last used."),
        ),
    ),
)

DELETE_KEY = ActionSpec(
    kind="github.deploy_key.delete",
    version=1,
    title="Delete a deploy key of a GitHub repository",
    sentence="Delete deploy key {key_id} of GitHub repository {org}/{repository}.",
    headline="Delete deploy key {key_id} (repository {org}/{repository})",
    headlines=(
        "Delete {count} deploy keys of repository {org}/{repository}",
        "Delete {count} deploy keys in GitHub organisation {org}",
    ),
    done="Repository {org}/{repository} has no deploy key {key_id}.",
    target_kind=DEPLOY_KEY.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=60,
    propagation_s=SPREADING_SECONDS,
    pin_fields=("status",),
    leads_to=MappingProxyType({"status": DELETED}),
    removes_access=True,
    retires=True,
    lives_on=(
        LivesOn(none=gettext_noop("GitHub has no call that ends a transfer which runs already.")),
    ),
    ends_sessions=gettext_noop(
        "Nobody signs in with the key any more. GitHub does not say whether a transfer that runs"
        " is cut."
    ),
    limits=(
        Limit(
            "other_deploy_keys",
            gettext_noop("Other deploy keys of the repository stay in force: {value}."),
            gettext_noop("The repository has no other deploy key."),
            gettext_noop("Other deploy keys of the repository were not looked at."),
        ),
    ),
    credential=never_cut(
        gettext_noop(
            "The worker's token for the step is cut to this repository. There it can do all that"
            " an administrator can, deleting the repository included."
        )
    ),
    cannot=(
        gettext_noop(
            "It cannot be undone: GitHub uses an id once. The public key can be added again, as a"
            " new deploy key with another id."
        ),
        gettext_noop("It does not undo what was read or pushed with the key."),
        gettext_noop("It does not keep administrators of the repository from adding a key."),
        gettext_noop("It does not reach the same key pair where other servers let it in."),
    ),
)
