# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""YAML of anybody is plain data or an error, whatever its tags say."""

import subprocess
import sys

import pytest

from deepaas.model.plainyaml import read_yaml


def test_plain_data_is_read_with_dates_as_they_are_written() -> None:
    assert read_yaml("a: [1, x, null]\nb: 2026-11-26") == {"a": [1, "x", None], "b": "2026-11-26"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &x [1]\nb: *x", "found an alias"),
        ("!!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("!!timestamp nonsense", "groupdict"),
        ("!!bool nonsense", "nonsense"),
        ("!!int ''", "index out of range"),
        ("!!int nonsense", "invalid literal"),
        ("? [a]\n: b", "unhashable key"),
    ],
)
def test_what_is_none_is_an_error_of_one_kind(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_yaml(text)


def test_deep_nesting_is_told_apart() -> None:
    with pytest.raises(RecursionError):
        read_yaml("[" * 100_000)


def test_who_reads_no_yaml_imports_none() -> None:
    program = "import sys, deepaas.model.published; print('yaml' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
