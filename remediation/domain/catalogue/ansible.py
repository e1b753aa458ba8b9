"""Ansible: a pinned playbook of a team, run on hosts of its inventory."""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Live,
    Provider,
    TargetSpec,
    gettext_noop,
    never_cut,
    pgettext,
)

PLAYBOOK = TargetSpec(
    kind="ansible.playbook",
    title=gettext_noop("Playbook on hosts"),
    fields={
        "project": r"[a-z0-9][a-z0-9_-]{0,62}",
        "playbook": r"[a-z0-9][a-z0-9_-]{0,62}",
        # One host or one group of the inventory. No pattern of Ansible: no ":", "!", "*", "@".
        "hosts": r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}",
    },
    distinguishing="hosts",
    example={"project": "payments", "playbook": "remove-key", "hosts": "pay-worker-3"},
    names=("hosts",),
    shown_fields=("tasks", "unchecked", "failing", "diff"),
    live=(
        Live(
            "state",
            values=MappingProxyType(
                {
                    "pending": gettext_noop("The playbook would change something now."),
                    "in place": gettext_noop("The playbook would change nothing now."),
                }
            ),
        ),
        Live("tasks", gettext_noop("These tasks would change something:")),
        Live("unchecked", gettext_noop("Ansible cannot try these tasks without running them:")),
        Live("failing", gettext_noop("These tasks fail when they are tried:")),
    ),
    no_secret_compared=gettext_noop("A playbook has no secret to compare with."),
)
RUN = ActionSpec(
    kind="ansible.playbook.run",
    version=1,
    title="Run a playbook",
    sentence="Run playbook {playbook} of project {project} on {hosts}.",
    headline="Run playbook {playbook} of {project} on {hosts}",
    headlines=("Run playbook {playbook} of {project} on {count} hosts or groups",),
    done="Playbook {playbook} of {project} has nothing left to change on {hosts}.",
    target_kind=PLAYBOOK.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=60,
    propagation_s=0,
    pin_fields=("content", "state", "changes"),
    leads_to=MappingProxyType({"state": "in place", "changes": ""}),
    leaves=True,
    parameters=MappingProxyType(
        {
            "type": "object",
            "properties": {
                "vars": {
                    "type": "array",
                    "items": {
                        "type": "string",
                        "pattern": r"^[a-z][a-z0-9_]{0,62}=[^\x00-\x1f\x7f]{0,200}$",
                        "maxLength": 264,
                    },
                    "minItems": 1,
                    "maxItems": 20,
                    "uniqueItems": True,
                }
            },
            "required": [],
            "additionalProperties": False,
        }
    ),
    example=MappingProxyType({"vars": ["key_name=deploy-2024"]}),
    # A playbook is code: it can do whatever the worker's login on the hosts may. So as many people
    # are asked as for giving access.
    grants_access=True,
    ends_sessions=gettext_noop("The playbook decides. The portal sees no sessions."),
    limits=(
        Limit(
            "unchecked",
            gettext_noop("Nobody can see before the run what these tasks do: {value}."),
            "",
            gettext_noop("It was not looked at whether each task can be tried."),
        ),
    ),
    credential=never_cut(
        gettext_noop("The worker's login can do on the hosts all that its account may.")
    ),
    cannot=(
        gettext_noop(
            "The portal sees only what the tasks say about themselves: what a task hides"
            " (changed_when, no_log) is not seen, and neither is what a plugin or a lookup does."
        ),
        gettext_noop(
            "It does not contain an incident: the portal does not look at the identity itself."
        ),
        gettext_noop(
            "The portal cannot undo it: a playbook has no inverse. Another playbook may undo it."
        ),
    ),
)
PROVIDER = Provider(
    name="ansible",
    tested="ansible-core 2.19 on the machine of the tests (local connection)",
    title="Ansible",
    targets=(PLAYBOOK,),
    actions=(RUN,),
    words=MappingProxyType(
        {
            "project": pgettext("field of a target", "project"),
            "playbook": pgettext("field of a target", "playbook"),
            "hosts": pgettext("field of a target", "host or group"),
            "content": pgettext("field of an observation", "digest of the project"),
            "state": pgettext("field of an observation", "state"),
            "changes": pgettext("field of an observation", "digest of its changes"),
            "tasks": pgettext("field of an observation", "tasks that would change something"),
            "unchecked": pgettext("field of an observation", "tasks that cannot be tried"),
            "failing": pgettext("field of an observation", "tasks that fail"),
            "diff": pgettext("field of an observation", "what would change"),
            "vars": pgettext("parameter of an action", "variables"),
        }
    ),
)
