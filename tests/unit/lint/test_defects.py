# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Each defect that has been seen in the tools of others is found, at its line, and nothing else."""

from pathlib import Path

import pytest

from deepaas.lint import RULES
from tests.unit.lint.defects import DEFECTS
from tests.unit.lint.projects import CLEAN, DOCKERFILE, Defect, found_in, write

#: What goes with a defect: a raw password of rclone is a password too.
ALONG = {"SEC04": {"SEC03"}, "SRV04": {"SEC03"}, "FUN01": {"FUN03"}}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda each: f"{each.rule}-{each.about}")
def test_a_defect_is_found_at_its_line(defect: Defect, tmp_path: Path) -> None:
    defect.write(tmp_path)
    if defect.rule == "FIL01":
        (tmp_path / "Dockerfile").write_bytes(b"FROM x\n\xff")
        assert [(each.rule, each.file) for each in found_in(tmp_path)] == [("FIL01", "Dockerfile")]
        return
    found = found_in(tmp_path)
    places = [(each.file, each.line) for each in found if each.rule == defect.rule]
    assert places == [(defect.file, line) for line in defect.lines], found
    others = {each.rule for each in found} - {defect.rule}
    assert others <= ALONG.get(defect.rule, set()), found


def test_every_rule_has_a_defect_that_shows_it() -> None:
    assert {each.rule for each in DEFECTS} == {rule.id for rule in RULES}


def test_a_project_without_a_fault_is_clean(tmp_path: Path) -> None:
    write(tmp_path, {**CLEAN, "Dockerfile": DOCKERFILE})
    assert found_in(tmp_path) == []
