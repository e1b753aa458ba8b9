"""Run one test over a whole corpus of cases and report every case that fails.

    @every("one", CORPUS, ids=lambda one: one.name)
    def test_a_line_stays_one_line(one: Hostile) -> None: ...

It takes the arguments of `pytest.mark.parametrize` and makes one test, not thousands: pytest
collects, schedules and reports one item, and the loop stops at no failure. The message names each
failing case with its error. Decorators stack; the cases multiply.

Fixtures are shared by the cases of a test. Where a case writes to the database, `undo=True` rolls
it back to a savepoint, so that no case sees another one's rows. A case that needs a fixture of its
own stays a parameter.
"""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# The number of cases that a decorated test loops over; tests/count.py adds them up.
CASES = "every_cases"

Test = Callable[..., None]


def every(
    names: str | Sequence[str],
    values: Iterable[Any],
    *,
    ids: Callable[[Any], object] | Iterable[str] | None = None,
    undo: bool = False,
) -> Callable[[Test], Test]:
    """Make the test loop over these cases; `names` and `values` are parametrize's."""
    parts = [part.strip() for part in names.split(",")] if isinstance(names, str) else list(names)
    cases = list(_cases(parts, list(values), ids if ids is None or callable(ids) else list(ids)))
    assert cases, "there is no case"

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def loop(**fixtures: Any) -> None:
            __tracebackhide__ = True
            _run(test, cases, fixtures, undo)

        signature = inspect.signature(test)
        missing = set(parts) - set(signature.parameters)
        assert not missing, f"{test.__name__} takes no {missing}"
        left = [one for one in signature.parameters.values() if one.name not in parts]
        loop.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        setattr(loop, CASES, len(cases) * getattr(test, CASES, 1))
        return loop

    return decorate


def _cases(
    names: list[str], values: list[Any], ids: Callable[[Any], object] | Sequence[str] | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the arguments of each case."""
    for number, value in enumerate(values):
        given, name = value, None
        if isinstance(value, type(pytest.param())):
            assert not value.marks, "a case with marks stays a parameter"
            given, name = (value.values[0] if len(names) == 1 else value.values), value.id
        row = (given,) if len(names) == 1 else tuple(given)
        assert len(row) == len(names), f"case {number} has {len(row)} values, not {len(names)}"
        if name is None and ids is not None:
            name = "-".join(str(ids(one)) for one in row) if callable(ids) else ids[number]
        yield str(name or f"{number}: {_short(repr(given))}"), dict(zip(names, row, strict=True))


def _run(
    test: Test, cases: list[tuple[str, dict[str, Any]]], fixtures: Mapping[str, Any], undo: bool
) -> None:
    __tracebackhide__ = True
    failed: list[str] = []
    skipped: list[str] = []
    for name, arguments in cases:
        try:
            with _undone(undo):
                test(**fixtures, **arguments)
        except pytest.skip.Exception as skip:
            skipped.append(f"{name}: {skip}")
        except (Exception, pytest.fail.Exception) as error:
            failed.append(f"[{name}] {_place(error, test)}{type(error).__name__}: {error}")
    if failed:
        listed = "\n".join(failed)
        pytest.fail(f"{len(failed)} of {len(cases)} cases fail:\n{listed}", pytrace=False)
    if skipped:
        pytest.skip(f"{len(skipped)} of {len(cases)} cases: " + "; ".join(skipped))


@contextmanager
def _undone(undo: bool) -> Iterator[None]:
    if not undo:
        yield
        return
    from django.db import transaction

    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _place(error: BaseException, test: Test) -> str:
    """Return the line of the test's own file that failed."""
    file = inspect.unwrap(test).__code__.co_filename
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == file
    ]
    return f"{Path(file).name}:{lines[-1]}: " if lines else ""


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
