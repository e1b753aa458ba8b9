"""A locator can be read in one way only, whatever names a target has."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remediation.domain.catalogue import MAX_LOCATOR, TARGETS
from remediation.domain.catalogue.locators import escape, fields_of, is_plain, locator_of, unescape
from remediation.domain.catalogue.postgres_role import ROLE
from remediation.domain.errors import BadInput
from remediation.domain.plan import parse_target, target_at

# What the pattern of roles was before their names were free (frozen.json).
BEFORE = r"[A-Za-z_][A-Za-z0-9_$.-]{0,62}"
CLUSTERS = st.from_regex(ROLE.fields["cluster"], fullmatch=True)
# Every name that PostgreSQL takes: 1 to 63 bytes of UTF-8 without NUL.
NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=63
).filter(lambda name: len(name.encode()) <= 63)
# The three of the situations, and what each part of the encoding could trip over.
LISTED = {
    "billing-sa@acme.iam": "billing-sa%40acme.iam",
    "my app identity": "my%20app%20identity",
    "1st_sync": "1st_sync",
    "\u00fcn\u00efcode": "%C3%BCn%C3%AFcode",
    "u\u0308": "u%CC%88",
    "%41": "%2541",
    "a/b:c": "a%2Fb%3Ac",
    'say "no"\\': "say%20%22no%22%5C",
    "two\nlines\t": "two%0Alines%09",
    "~": "%7E",
    "\u202e\u200b": "%E2%80%AE%E2%80%8B",
    "\U0010ffff" * 15: "%F4%8F%BF%BF" * 15,
}


@pytest.mark.parametrize(("name", "text"), LISTED.items())
def test_each_byte_outside_the_safe_set_is_escaped(name: str, text: str) -> None:
    assert (escape(name), unescape(text)) == (text, name)


@given(CLUSTERS, NAMES)
@example("a" * 63, "\u00ff" * 31 + "/")
@example("a" * 63, " " * 63)
def test_a_locator_leads_back_to_its_target(cluster: str, name: str) -> None:
    """So two targets never share one: the way back would have two results."""
    target = parse_target({"kind": ROLE.kind, "cluster": cluster, "role": name})
    assert target.fields == {"cluster": cluster, "role": name}
    locator = target.locator
    assert fields_of(ROLE, locator) == target.fields
    assert target_at(locator) == target
    assert locator.isascii() and locator.isprintable() and " " not in locator
    assert len(locator) <= MAX_LOCATOR


@given(st.from_regex(BEFORE, fullmatch=True))
def test_a_name_that_was_served_before_keeps_its_locator(name: str) -> None:
    fields = {"cluster": "billing", "role": name}
    assert is_plain(name)
    assert locator_of(ROLE, fields) == f"postgres.role:billing/{name}"


@given(st.text(alphabet="ab%/:4F0é\n~", max_size=12))
def test_only_what_escape_writes_is_read(text: str) -> None:
    value = unescape(text)
    assert value is None or escape(value) == text


@pytest.mark.parametrize(
    "text",
    [
        "%",
        "%4",
        "%zz",
        "a b",
        "%41",  # "A" needs no escape
        "%c3%bc",  # lower case
        "%C3",  # half a character
        "%C0%AF",  # "/" in too many bytes
        "%ED%A0%80",  # a surrogate
        "\u00fc",
        "a/b",
    ],
)
def test_a_second_spelling_is_no_locator(text: str) -> None:
    assert unescape(text) is None
    with pytest.raises(BadInput):
        target_at(f"postgres.role:billing/{text}")


@pytest.mark.parametrize(
    "locator",
    [
        "",
        "postgres.role",
        "postgres.role:billing",
        "postgres.role:billing/",
        "postgres.role:/a",
        "postgres.role:billing/a/b",
        "postgres.role:Billing/a",
        "postgres.rule:billing/a",
        "postgres.role:billing/%00",
        "postgres.role:billing/" + "%20" * 64,
    ],
)
def test_what_names_no_target_is_refused(locator: str) -> None:
    with pytest.raises(BadInput):
        target_at(locator)


def test_every_example_reads_back_from_its_locator() -> None:
    for spec in TARGETS.values():
        assert fields_of(spec, locator_of(spec, spec.example)) == dict(spec.example)


def test_the_control_without_escaping_two_targets_share_a_locator() -> None:
    raw = replace(ROLE, escaped={}, fields={**ROLE.fields, "schema": ROLE.fields["role"]})
    one = {"cluster": "c", "role": "a/b", "schema": "x"}
    other = {"cluster": "c", "role": "a", "schema": "b/x"}
    assert locator_of(raw, one) == locator_of(raw, other)
    whole = replace(raw, escaped={"role": 63, "schema": 63})
    assert locator_of(whole, one) != locator_of(whole, other)


def test_the_safe_set_is_what_the_old_pattern_took() -> None:
    taken = {chr(n) for n in range(128) if re.fullmatch(BEFORE, "a" + chr(n), re.ASCII)}
    assert taken == {chr(n) for n in range(128) if is_plain(chr(n))}
