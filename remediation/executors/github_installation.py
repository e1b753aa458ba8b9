"""Suspend the installation of a GitHub App, and lift the suspension.

GitHub lets only the App itself do that, signed in with its private key. The observer never has that
key: it reads the organisation's list of installations.
"""

from __future__ import annotations

from collections.abc import Mapping

from audit.tlog.canonical import Json
from remediation.domain.catalogue.github_installation import SUSPEND, UNSUSPEND
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors import github_calls as calls
from remediation.executors.base import Deadline
from remediation.executors.credentials import for_operating
from remediation.executors.errors import NotApplied
from remediation.executors.github_calls import Object
from remediation.executors.github_server import Organisation
from remediation.executors.github_steps import GithubStep

RIGHT = "organization_administration"
NO_KEY = (
    "this worker has no private key of the App, and GitHub lets only the App itself suspend its"
    " installation"
)


class _Installation(GithubStep):
    """The common parts of both directions."""

    def _look(self, at: Organisation, step: Step) -> Observation:
        fields = step.target.fields
        with calls.reading(at, RIGHT) as github:
            listed = github.pages(f"/orgs/{calls.segment(at.name)}/installations", "installations")
            if listed is None:
                raise TargetUnobservable("GitHub: the App may not read the list of installations")
            found = [one for one in listed if calls.number(one) == fields["installation_id"]]
            if not found:
                return Observation(False, {}, {}, at.simulated)
            one = found[0]
            if calls.text(one, "app_slug").lower() != fields["app"]:
                raise TargetUnobservable("GitHub: the installation is one of another App")
            return Observation(True, _state(one), _shown(one, at, step), at.simulated)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.shown["app_key"] is not True:
            raise NotApplied(NO_KEY)

    def _key(self, at: Organisation, step: Step, clearance: Clearance) -> str:
        app = at.apps.get(step.target.fields["app"])
        if app is None:
            raise NotApplied(NO_KEY)
        return for_operating(clearance, app.key)

    def _change(
        self,
        at: Organisation,
        step: Step,
        pem: str,
        seen: Mapping[str, Json],
        wanted: Mapping[str, Json],
        deadline: Deadline,
    ) -> None:
        try:
            signed = at.apps[step.target.fields["app"]].signed(pem)
        except TargetUnobservable as error:
            raise NotApplied(error.detail) from error
        method = "PUT" if wanted["suspended"] else "DELETE"
        path = f"/app/installations/{step.target.fields['installation_id']}/suspended"
        calls.change(at, signed, method, path, None, deadline)


class Suspend(_Installation):
    """Suspend the installation; the next look decides whether that worked."""

    spec = SUSPEND


class Unsuspend(_Installation):
    """Lift the suspension."""

    spec = UNSUSPEND


def _state(one: Object) -> dict[str, Json]:
    return {
        "permissions": calls.rights(one["permissions"]),
        "repositories": calls.text(one, "repository_selection"),
        "suspended": calls.moment(one, "suspended_at") != "" and one["suspended_at"] is not None,
    }


def _shown(one: Object, at: Organisation, step: Step) -> dict[str, Json]:
    by = one.get("suspended_by")
    return {
        "app_key": step.target.fields["app"] in at.apps,
        "created": calls.moment(one, "created_at"),
        "updated": calls.moment(one, "updated_at"),
        "events": _events(one["events"]),
        "suspended_at": calls.moment(one, "suspended_at"),
        "suspended_by": calls.text(by, "login") if isinstance(by, dict) else "",
    }


def _events(said: object) -> list[Json]:
    """Return the names of events, cut: GitHub has fewer. Raises TypeError."""
    if not isinstance(said, list) or not all(isinstance(name, str) for name in said):
        raise TypeError("events")
    return [calls.plain(name) for name in said[: calls.MOST_LISTED]]
