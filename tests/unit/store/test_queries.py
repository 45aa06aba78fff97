# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The SQL that ships with the package is found, complete and uses its indexes."""

import inspect
import re
import sqlite3

import pytest

from deepaas.store import sqlite, sqlite_versions
from deepaas.store.queries import Migration, migrations, parse_queries, queries
from deepaas.store.sqlite_file import migrate


def test_queries_are_cut_at_their_names() -> None:
    text = "-- licence\n\n-- name: first\n-- why\nSELECT 1;\n\n-- name: second\nSELECT 2;\n"
    assert parse_queries(text) == {"first": "-- why\nSELECT 1;", "second": "SELECT 2;"}


def test_a_name_that_occurs_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        parse_queries("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n")


def test_every_query_is_one_statement_that_is_used() -> None:
    texts = [inspect.getsource(home) for home in (sqlite, sqlite_versions)]
    used = set(re.findall(r'"(\w+)"', "".join(texts)))
    for name, statement in queries().items():
        assert name in used
        assert sqlite3.complete_statement(statement)
        assert statement.count(";\n") == 0


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    assert [step.version for step in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_migration_is_cut_into_statements() -> None:
    sql = (
        "-- a; b\nCREATE TABLE a (x TEXT DEFAULT ';');\n\n-- c\nCREATE TABLE b (\n    y TEXT\n);\n"
    )
    statements = list(Migration(1, "0001_x.sql", sql).statements())
    assert ["".join(s.split()) for s in statements] == [
        "--a;bCREATETABLEa(xTEXTDEFAULT';');",
        "--cCREATETABLEb(yTEXT);",
    ]


@pytest.mark.parametrize("name", sorted(queries()))
def test_no_query_reads_the_whole_table_or_sorts(name: str) -> None:
    """With 100,000 jobs, a page, the queue and the counts are read from an index in order."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(connection, migrations())
        values = dict.fromkeys(re.findall(r":(\w+)", queries()[name]), 1)
        plan = [
            str(row[3])
            for row in connection.execute(f"EXPLAIN QUERY PLAN {queries()[name]}", values)
        ]
    finally:
        connection.close()
    assert not [step for step in plan if "TEMP B-TREE" in step]
    scans = [step for step in plan if step.startswith("SCAN") and "json_each" not in step]
    # A row for each model at most.
    small = ("SCAN store_check", "SCAN c", "SCAN version_candidates")
    assert all(" INDEX " in step or step in small for step in scans)
