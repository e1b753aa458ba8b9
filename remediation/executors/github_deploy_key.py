"""Delete a deploy key of a repository.

The key counts as deleted when the whole list of the repository's keys was read without it, with a
token that may read it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence

from audit.tlog.canonical import Json
from remediation.domain.catalogue.github_deploy_key import DELETE_KEY, DELETED, IN_FORCE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors import github_calls as calls
from remediation.executors.base import Candidate, Compared, Deadline
from remediation.executors.errors import NotApplied
from remediation.executors.github_calls import Object, segment
from remediation.executors.github_server import Organisation
from remediation.executors.github_steps import GithubStep
from remediation.executors.ssh_secret import has_fingerprint
from remediation.executors.targets import Targets

RIGHT = "administration"
MOST_OTHERS = 50
_SHOWN = ("title", "fingerprint", "read_only", "enabled", "created", "added_by", "last_used")


class DeleteKey(GithubStep):
    """Delete a deploy key; the next look decides whether that worked."""

    spec = DELETE_KEY
    no_way_back = "a deleted deploy key cannot come back: a new one has another id"

    def _look(self, at: Organisation, step: Step) -> Observation:
        path, key_id = _keys(step), step.target.fields["key_id"]
        with calls.reading(at, RIGHT) as github:
            one, listed = github.get(f"{path}/{key_id}"), github.pages(path)
            if listed is None:
                # Never "gone": one that was transferred is a 404, too, and keeps its deploy keys.
                raise TargetUnobservable(
                    "GitHub: the repository does not exist, or the App is not installed on it"
                )
            held = {calls.number(each): each for each in listed}
            if (one is None) is (key_id in held):
                raise TargetUnobservable("GitHub: the key and the list of keys do not agree")
            others = sorted(_said(each) for name, each in held.items() if name != key_id)
            shown: dict[str, Json] = dict.fromkeys(_SHOWN) if one is None else _shown(one)
            shown["other_deploy_keys"] = [*others[:MOST_OTHERS]]
            state: dict[str, Json] = {"status": DELETED if one is None else IN_FORCE}
            return Observation(True, state, shown, at.simulated)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.state["status"] == DELETED:
            raise NotApplied(
                "the repository has no deploy key with this id: it was deleted, or it never was one"
            )

    def secret_in_force(
        self, step: Step, targets: Targets, candidates: Sequence[Candidate]
    ) -> Compared:
        """Compare the fingerprint of a leaked private key; no candidate is sent anywhere."""
        seen = self.observe(step, targets)
        place = f"GitHub repository {step.target.fields['org']}/{step.target.fields['repository']}"
        print_ = str(seen.shown.get("fingerprint") or "")
        if not print_:
            why = "the repository has no deploy key with this id"
            return Compared((None,) * len(candidates), place, why)
        answers = tuple(has_fingerprint(one.values, print_) for one in candidates)
        return Compared(answers, place, "a key cannot be read" if None in answers else "")

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
        repository = step.target.fields["repository"]
        signed = calls.operating(at, pem, RIGHT, repository, deadline)
        path = f"{_keys(step)}/{step.target.fields['key_id']}"
        calls.change(at, signed.bearer, "DELETE", path, None, deadline)


def _keys(step: Step) -> str:
    fields = step.target.fields
    return f"/repos/{segment(fields['org'])}/{segment(fields['repository'])}/keys"


def _shown(key: Object) -> dict[str, Json]:
    return {
        "title": calls.text(key, "title"),
        "fingerprint": fingerprint(calls.text(key, "key", most=4000)),
        "read_only": calls.truth(key, "read_only"),
        "enabled": calls.truth(key, "enabled") if "enabled" in key else None,
        "created": calls.moment(key, "created_at"),
        "added_by": calls.text(key, "added_by"),
        "last_used": calls.moment(key, "last_used"),
    }


def _said(key: Object) -> str:
    way = "reads" if calls.truth(key, "read_only") else "reads and writes"
    return f"{calls.number(key)} {calls.text(key, 'title')[:80]} ({way})"


def fingerprint(public: str) -> str:
    """Return the fingerprint of a public key's line. Raises ValueError."""
    parts = public.split()
    blob = base64.b64decode(parts[1] if len(parts) > 1 else "!", validate=True)
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
