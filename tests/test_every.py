"""tests/every.py reports every failing case of a corpus and loses none."""

from __future__ import annotations

import inspect

import pytest

from tests.every import CASES, every


def test_every_case_runs_and_every_failure_is_named() -> None:
    seen: list[int] = []

    @every("number", [1, 2, 3, 4], ids=lambda number: f"n{number}")
    def check(number: int) -> None:
        seen.append(number)
        assert number % 2, "even"

    with pytest.raises(pytest.fail.Exception) as caught:
        check()
    assert seen == [1, 2, 3, 4]
    message = str(caught.value)
    assert message.startswith("2 of 4 cases fail:\n[n2] test_every.py:")
    assert "[n4] test_every.py:" in message and "[n1]" not in message
    assert "even" in message


def test_an_error_and_a_failed_expectation_count_as_failures() -> None:
    @every("text", ["1", "x"])
    def check(text: str) -> None:
        with pytest.raises(ValueError):
            int(text)
        raise KeyError(text)

    with pytest.raises(pytest.fail.Exception) as caught:
        check()
    assert "[0: '1']" in str(caught.value) and "DID NOT RAISE" in str(caught.value)
    assert "[1: 'x']" in str(caught.value) and "KeyError" in str(caught.value)


def test_decorators_multiply_the_cases() -> None:
    seen: list[tuple[int, str]] = []

    @every("number", [1, 2])
    @every("text", ["a", "b", "c"])
    def check(number: int, text: str) -> None:
        seen.append((number, text))
        assert (number, text) != (2, "c")

    with pytest.raises(pytest.fail.Exception) as caught:
        check()
    assert len(seen) == len(set(seen)) == 6 == getattr(check, CASES)
    assert "[1: 2]" in str(caught.value) and "[2: 'c']" in str(caught.value)


def test_fixtures_stay_and_the_cases_leave_the_signature() -> None:
    @every(("one", "other"), [(1, 2), pytest.param(3, 4, id="named")])
    def check(one: int, tmp_path: object, other: int) -> None:
        assert (one, other, tmp_path) in ((1, 2, "here"), (3, 4, "here"))

    assert list(inspect.signature(check).parameters) == ["tmp_path"]
    check(tmp_path="here")


def test_skipped_cases_do_not_hide_the_others() -> None:
    seen: list[int] = []

    @every("number", [1, 2, 3])
    def check(number: int) -> None:
        seen.append(number)
        if number == 2:
            pytest.skip("not here")

    with pytest.raises(pytest.skip.Exception, match="1 of 3 cases: 1: 2: not here"):
        check()
    assert seen == [1, 2, 3]


def test_a_corpus_without_cases_is_an_error() -> None:
    with pytest.raises(AssertionError, match="there is no case"):
        every("one", [])


@pytest.mark.django_db
@every("name", ["one", "one"], undo=True)
def test_a_case_sees_no_rows_of_another(name: str) -> None:
    from django.contrib.auth.models import Group

    assert not Group.objects.filter(name="every").exists()
    Group.objects.create(name="every")


def test_a_case_names_what_the_test_takes() -> None:
    def check(one: int) -> None:
        assert one

    with pytest.raises(AssertionError, match="check takes no "):
        every("two", [1])(check)
