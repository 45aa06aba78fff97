# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The command that runs the checks does not pass over a failure."""

import os
import re
from pathlib import Path

import pytest

from tests import check
from tests.check import Check, Step

PASSES = Step(("this",))
FAILS = Step(("deepaas_no_such_module",))
#: What `make soak` runs, and what others have written.
ELSEWHERE = ("deployment", "peers")


def test_a_failing_step_is_the_reason() -> None:
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    assert check.run(Check("x", (PASSES,), 60), environment) is None
    reason = check.run(Check("x", (PASSES, FAILS, PASSES), 60), environment)
    assert reason == "deepaas_no_such_module: exit status 1"


def test_a_step_that_hangs_is_ended(tmp_path: Path) -> None:
    (tmp_path / "sleeps.py").write_text("import time\ntime.sleep(600)\n")
    reason = check.run(Check("x", (Step(("sleeps",), tmp_path),), 0), os.environ)
    assert reason == "sleeps: took longer than 0 minutes"


def test_one_failure_fails_the_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = (Check("bad", (FAILS,), 60), Check("good", (PASSES,), 60))
    monkeypatch.setattr(check, "CHECKS", checks)
    assert check.main([]) == 1
    assert check.main(["good"]) == 0
    assert check.main(["other"]) == 2
    found = re.search(r"^bad +\d+ s   (.+)$", capsys.readouterr().out, re.MULTILINE)
    assert found is not None
    assert found[1] == "deepaas_no_such_module: exit status 1"


def test_what_the_checks_start_keeps_its_bytecode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the environment says: each of the many processes would compile it all again."""
    (tmp_path / "keeps.py").write_text("import sys\nsys.exit(sys.dont_write_bytecode)\n")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(check, "CHECKS", (Check("x", (Step(("keeps",), tmp_path),), 60),))
    assert check.main([]) == 0


def test_what_is_left_in_the_temporary_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "pytest-of-someone").mkdir()
    (tmp_path / "deepaas-upload").touch()
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "pytest-of-someone").mkdir()
    (tmp_path / "1" / "other").touch()
    assert check.remains(tmp_path) == ["1/other", "deepaas-upload"]


def test_steps_that_run_together_all_run_and_each_failure_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "TMPDIR": str(tmp_path)}
    together = (FAILS, PASSES, Step(("deepaas_neither",)))
    reason = check.run(Check("x", (), 60, together), environment)
    assert reason == "deepaas_no_such_module: exit status 1; deepaas_neither: exit status 1"
    shown = capfd.readouterr()
    assert "Beautiful is better than ugly." in shown.out
    assert "deepaas_neither" in shown.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]


def test_tests_may_run_without_measuring_coverage() -> None:
    [tests] = [each for each in check.CHECKS if each.name == "tests"]
    plain = check.unmeasured(tests)
    assert {step.arguments[0] for step in plain.together} == {"pytest"}
    assert [step.arguments[-1] for step in plain.together] == [
        step.arguments[-1] for step in tests.together
    ]


def test_every_test_is_run_once() -> None:
    """Those with real servers in two parts, each file in one of them."""
    [tests] = [each for each in check.CHECKS if each.name == "tests"]
    named = [
        argument
        for step in tests.together
        for argument in step.arguments[step.arguments.index("pytest") + 1 :]
    ]
    left_out = {
        file
        for option in named
        if option.startswith("--ignore-glob=")
        for file in check.ROOT.glob(option.partition("=")[2])
    }
    files = [name for name in named if name.endswith(".py") and not name.startswith("-")]
    of_their_own = [check.ROOT / name for name in files]
    assert len(of_their_own) == len(set(of_their_own)) > 0
    assert left_out == set(of_their_own)
    folders = {
        f"tests/{path.name}"
        for path in (check.ROOT / "tests").iterdir()
        if path.is_dir() and path.name not in ELSEWHERE and any(path.rglob("test_*.py"))
    }
    apart = {name.partition("=")[2] for name in named if name.startswith("--ignore=")}
    assert all((check.ROOT / folder).is_dir() for folder in apart)
    found = [name for name in named if "." not in name and not name.startswith("-")]
    assert sorted(found) == sorted(folders | {"examples"} | apart)
