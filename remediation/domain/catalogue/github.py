"""GitHub: deploy keys, installations of Apps, and fine-grained tokens at an organisation."""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.github_deploy_key import DELETE_KEY, DEPLOY_KEY
from remediation.domain.catalogue.github_installation import INSTALLATION, SUSPEND, UNSUSPEND
from remediation.domain.catalogue.github_token import REVOKE, TOKEN
from remediation.domain.catalogue.spec import Provider, pgettext

PROVIDER = Provider(
    name="github",
    title="GitHub",
    tested="a simulated API only, made from GitHub's description of its REST API (2022-11-28)",
    targets=(DEPLOY_KEY, INSTALLATION, TOKEN),
    actions=(DELETE_KEY, SUSPEND, UNSUSPEND, REVOKE),
    words=MappingProxyType(
        {
            "org": pgettext("field of a target", "organisation"),
            "repository": pgettext("field of a target", "repository"),
            "key_id": pgettext("field of a target", "deploy key"),
            "app": pgettext("field of a target", "GitHub App"),
            "installation_id": pgettext("field of a target", "installation"),
            "token": pgettext("field of a target", "token"),
            "status": pgettext("field of an observation", "status"),
            "title": pgettext("field of an observation", "title"),
            "fingerprint": pgettext("field of a target", "fingerprint"),
            "read_only": pgettext("field of an observation", "read only"),
            "enabled": pgettext("field of an observation", "enabled"),
            "created": pgettext("field of an observation", "created"),
            "added_by": pgettext("field of an observation", "added by"),
            "last_used": pgettext("field of an observation", "last used"),
            "other_deploy_keys": pgettext("field of an observation", "other deploy keys"),
            "permissions": pgettext("field of an observation", "permissions"),
            "repositories": pgettext("field of an observation", "repositories"),
            "suspended": pgettext("field of an observation", "suspended"),
            "app_key": pgettext("field of an observation", "this worker has the App's key"),
            "updated": pgettext("field of an observation", "changed"),
            "events": pgettext("field of an observation", "events"),
            "suspended_at": pgettext("field of an observation", "suspended since"),
            "suspended_by": pgettext("field of an observation", "suspended by"),
            "grant": pgettext("field of an observation", "grant"),
            "owner": pgettext("field of an observation", "owner"),
            "token_name": pgettext("field of an observation", "name of the token"),
            "repository_selection": pgettext("field of an observation", "which repositories"),
            "given": pgettext("field of an observation", "given"),
            "expires": pgettext("field of an observation", "expires"),
            "is_expired": pgettext("field of an observation", "expired"),
        }
    ),
)
