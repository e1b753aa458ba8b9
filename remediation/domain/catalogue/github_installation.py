"""GitHub: installations of Apps in organisations, suspended and let in again."""

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

INSTALLATION = TargetSpec(
    kind="github.app_installation",
    title=gettext_noop("Installation of a GitHub App"),
    fields={
        "org": ORG,
        "app": r"[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?",
        "installation_id": NUMBER,
    },
    distinguishing="installation_id",
    example={"org": "acme", "app": "deploy-bot", "installation_id": "51234567"},
    names=("app",),
    shown_fields=("app_key", "created", "updated", "events", "suspended_at", "suspended_by"),
    live=(
        Live(
            "suspended",
            values=MappingProxyType(
                {
                    "yes": gettext_noop("The installation is suspended."),
                    "no": gettext_noop("The installation is not suspended."),
                }
            ),
        ),
        Live("suspended_by", present=gettext_noop("It was suspended by {suspended_by}.")),
        Live(
            "permissions",
            present=gettext_noop("The App may do this in the organisation:"),
            absent=gettext_noop("The App has no permissions in the organisation."),
        ),
    ),
    no_secret_compared=gettext_noop(
        "GitHub gives out no private key and no token of an App: there is nothing to compare with."
    ),
)

_PINS = ("permissions", "repositories", "suspended")
_APP_CREDENTIAL = never_cut(
    gettext_noop(
        "The worker signs in as the App itself, with its private key. With it, it can do all that"
        " the App can, in each account where the App is installed."
    )
)

SUSPEND = ActionSpec(
    kind="github.app_installation.suspend",
    version=1,
    title="Suspend the installation of a GitHub App",
    sentence="Suspend installation {installation_id} of GitHub App {app} in organisation {org}.",
    headline="Suspend GitHub App {app} (installation {installation_id}, organisation {org})",
    headlines=(
        "Suspend {count} installations of GitHub App {app}",
        "Suspend {count} installations of GitHub Apps in organisation {org}",
    ),
    done="Installation {installation_id} of App {app} in {org} is suspended.",
    undone=gettext_noop("the App can work in the organisation again"),
    target_kind=INSTALLATION.kind,
    rollback="github.app_installation.unsuspend",
    reversible=True,
    hard_timeout_s=60,
    propagation_s=SPREADING_SECONDS,
    pin_fields=_PINS,
    leads_to=MappingProxyType({"suspended": True}),
    removes_access=True,
    lives_on=(
        LivesOn(
            none=gettext_noop(
                "GitHub refuses tokens of the App while the suspension lasts. It has no call that"
                " ends them all."
            )
        ),
    ),
    ends_sessions=gettext_noop(
        "GitHub refuses the App in this organisation: it gets no new token and no events."
    ),
    credential=_APP_CREDENTIAL,
    cannot=(
        gettext_noop(
            "It revokes no token. A token that the App got before lives up to an hour: GitHub"
            " refuses it while the installation is suspended, and takes it again if the suspension"
            " is lifted before its end."
        ),
        gettext_noop("It does not stop the App in other accounts: each has an installation."),
        gettext_noop("It does not change the App's private keys and secrets."),
        gettext_noop(
            "The organisation's owners cannot lift it in GitHub's settings: only the App itself"
            " can."
        ),
        gettext_noop(
            "GitHub does not say whether tokens that the App got for its users are refused, too."
        ),
        gettext_noop("Events that happen meanwhile are not sent to the App afterwards."),
    ),
)
UNSUSPEND = ActionSpec(
    kind="github.app_installation.unsuspend",
    version=1,
    title="Lift the suspension of a GitHub App's installation",
    sentence=(
        "Lift the suspension of installation {installation_id} of GitHub App {app} in organisation"
        " {org}."
    ),
    headline=(
        "Lift the suspension of GitHub App {app} (installation {installation_id}, organisation"
        " {org})"
    ),
    headlines=(
        "Lift the suspension of {count} installations of GitHub App {app}",
        "Lift the suspension of {count} installations of GitHub Apps in organisation {org}",
    ),
    done="Installation {installation_id} of App {app} in {org} is not suspended.",
    undone=gettext_noop("the App is suspended in the organisation again"),
    target_kind=INSTALLATION.kind,
    rollback="github.app_installation.suspend",
    reversible=True,
    hard_timeout_s=60,
    propagation_s=SPREADING_SECONDS,
    pin_fields=_PINS,
    leads_to=MappingProxyType({"suspended": False}),
    grants_access=True,
    ends_sessions=gettext_noop("It ends nothing."),
    credential=_APP_CREDENTIAL,
    cannot=(
        gettext_noop(
            "Tokens that the App got before the suspension work again until their hour ends."
        ),
        gettext_noop(
            "A suspension that a person set in GitHub's settings stays: only a person can lift it."
        ),
    ),
)
