"""Any other identity, so that every incident can be reported even if its identity has no kind.

`provider` is the system of the identity (`github`, `azure`, `vault`), `name` its name there.
Percent-encode characters that the pattern does not allow: no field may contain "/", so that a
locator can be parsed in only one way.
"""

from __future__ import annotations

from remediation.domain.catalogue.spec import Provider, TargetSpec, gettext_noop, pgettext

IDENTITY = TargetSpec(
    kind="other.identity",
    title=gettext_noop("Other identity"),
    fields={
        "provider": r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?",
        # Locators have at most 279 characters; the column has 300.
        "name": r"[A-Za-z0-9_%](?:[A-Za-z0-9_.+=,@~$%-]{0,198}[A-Za-z0-9_=$])?",
    },
    distinguishing="name",
    example={"provider": "github", "name": "deploy-bot"},
    names=("name",),
    free="name",
    report_only=True,
)

PROVIDER = Provider(
    name="other",
    title="Other",
    targets=(IDENTITY,),
    words={"provider": pgettext("field of a target", "provider")},
)
