"""Rights of a file: a dry run that names each change and problem, then all rows or none."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import Settings

from remediation.domain.errors import BadValue, NotEntitled, WrongState
from remediation.services.access import authorize
from remediation.services.actors import PersonActor, ProcessActor
from remediation.services.people import import_rights
from tests import factories
from tests.factories import OPERATORS
from tests.flows.world import acts

pytestmark = pytest.mark.django_db
OPERATOR = ProcessActor("operator:test")


@pytest.fixture
def content() -> bytes:
    service = factories.service("orders", owner_team="payments")
    factories.person("rita")
    factories.person("sam", roles=["oncall"])
    return (
        "holder,right,on,name,change\n"
        "rita,review,team,payments,give\n"
        "group:oncall,see,environment,staging,\n"
        f"rita,review,service,{service.name},take\n"
    ).encode()


def test_a_dry_run_shows_what_apply_then_does(content: bytes) -> None:
    with acts(OPERATORS):
        found = import_rights.prepare(actor=OPERATOR, content=content)
        assert [import_rights.describe(change) for change in found.changes] == [
            "give rita: review team payments",
            "give group:oncall: see environment staging",
        ]
        assert (found.unchanged, found.problems) == (1, ())
        import_rights.apply(actor=OPERATOR, content=content, digest=found.digest)
        again = import_rights.prepare(actor=OPERATOR, content=content)
        assert (again.changes, again.unchanged) == ((), 3)
        with pytest.raises(WrongState):
            import_rights.apply(actor=OPERATOR, content=content, digest=found.digest)
    for name, right in (("rita", "review_service"), ("sam", "view_service")):
        user = factories_user(name)
        assert authorize.service_ids(user, right)


def factories_user(name: str):  # type: ignore[no-untyped-def]
    from remediation.models import User

    return User.objects.get(username=name).person


def test_a_row_that_nobody_can_do_is_named_and_keeps_the_whole_file_out(content: bytes) -> None:
    wrong = (
        content
        + b"nobody,review,team,payments,\nrita,see,team,paymemts,\ngroup:x,see,team,payments,\n"
    )
    with acts(OPERATORS):
        found = import_rights.prepare(actor=OPERATOR, content=wrong)
        assert [str(problem) for problem in found.problems] == [
            "line 5: nobody has the user name 'nobody'",
            "line 6: no service of the inventory has the team 'paymemts'",
            "line 7: there is no group 'x'",
        ]
        with pytest.raises(BadValue, match="line 5"):
            import_rights.apply(actor=OPERATOR, content=wrong, digest=found.digest)
    assert not authorize.service_ids(factories_user("rita"), "review_service")


def test_only_who_administers_people_imports_rights(content: bytes) -> None:
    someone = factories.person(roles=["inventory_editor"])
    with acts(OPERATORS), pytest.raises(NotEntitled):
        import_rights.prepare(actor=PersonActor(someone.id, someone.user.pk), content=content)


def test_the_command_shows_first_and_changes_with_apply(
    content: bytes, tmp_path: Path, settings: Settings
) -> None:
    settings.PROCESS = "operator"
    path = tmp_path / "rights.csv"
    path.write_bytes(content)
    out, hints = StringIO(), StringIO()
    with acts(OPERATORS):
        call_command("rights", "import", str(path), stdout=out, stderr=hints)
        assert "give rita: review team payments" in out.getvalue()
        assert "dry run" in hints.getvalue()
        call_command("rights", "import", str(path), "--apply", stdout=StringIO())
        path.write_bytes(content + b"rita,review\n")
        with pytest.raises(CommandError, match="line 5: 2 cells"):
            call_command("rights", "import", str(path), "--apply", stdout=out, stderr=hints)
