"""AWS: a trail of CloudTrail, whose logging starts again."""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.aws_rotation import ACCOUNT
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Live,
    TargetSpec,
    gettext_noop,
)

REGION = r"[a-z]{2,4}(-[a-z]{2,12}){1,3}-[0-9]{1,2}"
# CloudTrail API, CreateTrail: 3 to 128 characters, a letter or digit at both ends.
TRAIL_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{1,126}[A-Za-z0-9]"

TRAIL = TargetSpec(
    kind="aws.trail",
    title=gettext_noop("AWS CloudTrail trail"),
    fields={"account": ACCOUNT, "region": REGION, "trail": TRAIL_NAME},
    distinguishing="trail",
    example={"account": "123456789012", "region": "eu-central-1", "trail": "management-events"},
    names=("trail",),
    account="account",
    shown_fields=(
        "started",
        "stopped",
        "delivery_error",
        "organisation",
        "left_out",
        "lost_events",
        "uncut",
    ),
    live=(
        Live(
            "logging",
            values=MappingProxyType(
                {
                    "yes": gettext_noop("Its logging is on."),
                    "no": gettext_noop("The trail records nothing."),
                }
            ),
        ),
        Live("bucket", gettext_noop("It writes to bucket {bucket}.")),
        Live(
            "selectors",
            gettext_noop("It records what these selectors name:"),
            gettext_noop("It has no selector of its own."),
        ),
        Live(
            "left_out",
            gettext_noop("It records management events, all but these:"),
            gettext_noop("No setting that was read leaves out management events."),
        ),
        Live("stopped", gettext_noop("Its logging was last stopped {stopped}.")),
        Live("delivery_error", gettext_noop("Its last delivery failed: {delivery_error}.")),
    ),
    no_secret_compared=gettext_noop("A trail has no secret."),
)

START_LOGGING = ActionSpec(
    kind="aws.trail.start_logging",
    version=1,
    title="Start the logging of an AWS CloudTrail trail",
    sentence="Start the logging of trail {trail} in region {region} of AWS account {account}.",
    headline="Start the logging of AWS trail {trail} (account {account}, region {region})",
    headlines=(
        "Start the logging of {count} trails in AWS account {account}",
        "Start the logging of {count} AWS trails",
    ),
    done="The logging of trail {trail} in region {region} is on; its settings say what it records.",
    target_kind=TRAIL.kind,
    # Undoing it would switch evidence off, and nobody needs the portal for that.
    rollback=None,
    reversible=False,
    hard_timeout_s=45,
    # CloudTrail promises no time after which every read shows a change; a file comes within about 5
    # minutes ("Getting and viewing your CloudTrail log files").
    propagation_s=300,
    # Where the events go is part of the decision: an intruder may have sent them elsewhere.
    pin_fields=(
        "logging",
        "trail_arn",
        "bucket",
        "bucket_prefix",
        "kms_key",
        "multi_region",
        "log_file_validation",
        "global_services",
        "organisation",
        "log_group",
        "selectors",
    ),
    leads_to=MappingProxyType({"logging": True}),
    ends_sessions=gettext_noop("It ends no session and takes no access away."),
    limits=(
        Limit(
            "delivery_error",
            present=gettext_noop(
                "CloudTrail could not write to the bucket the last time: {value}. Starting the"
                " logging does not mend that."
            ),
            absent="",
            unknown=gettext_noop(
                "It was not looked at whether CloudTrail can write to the bucket."
            ),
        ),
        Limit(
            "organisation",
            present=gettext_noop(
                "It is the trail of the organisation: it records events of each account in it."
            ),
            absent="",
            unknown=gettext_noop("It was not looked at whether it is an organisation's trail."),
        ),
        Limit(
            "left_out",
            present=gettext_noop(
                "It records management events, all but these, which it left out when it was looked"
                " at: {value}."
            ),
            absent="",
            unknown=gettext_noop("It was not looked at which events it leaves out."),
        ),
    ),
    credential=Limit(
        "uncut",
        present=gettext_noop("The worker's login is not cut to this step: {value}."),
        absent=gettext_noop(
            "The worker's session is cut to starting the logging of this trail, for 15 minutes."
        ),
        unknown=gettext_noop(
            "It was not looked at whether the worker's login is cut to this step."
        ),
    ),
    cannot=(
        gettext_noop(
            "It cannot be undone, because undoing it would switch evidence off. Who may stop the"
            " trail can do so in AWS."
        ),
        gettext_noop("It does not bring back events from the time in which it was stopped."),
        gettext_noop("It does not change the selectors: what they leave out is not recorded."),
        gettext_noop("It does not keep anybody from stopping the trail again."),
        gettext_noop("It does not change the bucket, its policy or the encryption key."),
        gettext_noop(
            "It does not look at whose bucket that is: a name of a deleted bucket can be taken by"
            " anybody, and the events then go there."
        ),
    ),
)
