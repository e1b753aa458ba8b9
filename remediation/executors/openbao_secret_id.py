"""Destroy a secret id of an AppRole, and revoke the tokens that it minted.

Tokens are revoked first, then the secret id is destroyed, then what was minted between is revoked.
A worker that dies in the middle leaves the secret id in place, and the step can be tried again; one
that dies after it leaves tokens that pages show as unclear.
"""

from __future__ import annotations

from audit.tlog.canonical import Json
from remediation.domain.catalogue.openbao import DESTROY
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import (
    GONE,
    Deadline,
    Outcome,
    Point,
    Snapshot,
)
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import (
    NotApplied,
    PartlyApplied,
)
from remediation.executors.openbao_role import (
    REVOKE_PATH,
    OfRole,
    batch,
    destroy,
    destroy_path,
    end_tokens,
    look_at,
    refuse_own,
    texts,
    unchanged,
)
from remediation.executors.openbao_server import (
    observing,
    refusing,
    server,
)
from remediation.executors.openbao_tokens import (
    minted_by,
)
from remediation.executors.targets import Targets


class DestroySecretId(OfRole):
    """Destroy a secret id and revoke its tokens."""

    spec = DESTROY

    def observe(self, step: Step, targets: Targets) -> Observation:
        with observing(step.target.locator):
            found = look_at(step, targets, step.target.fields["accessor"])
        if found.role is None:
            return GONE
        secret = found.secret
        shown: dict[str, Json] = {
            "created": secret.to_json()["created"] if secret else None,
            "expires": secret.to_json()["expires"] if secret else None,
            "uses_left": secret.to_json()["uses_left"] if secret else None,
            "other_secret_ids": [one.accessor for one in found.others],
            "own_tokens": [str(one) for one in found.minted.own],
            "unclear_tokens": [str(one) for one in found.minted.unclear],
            "tokens_unseen": found.tokens.unseen,
            "batch_tokens": batch(found.role),
        }
        return Observation(True, {"valid": secret is not None}, shown, simulated=False)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.state["valid"] is not True:
            raise NotApplied(
                "there is no such secret id: it was destroyed, used up or has ended, or never was"
            )

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        fields = step.target.fields
        place = f"OpenBao {fields['server']}, AppRole {fields['role']} (mount {fields['mount']})"
        if not observation.exists:
            return (Point(place, None),)
        shown = observation.shown
        own, unclear = texts(shown["own_tokens"]), texts(shown["unclear_tokens"])
        if observation.state["valid"] is not False:
            return (Point(place, False),)
        asked = step.parameters.get("end_unclear_tokens") is True
        still = [*own, *(unclear if asked else [])]
        # Nobody can tell whether an unclear token, a token that was not looked at or a batch token
        # is one of this secret id.
        hidden = bool(unclear or shown["tokens_unseen"] or shown["batch_tokens"])
        return (Point(place, None if hidden else not own, tuple(f"token {one}" for one in still)),)

    def seen(self, observation: Observation) -> dict[str, Json]:
        return {**observation.state, "unclear_tokens": observation.shown["unclear_tokens"]}

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        fields, accessor = step.target.fields, step.target.fields["accessor"]
        with refusing():
            first = look_at(step, targets, accessor)
        if first.role is None:
            raise NotApplied(f"{step.target.locator}: there is no such role")
        api = server(targets, fields["server"]).operator(clearance)
        api.require_rights([destroy_path(fields), REVOKE_PATH])
        refuse_own(api, fields)
        ended = end_tokens(api, first.minted, step, deadline)
        try:
            if first.secret is not None:
                destroy(api, fields, accessor, deadline)
            # Between the two calls somebody may have signed in once more.
            second = look_at(step, targets, accessor)
            after = minted_by(first.secret, second.others, second.tokens.found)
            ended += end_tokens(api, after, step, deadline)
        except (NotApplied, TargetUnobservable) as error:
            if not ended and isinstance(error, NotApplied):
                raise
            raise PartlyApplied(f"{len(ended)} tokens revoked; {error.detail}") from error
        return Outcome({"tokens_ended": list[Json](ended), "tokens_unseen": second.tokens.unseen})

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        with refusing():
            found = look_at(step, targets, step.target.fields["accessor"])
        if found.role is None or found.secret is not None:
            return Outcome()  # the action was not applied; tightening does not apply it
        api = server(targets, step.target.fields["server"]).operator(clearance)
        refuse_own(api, step.target.fields)
        return Outcome({"tokens_ended": list[Json](end_tokens(api, found.minted, step, deadline))})

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        return unchanged(self.observe(step, targets), snapshot)
