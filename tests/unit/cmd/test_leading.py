# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The method is found behind options in every form that a script may use."""

import pytest
from oslo_config import cfg

from deepaas.cmd.leading import method_at

OPTIONS = [
    cfg.StrOpt("model-name"),
    cfg.StrOpt("model-dir"),
    cfg.StrOpt("log-file", deprecated_name="logfile"),
    cfg.IntOpt("workers", short="p"),
    cfg.BoolOpt("debug", short="d"),
    cfg.BoolOpt("debug-endpoint"),
]


@pytest.mark.parametrize(
    "before",
    [
        "",
        "--debug",
        "--nodebug-endpoint --debug-e",
        "--workers 2",
        "--workers=2",
        "--work 2",
        "--work=2",
        "-p 2",
        "-p2",
        "-d -p 2 -d",
        "-dp 2",
        "-pd",
        "--model-n predict",
        "--model-name predict",
        "--logfile predict",
        "--config-file predict --config-dir=x",
        "--config-f predict",
        "--help --version",
        # What is wrong is told by who reads these options.
        "--unknown",
        "--model-",
        "-x",
        "-xp",
        "-",
        "--",
    ],
)
def test_the_method_is_behind_the_options(before: str) -> None:
    leading = before.split()
    assert method_at([*leading, "predict", "-p", "--model-name", "x"], OPTIONS) == len(leading)


@pytest.mark.parametrize("argv", [[], ["--debug"], ["-p", "2"], ["--model-name"], ["-p"]])
def test_there_may_be_none(argv: list[str]) -> None:
    assert method_at(argv, OPTIONS) == len(argv)
