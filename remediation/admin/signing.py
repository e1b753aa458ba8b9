"""Say in words what a passkey signs on the pages of people and rights (docs/attacks.md A76)."""

from __future__ import annotations

from django.utils.translation import gettext, gettext_lazy, pgettext

from remediation.domain.act import Act
from remediation.services.people.accounts import PersonFacts

RIGHTS = {"view_service": gettext_lazy("may see"), "review_service": gettext_lazy("may review")}
PLACES = {
    "service": gettext_lazy("service %(name)s"),
    "team": gettext_lazy("all services of the owner team %(name)s"),
    "environment": gettext_lazy("all services of the environment %(name)s"),
}


def describe_right(act: Act, holder: str) -> str:
    """Describe that a right is given to, or taken from, a person or group of this name."""
    kind, _, name = act.object.partition(":")
    said = {
        "right": RIGHTS[str(act.input["right"])],
        "place": str(PLACES[kind]) % {"name": name},
        "holder": holder,
    }
    if act.input["held"]:
        return gettext("give %(holder)s the right “%(right)s” on %(place)s") % said
    return gettext("take the right “%(right)s” on %(place)s from %(holder)s") % said


def describe_new_account(act: Act, username: str, facts: PersonFacts) -> str:
    """Describe the account that is made."""
    said = {"username": username, "groups": _listed(act.input["given"]), "mail": facts.email or "—"}
    return gettext(
        "create the account %(username)s (e-mail: %(mail)s), in the groups: %(groups)s"
    ) % said  # fmt: skip


def describe_change(act: Act, username: str, before: PersonFacts, facts: PersonFacts) -> str:
    """Describe what of the account changes, each part in words."""
    parts = []
    if act.input["given"]:
        parts.append(gettext("give the groups: %(names)s") % {"names": _listed(act.input["given"])})
    if act.input["taken"]:
        parts.append(gettext("take the groups: %(names)s") % {"names": _listed(act.input["taken"])})
    if facts.active != before.active:
        parts.append(gettext("switch it on") if facts.active else gettext("switch it off"))
    if facts.email != before.email:
        parts.append(gettext("e-mail: %(mail)s") % {"mail": facts.email or "—"})
    names = (facts.first_name, facts.last_name)
    if names != (before.first_name, before.last_name):
        parts.append(gettext("name: %(name)s") % {"name": " ".join(filter(None, names)) or "—"})
    said = {"username": username, "parts": "; ".join(parts) or pgettext("no change", "nothing")}
    return gettext("change the account %(username)s – %(parts)s") % said


def describe_group(act: Act) -> str:
    """Describe the group that is made."""
    return gettext("create the group %(name)s") % {"name": act.object.partition(":")[2]}


def _listed(names: object) -> str:
    listed = names if isinstance(names, list) else []
    return ", ".join(map(str, listed)) or pgettext("groups of a person", "none")
