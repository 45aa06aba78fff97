# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The SQL that ships with the package is found, complete and uses its indexes."""

import inspect
import re
import sqlite3
from contextlib import closing

import pytest

from deepaas.store import sqlite, sqlite_ended, sqlite_monitoring, sqlite_versions
from deepaas.store.queries import Migration, migrations, parse_queries, queries
from deepaas.store.sqlite_file import migrate


def test_queries_are_cut_at_their_names() -> None:
    text = "-- licence\n\n-- name: first\n-- why\nSELECT 1;\n\n-- name: second\nSELECT 2;\n"
    assert parse_queries(text) == {"first": "-- why\nSELECT 1;", "second": "SELECT 2;"}


def test_a_name_that_occurs_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        parse_queries("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n")


def test_every_query_is_one_statement_that_is_used() -> None:
    texts = [
        inspect.getsource(home)
        for home in (sqlite, sqlite_ended, sqlite_monitoring, sqlite_versions)
    ]
    used = set(re.findall(r'"(\w+)"', "".join(texts)))
    for name, statement in queries().items():
        assert name in used
        assert sqlite3.complete_statement(statement)
        assert statement.count(";\n") == 0


def test_migrations_are_numbered_upward_from_one() -> None:
    versions = [step.version for step in migrations()]
    assert versions[0] == 1
    assert versions == sorted(set(versions))


def test_a_migration_is_cut_into_statements() -> None:
    sql = (
        "-- a; b\nCREATE TABLE a (x TEXT DEFAULT ';');\n\n-- c\nCREATE TABLE b (\n    y TEXT\n);\n"
    )
    statements = list(Migration(1, "0001_x.sql", sql).statements())
    assert ["".join(s.split()) for s in statements] == [
        "--a;bCREATETABLEa(xTEXTDEFAULT';');",
        "--cCREATETABLEb(yTEXT);",
    ]


def plan_of(name: str) -> list[str]:
    """Return how SQLite would run a query."""
    query = queries()[name]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, migrations())
        values = dict.fromkeys(re.findall(r":(\w+)", query), 1)
        rows = connection.execute(f"EXPLAIN QUERY PLAN {query}", values)
        return [str(row[3]) for row in rows]


@pytest.mark.parametrize("name", sorted(queries()))
def test_no_query_reads_the_whole_table_or_sorts(name: str) -> None:
    """With 100,000 jobs, a page, the queue and the counts are read from an index in order."""
    plan = plan_of(name)
    sorts = [step for step in plan if "TEMP B-TREE" in step]
    # The first job of each lane.
    assert sorts == (["USE TEMP B-TREE FOR ORDER BY"] if name == "next_queued_job" else [])
    scans = [step for step in plan if step.startswith("SCAN") and "json_each" not in step]
    # A lane for each model, kind and state, a row for each model, a row for each promotion, and a
    # row at most.
    tables = ("job_lanes", "store_check", "c", "v", "version_candidates")
    small = {f"SCAN {table}" for table in tables}
    assert {step for step in scans if " INDEX " not in step} <= small


def test_the_next_in_the_queue_is_found_among_its_model_s() -> None:
    plan = plan_of("next_queued_job")
    index = "jobs_in_lanes (model=? AND kind=? AND state=? AND <expr>=?)"
    assert f"SEARCH waiting USING INDEX {index}" in plan


@pytest.mark.parametrize("name", ["newest_in_lane", "oldest_in_lane"])
def test_a_page_begins_at_its_place(name: str) -> None:
    assert plan_of(name) == [
        "SEARCH jobs USING INDEX jobs_in_lanes"
        " (model=? AND kind=? AND state=? AND <expr>=? AND (created,id)"
        f"{'<' if name == 'newest_in_lane' else '>'}(?,?))"
    ]


@pytest.mark.parametrize("name", ["newest_in_lane_of_owner", "oldest_in_lane_of_owner"])
def test_a_page_of_one_owner_begins_at_its_place(name: str) -> None:
    assert plan_of(name) == [
        "SEARCH jobs USING INDEX jobs_of_owners"
        " (owner=? AND model=? AND kind=? AND state=? AND <expr>=? AND (created,id)"
        f"{'<' if name.startswith('newest') else '>'}(?,?))"
    ]
