# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The reference names what there is, and nothing else."""

import argparse
import re
from pathlib import Path

import pytest
from oslo_config import cfg

import deepaas
from deepaas import config
from deepaas.cmd import keys, storage, tosca
from deepaas.cmd.jobs import main as jobs
from deepaas.cmd.settings import main as settings
from deepaas.config.obsolete import CLI_FLAGS

REFERENCE = Path(__file__).parents[2] / "doc" / "source" / "reference"
#: Declared by oslo.config itself.
BUILT_IN = {"--config-file", "--config-dir", "--version"}


def documented() -> set[str]:
    """Return the long names after ``.. option::``, those of both forms of a switch."""
    lines = re.findall(
        r"^\.\. option:: (.*)$", (REFERENCE / "options.rst").read_text("utf-8"), re.M
    )
    return {name for line in lines for name in re.findall(r"--[\w-]+", line)}


def declared() -> set[str]:
    """Return every declared option as it is written, those of both forms of a switch."""
    options = [option for _, group in config.list_opts() for option in group]
    options += [*config.CLI_OPTIONS, *config.PREDICT_OPTIONS, *config.FUNCTION_OPTIONS, *CLI_FLAGS]
    names = {option.name for option in options}
    switches = {option.name for option in options if isinstance(option, cfg.BoolOpt)}
    written = {f"--{name}" for name in names} | {f"--no{name}" for name in switches}
    commands = (jobs, keys, settings, storage, tosca)
    return written.union(*(options_of(each.make_parser()) for each in commands))


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Return the options of all actions of a command."""
    (actions,) = (each for each in parser._actions if isinstance(each.choices, dict))
    assert isinstance(actions.choices, dict)
    return {
        name
        for action in actions.choices.values()
        for option in action._actions
        for name in option.option_strings
        if name.startswith("--") and name != "--help"
    }


def test_every_option_is_documented() -> None:
    assert declared() - documented() == set()


def test_every_documented_option_exists() -> None:
    assert documented() - declared() - BUILT_IN == set()


@pytest.mark.parametrize("name", sorted(set(deepaas.__all__) - {"__version__"}))
def test_every_public_name_is_documented(name: str) -> None:
    text = (REFERENCE / "api.rst").read_text("utf-8")
    assert re.search(rf"^\.\. auto\w+:: deepaas\.{name}$", text, re.MULTILINE)
