"""The registry refuses a declaration that contradicts itself or another, and names its kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from remediation.domain import catalogue
from remediation.domain.catalogue import (
    ACTIONS,
    BUILT_IN,
    PROVIDERS,
    TARGETS,
    ActionSpec,
    CatalogueInvalid,
    Limit,
    Protected,
    Provider,
    build,
    kubernetes,
    postgres,
    register,
)
from remediation.domain.catalogue.postgres_login import DISABLE, ENABLE
from remediation.domain.catalogue.postgres_role import ROLE


def provider(**changes: Any) -> Provider:
    """Return the provider with its roles alone, changed."""
    own = tuple(each for each in postgres.PROVIDER.actions if each.target_kind == ROLE.kind)
    return replace(postgres.PROVIDER, **{"targets": (ROLE,), "actions": own, **changes})


def target(**changes: Any) -> Provider:
    return provider(targets=(replace(ROLE, **changes),))


def unescaped(**changes: Any) -> Provider:
    return target(escaped={}, **changes)


def limited(*limits: Limit) -> Provider:
    return action(limits=limits)


def action(**changes: Any) -> Provider:
    return provider(actions=(replace(DISABLE, **changes), ENABLE))


@pytest.mark.parametrize(
    ("earlier", "says"),
    [
        ((DISABLE,), "not in order, each once"),
        ((replace(DISABLE, version=3),), "not in order, each once"),
        ((DISABLE.earlier[0], DISABLE.earlier[0]), "not in order, each once"),
        ((ENABLE.earlier[0],), "an earlier version is another action"),
    ],
)
def test_a05_earlier_versions_of_an_action_are_told_apart(
    earlier: tuple[ActionSpec, ...], says: str
) -> None:
    with pytest.raises(CatalogueInvalid, match=says):
        build((action(earlier=earlier),))


def test_the_built_in_declarations_hold() -> None:
    whole = build(BUILT_IN)
    assert (whole.providers, whole.targets, whole.actions) == (PROVIDERS, TARGETS, ACTIONS)


OTHER = {"name": "other2", "targets": (kubernetes.SECRET,), "actions": ()}


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        (provider(name="Post gres"), "short lower-case word"),
        (provider(targets=()), "no kind of target"),
        (provider(**OTHER), "'kubernetes.secret' does not begin with other2."),
        (provider(targets=(ROLE, ROLE)), "kind postgres.role is declared twice"),
        (provider(actions=(DISABLE, ENABLE, ENABLE)), "postgres.role.enable is declared twice"),
        (target(kind="postgres"), "does not begin"),
        (target(kind="postgres.Role"), "is not a kind"),
        (target(kind="postgres." + "x" * 60), "is not a kind"),
        (target(distinguishing="user"), "no field user"),
        (target(distinguishing=""), "no field distinguishes it"),
        (target(names=("user",)), "no field user"),
        (target(account="user"), "no field user"),
        (target(holder="user"), "no field user"),
        (target(free="user"), "no field user"),
        (target(protected=(Protected("user", "x"),)), "no field user"),
        (target(protected=(Protected("role", "x", "("),)), "protected role: not a pattern"),
        (target(fields={**ROLE.fields, "role": "("}), "field role: not a pattern"),
        (target(fields={**ROLE.fields, "role": ".*"}), "field role: the pattern takes ''"),
        (unescaped(fields={**ROLE.fields, "role": ".+"}), "field role: the pattern takes 'a/b'"),
        (unescaped(fields={**ROLE.fields, "role": r"\S+"}), "the pattern takes 'a/b'"),
        (unescaped(fields={**ROLE.fields, "role": r"[^/]+"}), "the pattern takes 'a:b'"),
        (unescaped(), "field role: the pattern takes 'a/b'"),
        (target(fields={**ROLE.fields, "role": "(?s:.)+"}), r"the pattern takes 'a\x00b'"),
        (target(escaped={"user": 63}), "no field user"),
        (target(escaped={"role": 5}), "the example has more bytes"),
        (target(fields={**ROLE.fields, "role": "[0-9]"}), "the example does not match"),
        (target(example={"role": "x"}), "the example does not"),
        (target(report_only=True), "report-only, but an action works on it"),
        (provider(actions=()), "does not say that it is report-only"),
        (action(target_kind="postgres.cluster"), "works on postgres.cluster, which postgres does"),
        (action(target_kind=kubernetes.SECRET.kind), "which postgres does not declare"),
        (action(sentence="Do it to {role}."), "exactly the fields"),
        (action(sentence="{role} {cluster} {user}"), "exactly the fields"),
        (action(rollback=None), "if and only if"),
        (action(reversible=False), "if and only if"),
        (action(rollback="aws.iam.activate_access_key"), "no action on the same kind"),
        (action(version=0), "version is at least 1"),
        (action(hard_timeout_s=0), "hard timeout"),
        (action(hard_timeout_s=61), "hard timeout"),
        (action(propagation_s=-1), "not negative"),
        (action(pin_fields=(), leads_to={}), "nothing to pin"),
        (action(unpinned_reason="none"), "nothing to pin"),
        (action(leads_to={"password": ""}), "fields that are not pinned"),
        (action(ends_sessions=""), "sessions"),
        (action(cannot=()), "what it cannot do"),
        (limited(Limit("sessions", "It is.", "", "")), "what is unknown"),
        (limited(Limit("sessions", "", "", "It was not looked at.")), "what is present"),
        (limited(Limit("login", "It is.", "", "x")), "limit login: postgres.role shows no such"),
        (limited(Limit("pets", "It is.", "", "x")), "limit pets: postgres.role shows no such"),
        (limited(*2 * [Limit("sessions", "x", "", "y")]), "limit sessions is declared twice"),
        (limited(Limit("sessions", "{value} {value}", "", "x")), "only {value}, once"),
        (limited(Limit("sessions", "{count}", "", "x")), "only {value}, once"),
        (limited(Limit("sessions", "{value!r}", "", "x")), "only {value}, once"),
        (limited(Limit("sessions", "{value:>9}", "", "x")), "only {value}, once"),
        (limited(Limit("sessions", "{", "", "x")), "only {value}, once"),
        (limited(Limit("sessions", "x", "{value}", "x")), "only {value}, once"),
        (limited(Limit("sessions", "x", "", "{value}")), "only {value}, once"),
        (action(credential=None), "how far the worker's credential is cut"),
        (action(credential=Limit("", "x", "y", "")), "always cut, or never"),
        (action(credential=Limit("", "", "", "")), "always cut, or never"),
        (action(credential=Limit("", "x", "", "y")), "always cut, or never"),
        (action(credential=Limit("", "{value}", "", "")), "nothing is replaced"),
        (action(credential=Limit("pets", "x", "", "y")), "its credential: postgres.role shows no"),
        (action(credential=Limit("uncut", "x", "", "")), "what is unknown"),
        (action(parameters={"type": "nothing"}), "no JSON Schema"),
        (action(parameters={"type": "object", "properties": {}}), "not a closed object"),
        (action(example={"x": 1}), "the example is not valid"),
    ],
)
def test_an_inconsistent_declaration_is_refused(declared: Provider, says: str) -> None:
    with pytest.raises(CatalogueInvalid) as refused:
        build([declared])
    assert says in str(refused.value)


# What a template of str.format reads as more than a name, what guards cannot read, and `kind`.
WRONG_FIELDS = (
    "kind",
    "Name",
    "a.b",
    "name[0]",
    "0",
    "n!r",
    "n:>9",
    "{n}",
    "x}{y",
    "a b",
    "\u00fc",
    "",
)


@pytest.mark.parametrize("name", WRONG_FIELDS)
def test_a_name_of_a_field_that_breaks_the_locator_is_refused(name: str) -> None:
    """By name, not by an error of its own: whoever starts the process reads which kind it is."""
    named = target(fields={**ROLE.fields, name: "[a-z]+"}, example={**ROLE.example, name: "x"})
    with pytest.raises(CatalogueInvalid, match=r"postgres\.role.*is not a name for a field"):
        build([named])


@pytest.mark.parametrize(
    "sentence",
    [
        "Disable {role:.3} on {cluster}.",  # shown cut
        "Disable {role:>500} on {cluster}.",  # pushed out of sight
        "Disable {role!r} on {cluster}.",
        "Disable {role!s:.{cluster}} on {cluster}.",
        "Disable {role on {cluster}.",
        "Disable {role} on {cluster",
    ],
)
def test_a02_a_sentence_that_changes_a_value_is_refused(sentence: str) -> None:
    """The reviewer reads the sentence; the executor runs the whole value."""
    with pytest.raises(CatalogueInvalid, match="the sentence"):
        build([action(sentence=sentence)])


def test_a_refused_registration_leaves_the_catalogue_as_it_was() -> None:
    before = (dict(PROVIDERS), dict(TARGETS), dict(ACTIONS))
    good = Provider(
        "fine", "Fine", (replace(kubernetes.SECRET, kind="fine.secret", report_only=True),)
    )
    for wrong in (postgres.PROVIDER, target(kind="postgres")):
        with pytest.raises(CatalogueInvalid):
            register(good, wrong)
    assert (dict(PROVIDERS), dict(TARGETS), dict(ACTIONS)) == before


def test_unknown_kinds_have_no_provider_and_no_action() -> None:
    assert catalogue.provider_of("nobody.knows") is None
    assert catalogue.kind_of("nobody.knows:x") is None
    assert catalogue.is_report_only("nobody.knows:x")
    assert not catalogue.is_test("nobody.knows")
    with pytest.raises(KeyError):
        catalogue.after("nobody.knows", {})
