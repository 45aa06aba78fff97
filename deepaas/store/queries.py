# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Find the SQL that ships with the package: named queries and numbered migrations."""

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

_NAME_LINE: Final = re.compile(r"^-- name: *(\w+) *$", re.MULTILINE)
_MIGRATION_FILE: Final = re.compile(r"(\d{4})_\w+\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; a step that was released never changes."""

    #: The schema's version after this step; the first is 1.
    version: int
    #: The file's name, for messages.
    name: str
    sql: str

    def statements(self) -> Iterator[str]:
        """Yield the statements one by one.

        ``executescript`` would commit the transaction that the step must run in.
        """
        pending = ""
        for line in self.sql.splitlines(keepends=True):
            pending += line
            if sqlite3.complete_statement(pending):
                yield pending
                pending = ""


def parse_queries(text: str) -> dict[str, str]:
    """Cut a text at its ``-- name: x`` lines.

    Args:
        text: The content of a query file; what stands before the first name line is ignored.

    Returns:
        Name to statement, comments included.

    Raises:
        ValueError: A name occurs twice.
    """
    _, *parts = _NAME_LINE.split(text)
    names, statements = parts[0::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"A query name occurs twice among {', '.join(names)}.")
    return dict(zip(names, (statement.strip() for statement in statements), strict=True))


@cache
def queries() -> MappingProxyType[str, str]:
    """Return the named queries of all files ``sql/*queries.sql``, read once."""
    found: dict[str, str] = {}
    for file in resources.files(__package__).joinpath("sql").iterdir():
        if file.name.endswith("queries.sql"):
            found.update(parse_queries(file.read_text("utf-8")))
    return MappingProxyType(found)


@cache
def migrations() -> tuple[Migration, ...]:
    """Return the steps of the schema in ``sql/``, oldest first, read once."""
    found = sorted(
        (int(match[1]), file)
        for file in resources.files(__package__).joinpath("sql").iterdir()
        if (match := _MIGRATION_FILE.fullmatch(file.name))
    )
    return tuple(Migration(version, file.name, file.read_text("utf-8")) for version, file in found)
