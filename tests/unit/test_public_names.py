# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What authors import from the package is there, and is looked up when it is first used."""

import subprocess
import sys

import pytest

import deepaas


@pytest.mark.parametrize("name", ["nothing", "_private", "Batch.x"])
def test_a_name_that_is_not_public(name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'deepaas' has no attribute '{name}'"):
        getattr(deepaas, name)


def test_a_wrong_name_cannot_be_imported() -> None:
    with pytest.raises(ImportError):
        from deepaas import nothing  # noqa: F401


@pytest.mark.parametrize("name", deepaas.__all__)
def test_a_public_name_is_found_in_its_home(name: str) -> None:
    """Also by a process that imports nothing else."""
    program = (
        f"import deepaas; assert {name!r} == '__version__' or {name!r} not in vars(deepaas);"
        f" from deepaas import {name}; assert vars(deepaas)[{name!r}] is {name}"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_public_name_has_a_home() -> None:
    assert set(deepaas._HOME_OF) | {"__version__"} == set(deepaas.__all__)
    for name, home in deepaas._HOME_OF.items():
        assert getattr(deepaas, name).__module__ == home
