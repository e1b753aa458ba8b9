"""AWS: the event selectors of a trail of CloudTrail, which are as before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws_trail import START_LOGGING
from remediation.domain.catalogue.spec import Change, Limit, Op, gettext_noop

# CloudTrail's own limits are lower: 5 selectors, or 500 values in all advanced ones.
MOST_SELECTORS, LONGEST_SELECTORS = 100, 16_000

_SELECTORS: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {
            "earlier_selectors": {
                "type": "array",
                "items": {"type": "string", "minLength": 2, "maxLength": LONGEST_SELECTORS},
                "minItems": 1,
                "maxItems": MOST_SELECTORS,
                "uniqueItems": True,
            }
        },
        "required": ["earlier_selectors"],
        "additionalProperties": False,
    }
)

RESTORE_SELECTORS = replace(
    START_LOGGING,
    kind="aws.trail.restore_selectors",
    title="Restore the event selectors of an AWS CloudTrail trail",
    sentence="Give trail {trail} in region {region} of AWS account {account} exactly the named"
    " event selectors.",
    headline="Restore the selectors of AWS trail {trail} (account {account}, region {region})",
    headlines=(
        "Restore the selectors of {count} trails in AWS account {account}",
        "Restore the selectors of {count} AWS trails",
    ),
    done="Trail {trail} in region {region} has the named event selectors.",
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"selectors": Change(Op.SET, parameter="earlier_selectors")}),
    parameters=_SELECTORS,
    example=MappingProxyType(
        {"earlier_selectors": ['{"IncludeManagementEvents":true,"ReadWriteType":"All"}']}
    ),
    shows=("lost_events",),
    limits=(
        *START_LOGGING.limits[1:],
        Limit(
            "lost_events",
            present=gettext_noop(
                "With the named selectors it no longer records these events, which it records now:"
                " {value}."
            ),
            absent=gettext_noop("The named selectors record all events that it records now."),
            unknown=gettext_noop(
                "It was not looked at whether the named selectors record all that it records now."
            ),
        ),
    ),
    credential=Limit(
        "uncut",
        present=gettext_noop("The worker's login is not cut to this step: {value}."),
        absent=gettext_noop(
            "The worker's session is cut to the selectors of this trail, for 15 minutes. A thief of"
            " it could narrow them."
        ),
        unknown=gettext_noop(
            "It was not looked at whether the worker's login is cut to this step."
        ),
    ),
    cannot=(
        gettext_noop(
            "It cannot be undone, because undoing it would switch evidence off. Who may change the"
            " trail can do so in AWS."
        ),
        gettext_noop("It does not start the logging of a stopped trail."),
        gettext_noop("It does not bring back events that the trail did not record."),
        gettext_noop(
            "It refuses selectors that record only less than now, or no reads or no writes of"
            " management events any more. What else they no longer record is named; more may be"
            " named than is lost."
        ),
        gettext_noop("It does not look at insights, and does not change them."),
        gettext_noop(
            "It stops if the selectors change after people decided: who changes them before each"
            " run holds it off."
        ),
        gettext_noop("It does not change basic selectors to advanced ones, or back."),
        gettext_noop("It does not keep anybody from changing the selectors again."),
    ),
)
