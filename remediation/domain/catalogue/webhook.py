"""Webhook: a step that a team's own automation carries out."""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.spec import (
    ActionSpec,
    Change,
    Limit,
    Live,
    Op,
    Provider,
    TargetSpec,
    gettext_noop,
    pgettext,
)

TASK = TargetSpec(
    kind="webhook.task",
    title=gettext_noop("Task of a team's automation"),
    fields={
        "receiver": r"[a-z0-9][a-z0-9_-]{0,62}",
        "task": r"[a-z0-9][a-z0-9_-]{0,62}",
        # What the task is about, in the receiver's words.
        "subject": r"[^\x00]+",
    },
    escaped=MappingProxyType({"subject": 100}),
    distinguishing="subject",
    example={"receiver": "payments", "task": "isolate-host", "subject": "pay-worker-3"},
    names=("subject",),
    shown_fields=("said", "at"),
    live=(
        Live(
            "state",
            gettext_noop("The automation says: {state}."),
            values=MappingProxyType(
                {
                    "idle": gettext_noop("The automation has not run this task."),
                    "running": gettext_noop("The automation runs this task now."),
                    "done": gettext_noop("The automation says that the task is done."),
                    "failed": gettext_noop("The automation says that the task failed."),
                }
            ),
        ),
        Live("said", gettext_noop("Its last words: {said}")),
    ),
    no_secret_compared=gettext_noop("A task of an automation has no secret to compare with."),
)
RUN = ActionSpec(
    kind="webhook.task.run",
    version=1,
    title="Have a team's automation run a task",
    sentence="Have the automation of {receiver} run task {task} for {subject}.",
    headline="Run task {task} of {receiver} for {subject}",
    headlines=("Run task {task} of {receiver} {count} times",),
    done="The automation of {receiver} says that {task} for {subject} is done.",
    target_kind=TASK.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=45,
    # A task of an automation takes minutes; the run looks with growing pauses until then.
    propagation_s=900,
    pin_fields=("state", "last_run"),
    leads_to=MappingProxyType({"state": "done"}),
    leads_to_from=MappingProxyType({"last_run": Change(Op.SET, made="run")}),
    makes=MappingProxyType({"run": r"msg_[0-9a-f]{32}"}),
    leaves=True,
    # The portal does not know what the automation changes, so as many people are asked as for
    # giving access.
    grants_access=True,
    ends_sessions=gettext_noop("The automation decides; the portal does not see it."),
    credential=Limit(
        "", gettext_noop("The worker's secret can start each task of this receiver."), "", ""
    ),
    cannot=(
        gettext_noop(
            "The portal does not know what the automation changes. It sees only what the"
            " automation says about it."
        ),
        gettext_noop("It does not contain an incident: nobody saw the effect at the identity."),
        gettext_noop("The portal cannot undo it. The automation may have a task for that."),
    ),
)
PROVIDER = Provider(
    name="webhook",
    tested="a receiver of the tests, over HTTP",
    title="Webhook",
    targets=(TASK,),
    actions=(RUN,),
    words=MappingProxyType(
        {
            "receiver": pgettext("field of a target", "receiver"),
            "task": pgettext("field of a target", "task"),
            "subject": pgettext("field of an observation", "subject"),
            "state": pgettext("field of an observation", "state"),
            "last_run": pgettext("field of an observation", "last run"),
            "said": pgettext("field of an observation", "last words"),
            "at": pgettext("field of an observation", "since"),
        }
    ),
)
