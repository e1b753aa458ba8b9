"""`manage.py rights`: list, give and take, all rows or none."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import Settings

from audit.models import Entry
from remediation.domain.intake import rights as table
from tests import factories
from tests.factories import OPERATORS
from tests.flows.world import acts

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def people(settings: Settings) -> None:
    settings.PROCESS = "operator"
    factories.service("orders", owner_team="payments")
    factories.person("rita")
    factories.person("sam", roles=["oncall"])


def ran(*words: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    try:
        with acts(OPERATORS):
            call_command("rights", *words, stdout=out, stderr=err)
    except CommandError as error:
        return "", err.getvalue() + str(error)
    return out.getvalue(), err.getvalue()


def changes() -> list[tuple[str, bool]]:
    entries = [e.data for e in Entry.objects.order_by("id")]
    return [
        (e["actor"].partition(":")[0], e["data"]["held"])
        for e in entries
        if e["action"] == "operator:right:changed" and "held" in e["data"]
    ]


def test_one_right_is_given_listed_and_taken_by_the_operator(tmp_path: Path) -> None:
    row = ("rita", "review", "team", "payments")
    assert "give rita: review team payments" in ran("give", *row)[0]
    assert ran("give", *row)[0] == "0 changed, 1 as they are\n"
    ran("give", "group:oncall", "see", "service", "orders")
    assert ran("list")[0].splitlines() == [" ".join(row), "group:oncall see service orders"]
    listed, file = ran("list", "--csv")[0], tmp_path / "all.csv"
    assert listed.startswith("holder,right,on,name\nrita,review,team,payments\n")
    file.write_text(listed)
    assert ran("take", "--csv", str(file))[0].endswith("2 changed, 0 as they are\n")
    assert ran("list") == ("", "")
    assert ran("give", "--csv", str(file))[0].endswith("2 changed, 0 as they are\n")
    assert ran("list", "--csv")[0] == listed
    assert changes() == [("operator", held) for held in (True, True, False, False, True, True)]


def test_all_faults_of_a_file_are_named_and_nothing_is_changed(tmp_path: Path) -> None:
    file = tmp_path / "rights.csv"
    file.write_text(
        "holder,right,on,name,change\n"
        "rita,review,team,payments,give\n"
        "nobody,review,team,payments,give\n"
        "rita,write,team,payments,give\n"
        "rita,see,team,unknown,give\n"
        "rita,see,team,payments,take\n"
    )
    _, said = ran("give", "--csv", str(file))
    for line in (3, 4, 5, 6):
        assert f"line {line}: " in said
    assert "4 rows are not possible; nothing was changed" in said
    assert ran("list") == ("", "") and changes() == []


def test_what_is_asked_must_be_whole(tmp_path: Path) -> None:
    for words in (("give",), ("give", "rita"), ("take", "a", "b", "c", "d", "--csv", "x.csv")):
        assert "HOLDER RIGHT ON NAME, or --csv FILE" in ran(*words)[1]


def test_a_name_with_a_comma_comes_back_and_a_formula_is_left_out() -> None:
    assert table.read(table.write([("rita", "see", "service", 'pay, "now"')]).encode())[0]
    assert table.runs(("rita", "see", "service", "=cmd")) and not table.runs(("rita", "a=b"))
