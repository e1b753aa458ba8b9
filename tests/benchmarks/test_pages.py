"""The benchmark of the pages still fits the tables and the pages; nothing is timed."""

from __future__ import annotations

import re

from django.apps import apps

from tests.benchmarks import pages


def columns(table: str) -> set[str]:
    ours = apps.get_app_config("remediation").get_models()
    models = {model._meta.db_table: model for model in ours}
    return {field.column for field in models[table]._meta.concrete_fields}


def test_every_row_of_the_benchmark_has_every_column() -> None:
    """A new column of a table must be added to the benchmark's rows too."""
    text = pages.SQL.read_text(encoding="utf-8")
    made = re.findall(r"INSERT INTO public\.(\w+)\s+\(([^)]+)\)", text)
    assert len(made) >= 14
    for table, said in made:
        names = {name.strip() for name in said.split(",")}
        assert names <= columns(table), table
        assert columns(table) - names <= {"id"}, table
        assert table.removeprefix("remediation_") in pages.TABLES


def test_the_benchmark_names_missed_aims() -> None:
    found: dict[str, dict[int, pages.Result]] = {
        "as fast": {1: (0.1, 0.1, 5, 10), 2: (0.2, 0.2, 5, 10)},
        "slower": {1: (0.1, 0.1, 5, 10), 2: (0.2, 0.1, 5, 20)},
    }
    lines = pages.lines(found, [1, 2])
    assert [line.split("  ")[-1].strip() for line in lines[1:]] == [
        "1.00 reached", "2.00 missed (more rows)",
    ]  # fmt: skip
