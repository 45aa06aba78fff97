# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every row of the contract has a test that carries its id, and the check of it can fail."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.coverage import faults, find_marks
from tests.contract.rows import OPEN, ROWS, SECTIONS

TESTS = Path(__file__).parents[1]


def test_every_row_has_a_test(record_property: Callable[[str, object], None]) -> None:
    # A report names what is open; a run with --junitxml shows it.
    for row, reason in OPEN.items():
        record_property(f"open {row}", reason)
    assert faults(ROWS, OPEN, find_marks(sorted(TESTS.rglob("test_*.py")))) == []


def test_ids_occur_once_and_in_order() -> None:
    ids = [row for rows in SECTIONS.values() for row in rows]
    contract = [row for row in ids if row.startswith("C")]
    assert contract == [f"C{number:02}" for number in range(1, len(contract) + 1)]
    regressions = ids[len(contract) :]
    assert regressions == [f"F{number:02}" for number in range(1, len(regressions) + 1)]


def test_what_a_table_lacks_is_found() -> None:
    tests = {"C01": ["test_a"], "C09": ["test_b"], "C03": ["test_c"]}
    assert faults(["C01", "C02", "C03"], ["C03", "C07"], tests) == [
        "C02 has no test",
        "C03 is open, but has a test: ['test_c']",
        "C07 is no row, but open",
        "C09 is no row: ['test_b']",
    ]
    assert faults(["C01", "C02"], ["C02"], {"C01": ["test_a"]}) == []


PLANTED = """
@pytest.mark.row("C01", "C02")
@pytest.mark.parametrize("a", [1, pytest.param(2, marks=pytest.mark.row("C03"))])
async def test_a(a): pass

class TestB:
    @pytest.mark.row("C01")
    def test_b(self): pass
"""


def test_marks_are_found_wherever_they_stand_on_a_test(tmp_path: Path) -> None:
    file = tmp_path / "test_x.py"
    file.write_text(PLANTED)
    assert find_marks([file]) == {
        "C01": ["test_x.py::test_a", "test_x.py::test_b"],
        "C02": ["test_x.py::test_a"],
        "C03": ["test_x.py::test_a"],
    }


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('@pytest.mark.row("C01")\ndef helper(): pass', "stands on no test function"),
        ('pytestmark = pytest.mark.row("C01")', "stands on no test function"),
        ("@pytest.mark.row()\ndef test_a(): pass", "takes ids"),
        ("@pytest.mark.row(NAME)\ndef test_a(): pass", "takes ids"),
        ('@pytest.mark.row("C01", 2)\ndef test_a(): pass', "takes ids"),
        ('@pytest.mark.row(id="C01")\ndef test_a(): pass', "takes ids"),
    ],
)
def test_a_mark_that_shows_nothing_is_refused(source: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "test_x.py"
    file.write_text(source)
    with pytest.raises(ValueError, match=words):
        find_marks([file])
