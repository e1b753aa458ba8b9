"""An import: new objects get the strictest value, silence changes nothing, loosening is marked."""

from __future__ import annotations

import pytest

from remediation.domain import errors
from remediation.domain.intake import report
from remediation.domain.intake.changes import STRICTEST, Facts, Known
from tests.domain.intake.files import difference, state
from tests.domain.intake.test_readers import CONSUMERS, EDGES, IDENTITIES, SERVICES
from tests.every import every

MILD: Facts = {
    "owner_team": "shop",
    "environment": "staging",
    "criticality": "low",
    "payment_path": False,
    "external_partner": False,
    "retired": False,
}
EDGE: Facts = {"present": True, "seen_as": "web", "period_s": 3600, "takes_by": "restart"}
ROLE: Facts = {"name": "", "environment": "staging", "owner_team": "", "retired": False}
KNOWN = Known(
    {"web": {**MILD, "criticality": "high", "payment_path": True}, "api": MILD, "old": MILD},
    {"postgres.role:c/r": ROLE},
    {("web", "api", ""): {"present": True}, ("web", "", "postgres.role:c/r"): EDGE},
)


def test_a_new_object_gets_the_strictest_value_where_the_file_is_silent() -> None:
    (made,) = difference(state("csv", SERVICES + "new,,,low,,,\n")).changes
    assert (made.before, made.after) == (None, {**STRICTEST, "criticality": "low"})
    assert made.assumed == ("environment", "payment_path", "external_partner")
    assert made.loosens == ()


def test_silence_of_a_file_changes_no_existing_value() -> None:
    found = difference(state("csv", SERVICES + "web,,,,,,\napi,shop,,,,,\n"), KNOWN)
    assert (found.changes, found.unchanged) == ((), 2)
    assert report.summary(found) == "Nothing to do: 2 objects match the files."


@every(
    ("row", "attribute", "loosens"),
    [
        ("web,,development,,,,", "environment", True),
        ("web,,production,,,,", "environment", True),
        ("web,,,medium,,,", "criticality", True),
        ("web,,,critical,,,", "criticality", False),
        ("web,,,,no,,", "payment_path", True),
        ("web,,,,,yes,", "external_partner", False),
        ("web,,,,,,yes", "retired", True),
        ("web,other,,,,,", "owner_team", True),
    ],
)
def test_a45_loosening_changes_are_marked(row: str, attribute: str, loosens: bool) -> None:
    """A move loosens in each direction: rights are given on teams and environments."""
    found = difference(state("csv", SERVICES + row + "\n"), KNOWN)
    (changed,) = found.changes
    assert [name for name, _, _ in changed.differing] == [attribute]
    assert changed.loosens == ((attribute,) if loosens else ())
    assert found.loosening() == ([changed] if loosens else [])
    assert any("(looser)" in line for line in report.lines(found)) == loosens


def test_a45_a_first_owner_counts_as_loosening() -> None:
    known = Known({"a": {**MILD, "owner_team": ""}}, {}, {})
    (changed,) = difference(state("csv", SERVICES + "a,shop,,,,,\n"), known).changes
    assert changed.loosens == ("owner_team",)


def test_a45_a_removed_dependency_loosens_and_a_restored_one_to_an_identity() -> None:
    found = difference(state("csv", EDGES + "web,api,,no\n"), KNOWN)
    assert [change.loosens for change in found.changes] == [("present",)]
    edges = {key: {**facts, "present": False} for key, facts in KNOWN.edges.items()}
    gone = Known(KNOWN.services, KNOWN.identities, edges)
    back = difference(state("csv", EDGES + "web,api,,\nweb,,postgres.role:c/r,yes\n"), gone)
    assert [change.loosens for change in back.changes] == [(), ("present",)]


@every(
    ("row", "loosens"),
    [
        ("web,postgres.role:c/r,,batch,,", ("seen_as",)),
        ("web,postgres.role:c/r,,,15m,", ("period_s",)),
        ("web,postgres.role:c/r,,,24h,", ()),
        ("web,postgres.role:c/r,,,,reload", ()),
        ("web,postgres.role:c/r,no,other,0,", ("present",)),
    ],
)
def test_a45_what_can_end_a_wait_earlier_loosens(row: str, loosens: tuple[str, ...]) -> None:
    (changed,) = difference(state("csv", CONSUMERS + row + "\n"), KNOWN).changes
    assert changed.loosens == loosens


def test_a45_a_first_period_loosens_because_a_missing_one_counts_as_long() -> None:
    edges = {key: {**facts, "seen_as": "", "period_s": None} for key, facts in KNOWN.edges.items()}
    known = Known(KNOWN.services, KNOWN.identities, edges)
    row = "web,postgres.role:c/r,,web,1h,\n"
    (changed,) = difference(state("csv", CONSUMERS + row), known).changes
    assert changed.loosens == ("seen_as", "period_s")


def test_what_a_file_does_not_say_of_a_use_stays() -> None:
    found = difference(state("csv", EDGES + "web,,postgres.role:c/r,yes\n"), KNOWN)
    assert (found.changes, found.unchanged) == ((), 1)


def test_a45_an_identity_of_less_weight_loosens() -> None:
    found = difference(state("csv", IDENTITIES + "postgres.role:c/r,,,development,\n"), KNOWN)
    assert [change.loosens for change in found.changes] == [("environment",)]


def test_objects_missing_from_the_files_are_listed_and_kept() -> None:
    found = difference(state("csv", SERVICES + "web,,,,,,\nlast,,,,,,\n"), KNOWN)
    assert found.missing_services == ("api", "old")
    assert found.missing_edges == ("web → api",)
    assert [change.name for change in found.changes] == ["last"]


def test_complete_files_retire_missing_services_but_keep_identities() -> None:
    found = difference(state("csv", SERVICES + "web,,,,,,\n"), KNOWN, complete=True)
    assert [(c.name, c.loosens) for c in found.changes] == [
        ("api", ("retired",)),
        ("old", ("retired",)),
        ("web → api", ("present",)),
    ]


def test_complete_files_restore_what_they_state_again() -> None:
    known = Known({"web": {**MILD, "retired": True}}, {}, {})
    (back,) = difference(state("csv", SERVICES + "web,,,,,,\n"), known, complete=True).changes
    assert back.differing == [("retired", True, False)]
    assert difference(state("csv", SERVICES + "web,,,,,,\n"), known).changes == ()


def test_unknown_owners_are_listed() -> None:
    found = difference(state("csv", SERVICES + "a,,,,,,\nb,shop,,,,,\nc,strangers,,,,,\n"), KNOWN)
    assert (found.unowned, found.unknown_teams) == (("a",), ("strangers",))


@pytest.mark.parametrize("edge", ["web,unheard,,", "unheard,web,,", "web,,postgres.role:c/none,"])
def test_a_dependency_on_nothing_is_refused_by_line(edge: str) -> None:
    with pytest.raises(errors.BadValue, match=r"file1\.yaml, line 2: neither the files nor the"):
        difference(state("csv", EDGES + edge + "\n"), KNOWN)


def test_a_dangling_reference_is_reported() -> None:
    found = difference(state("compose", "services: {a: {depends_on: [unheard]}}"), KNOWN)
    assert found.unresolved == ("a → unheard: nothing known is called unheard",)
    assert not found.added("dependency")


def test_the_digest_changes_with_every_change_and_with_every_byte_of_the_files() -> None:
    one = difference(state("csv", SERVICES + "a,,,low,,,\n"))
    two = difference(state("csv", SERVICES + "a,,,medium,,,\n"))
    assert len({one.digest({}), two.digest({}), one.digest({"files": "other"})}) == 3
    assert one.digest({}) == difference(state("csv", SERVICES + "a,,,low,,,\n")).digest({})


def test_the_report_holds_every_change_of_existing_values() -> None:
    many = Known({f"s{n}": MILD for n in range(50)}, {}, {})
    text = SERVICES + "".join(f"s{n},,production,,,,\nn{n},,,,,,\n" for n in range(50))
    told = "\n".join(report.lines(difference(state("csv", text), many), most=20))
    assert all(f"~ s{n}: environment staging -> production" in told for n in range(50))
    assert told.count("  + n") == 20
    assert "… and 30 more" in told
    assert "New: 50 services, 0 identities, 0 dependencies. Changed: 50, of these less" in told
