"""Tell leads and administrators of rights at once when no living people can decide (A81).

The page computes the same anew (`deciders.missing`), but without the keys: only the worker's host
has the approvers file.
"""

from __future__ import annotations

from collections.abc import Iterable

from remediation.domain.errors import Refused
from remediation.domain.ruling import Ruling
from remediation.domain.slots import ANY, LEAD, OWNERS, SERVICE_OWNER, role_of
from remediation.domain.telling import Kind
from remediation.models import Assessment, Proposal
from remediation.services import host_files
from remediation.services.access import deciders
from remediation.services.clock import database_now
from remediation.services.outbox import audience, tell
from remediation.services.people.accounts import USER_ADMIN

NO_KEY = "has no key for this role in the approvers file"
# People read this in a message; the page has all.
_MOST_NAMED = 8


def tell_if_undecidable(proposal: Proposal, made: Assessment) -> tuple[str, ...]:
    """Record whom to tell if the round's slots cannot all be filled; return the slots in question.

    In the transaction of the assessment. It never refuses: an assessment without deciders is still
    an assessment, and its proposal expires as any other.
    """
    proposal.refresh_from_db(fields=["round", "state"])
    keyed = _holders_of_keys()
    missing = deciders.missing(proposal, keyed=keyed)
    if missing:
        tell.tell(
            Kind.NOBODY_CAN_DECIDE,
            people=audience.holders(LEAD, USER_ADMIN),
            once=f"nobody_can_decide:{proposal.pk}:{made.round}",
            text=_text(proposal, made, missing, keyed),
            proposal=proposal,
        )
    return missing


def _holders_of_keys() -> deciders.Keyed | None:
    """Return whether a person has a valid key for a slot; None where the file cannot be read."""
    try:
        found = host_files.approvers()
    except Refused:
        return None
    now = database_now()
    valid = [entry for entry in found.entries if entry.valid(now)]
    return lambda person, slot: any(
        entry.person == str(person) and entry.may_fill(slot) for entry in valid
    )


def _text(
    proposal: Proposal, made: Assessment, missing: tuple[str, ...], keyed: deciders.Keyed | None
) -> str:
    asked = "; ".join(describe_slots(Ruling.parse(bytes(made.ruling)), missing))
    lines = [f"No active people who may decide can fill: {asked}."]
    named = list(_why_not(proposal, keyed))
    lines += [f"{who}: {why}" for who, why in named[:_MOST_NAMED]]
    if len(named) > _MOST_NAMED:
        lines.append(f"and {len(named) - _MOST_NAMED} more")
    lines.append("Give somebody the role, the right or the key, or the proposal will expire.")
    return "\n".join(lines)


def _why_not(proposal: Proposal, keyed: deciders.Keyed | None) -> Iterable[tuple[str, str]]:
    for one in deciders.deciders(proposal):
        if one.why_not:
            yield one.name, "; ".join(one.why_not)
        elif keyed is not None and not any(keyed(one.person, slot) for slot in one.slots):
            yield one.name, NO_KEY


def describe_slots(ruling: Ruling, slots: Iterable[str]) -> list[str]:
    """Describe slots in words, for messages; pages have their own, translated."""
    teams = {owner.slot: owner for owner in ruling.owners}
    words = {ANY: "any approver", SERVICE_OWNER: "a service owner", LEAD: "a lead"}
    return [
        f"an owner of team {teams[slot].team} ({', '.join(teams[slot].services[:5])})"
        if slot in OWNERS and slot in teams
        else words.get(role_of(slot), slot)
        for slot in slots
    ]
