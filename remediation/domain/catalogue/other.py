"""Any other identity, so that no finding is refused because its identity has no kind.

`provider` says where the identity lives (`github`, `azure`, `vault`), `name` is what it is called
there. A name with other characters than the pattern allows is written percent-encoded, as in a
URL: no "/" stands in a field, so that a locator reads in one way only.
"""

from __future__ import annotations

from remediation.domain.catalogue.spec import Provider, TargetSpec, gettext_noop, pgettext

IDENTITY = TargetSpec(
    kind="other.identity",
    title=gettext_noop("Other identity"),
    fields={
        "provider": r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?",
        # 279 characters of locator at the most; the column has 300.
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
