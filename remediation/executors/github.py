"""Take a fine-grained token's access to a GitHub organisation; and the executors of GitHub.

GitHub names a token by an id that its audit log has, too, and an organisation's grant to it by
another one. The list of grants is asked for the token's id; a server that does not know this
question answers with all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from audit.tlog.canonical import Json
from remediation.domain.catalogue.github import PROVIDER
from remediation.domain.catalogue.github_token import REVOKE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors import github_calls as calls
from remediation.executors.base import Deadline
from remediation.executors.driver import Driver
from remediation.executors.errors import NotApplied
from remediation.executors.github_calls import Object
from remediation.executors.github_deploy_key import DeleteKey
from remediation.executors.github_installation import Suspend, Unsuspend
from remediation.executors.github_server import Organisation, read
from remediation.executors.github_steps import GithubStep
from remediation.executors.libraries import REQUESTS

RIGHT = "organization_personal_access_tokens"
MOST_NAMES = 50
_KINDS = ("organization", "repository", "other")
_SHOWN = (
    "owner", "token_name", "permissions", "repository_selection", "repositories", "given",
    "expires", "is_expired", "last_used",
)  # fmt: skip


class RevokeToken(GithubStep):
    """Take a token's access; the next look decides whether that worked."""

    spec = REVOKE
    no_way_back = "the token's owner has to ask for access again, and the organisation to give it"

    def _look(self, at: Organisation, step: Step) -> Observation:
        token = step.target.fields["token"]
        with calls.reading(at, RIGHT) as github:
            listed = github.pages(_grants(step), token_id=token)
            if listed is None:
                raise TargetUnobservable("GitHub: the App may not read the list of tokens")
            found = [one for one in listed if calls.number(one, "token_id") == token]
            if len(found) > 1:
                raise TargetUnobservable("GitHub: the token has more than one grant")
            state: dict[str, Json] = {"grant": calls.number(found[0]) if found else ""}
            shown: dict[str, Json] = dict.fromkeys(_SHOWN)
            if found:
                shown = {**_shown(found[0]), "repositories": _reached(github, step, found[0])}
            return Observation(True, state, shown, at.simulated)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if not observation.state["grant"]:
            raise NotApplied(
                "the organisation gives this token no access: it was taken, or never given"
            )

    def _key(self, at: Organisation, step: Step, clearance: Clearance) -> str:
        return calls.operator_key(at, clearance)

    def _change(
        self,
        at: Organisation,
        step: Step,
        pem: str,
        seen: Mapping[str, Json],
        wanted: Mapping[str, Json],
        deadline: Deadline,
    ) -> None:
        signed = calls.operating(at, pem, RIGHT, "", deadline)
        path = f"{_grants(step)}/{seen['grant']}"
        calls.change(at, signed.bearer, "POST", path, {"action": "revoke"}, deadline)


def _grants(step: Step) -> str:
    return f"/orgs/{calls.segment(step.target.fields['org'])}/personal-access-tokens"


def _reached(github: calls.Reading, step: Step, grant: Object) -> list[Json]:
    """Return the repositories that a token was given; [] if they were not chosen one by one."""
    if calls.text(grant, "repository_selection") != "subset":
        return []
    listed = github.pages(f"{_grants(step)}/{calls.number(grant)}/repositories")
    if listed is None:
        raise TargetUnobservable("GitHub: the grant is not there any more")
    names = sorted(calls.text(one, "full_name") for one in listed)
    more = len(names) - MOST_NAMES
    return [*names[:MOST_NAMES], *([f"and {more} more"] if more > 0 else [])]


def _shown(grant: Object) -> dict[str, Json]:
    said = grant["permissions"]
    levels = {
        f"{kind} {name}": level for kind in _KINDS for name, level in (said.get(kind) or {}).items()
    }
    return {
        "owner": calls.text(grant["owner"], "login"),
        "token_name": calls.text(grant, "token_name"),
        "permissions": calls.rights(levels),
        "repository_selection": calls.text(grant, "repository_selection"),
        "given": calls.moment(grant, "access_granted_at"),
        "expires": calls.moment(grant, "token_expires_at"),
        "is_expired": calls.truth(grant, "token_expired"),
        "last_used": calls.moment(grant, "token_last_used_at"),
    }


DRIVER = Driver(
    PROVIDER.name, (DeleteKey, Suspend, Unsuspend, RevokeToken), read, needs=(REQUESTS,)
)
