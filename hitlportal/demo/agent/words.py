"""The sentences of a report: names, counts and times only, no free text of a caller."""

from __future__ import annotations

from collections.abc import Sequence

from hitlportal.demo.agent.detect import Finding
from hitlportal.demo.agent.principal import Kind
from hitlportal.demo.agent.records import Json

Targets = Sequence[dict[str, Json]]


def title(finding: Finding, identity: dict[str, Json]) -> str:
    """Return the report's title: the identity and the tactics."""
    tactics = list(dict.fromkeys(signal.tactic for signal in finding.signals))
    fields = [("access_key_id", "Access key"), ("user", "User"), ("role", "Role")]
    named = next((f"{word} {identity[f]}" for f, word in fields if f in identity), "Root user")
    return f"{named} in account {identity['account']}: {', '.join(tactics)}"[:200]


def summary(finding: Finding, targets: Targets) -> str:
    """Return the diagnosis, what the plan does, and what remains to be done."""
    records = [record for signal in finding.signals for record in signal.records]
    first = min(record.text("eventTime") for record in records)
    last = max(record.text("eventTime") for record in records)
    tactics = ", ".join(dict.fromkeys(signal.tactic for signal in finding.signals))
    left = "Not undone by the plan:" if targets else "To be done by people:"
    lines = [
        f"{finding.origin.who} shows signs of being in wrong hands ({tactics}), {first} to {last}.",
        *_members(finding),
        _plan_line(targets),
        *(f"{left} {line}" for line in after_words(finding)),
        "The caller's own words (user agent, names of things) were not used to find this.",
    ]
    return "\n".join(lines)[:4000]


def _members(finding: Finding) -> list[str]:
    if len(finding.members) == 1:
        return []
    names = [f"{who.kind.value} {who.key_id or who.name}" for who in finding.members[1:]]
    return [f"Linked credentials: {', '.join(names[:10])}."]


def _plan_line(targets: Targets) -> str:
    if not targets:
        return "The catalogue has no action that contains this identity; people have to act."
    keys = ", then ".join(f"{t['access_key_id']} of user {t['user']}" for t in targets)
    return f"The plan deactivates {keys}."


def after_words(finding: Finding) -> list[str]:
    """Return the work that remains when the keys are disabled, each once."""
    lines = [signal.after for signal in finding.signals if signal.after]
    roles = sorted({who.name for who in finding.members if who.kind is Kind.SESSION})
    for role in roles:
        line = f"Revoke the sessions of role {role} issued until now: they live until they expire."
        beside = [who for who in finding.others if who.name == role]
        if beside:
            keys = ", ".join(who.key_id for who in beside[:5])
            line += f" That also ends sessions that look legitimate ({keys})."
        lines.append(line)
    return list(dict.fromkeys(lines))


GENTLER = (
    "Only the keys that the intruder made: no service uses them, so nothing else is interrupted."
    " The credential that made them stays in use, and whoever holds it can make more."
)


def rationale(finding: Finding, targets: Targets) -> str:
    """Explain the steps and their order."""
    made = {key.key_id for key in finding.created}
    lines = [
        "Deactivating an access key stops it within minutes and can be undone at any time; "
        "deleting it cannot, and would take the key id from later queries "
        "(AWS incident response playbook for credential compromise, 3.2).",
    ]
    if made and len(targets) > 1:
        lines.append(
            "Keys that the credential created go first, then the credential that could create "
            "more: so the intruder never has a spare key."
        )
    if any(who.kind is Kind.SESSION for who in finding.members):
        lines.append("Sessions opened before stay valid until they expire.")
    return "\n".join(lines)[:4000]
