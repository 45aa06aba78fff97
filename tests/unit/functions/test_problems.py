# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is told where there is no answer names neither paths nor code."""

from pathlib import Path

import pytest

from deepaas.errors import (
    ConfigurationError,
    InvalidAnswer,
    InvalidArguments,
    InvalidInput,
    ModelLoadError,
)
from deepaas.functions.problems import ended, problem_of

FOLDER = Path("/tmp/deepaas-x")


@pytest.mark.parametrize(
    ("exc", "message"),
    [
        (InvalidInput("Not like this."), "Not like this."),
        (ValueError("no such thing"), "ValueError: no such thing"),
        (SystemExit(), "SystemExit"),
        (OSError(f"cannot read {FOLDER}/tmpab_9/1f.png"), "OSError: cannot read 1f.png"),
        (InvalidAnswer(detail="/secret/path"), InvalidAnswer().message),
        (ModelLoadError("x", name="m", traceback="/a/b.py"), "The model cannot be loaded; the log"),
        (ConfigurationError("/a/b cannot be written."), "The function is not set up as it must"),
    ],
)
def test_a_message_is_for_whoever_sent_the_object(exc: BaseException, message: str) -> None:
    problem = problem_of(exc, "in/a.json", FOLDER)
    assert problem["message"].startswith(message)
    assert (problem["status"], problem["object"]) == ("error", "in/a.json")


def test_wrong_arguments_are_told_by_name() -> None:
    problem = problem_of(InvalidArguments({"n": ["Too", "small."], "d": {0: "x"}}), None, FOLDER)
    assert problem == {
        "status": "error",
        "message": "n: Too small.; d: {0: 'x'}",
        "arguments": {"n": ["Too", "small."], "d": {0: "x"}},
    }


def test_a_process_that_is_gone_is_told_as_such() -> None:
    assert "object" not in ended(None)
    assert ended("in/a.json")["object"] == "in/a.json"
