# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A code base is known by its project files, whichever it has, and none of them is run."""

from pathlib import Path

import pytest

from deepaas.errors import ConfigurationError
from deepaas.scaffold.base import Base, read_base

PYPROJECT = """
[project]
name = "leaves"
description = "Kinds."
license = {license}
authors = [{{ name = "A" }}, {{ email = "b@example.org" }}, {{}}]
[project.entry-points."deepaas.v2.model"]
leaves = "leaves.api:Model [gpu]"
[project.entry-points.empty]
"""
POETRY = """
[tool.poetry]
name = "leaves"
description = "Kinds."
authors = ["A <a@example.org>", "<b@example.org>"]
license = "MIT"
[tool.poetry.plugins."deepaas.v2.model"]
leaves = "leaves.api"
[tool.poetry.plugins.empty]
"""
PBR = """
[metadata]
name = leaves
summary = 100% kinds
author = A
license = MIT
[files]
packages = leaves
[entry_points]
deepaas.v2.model =
    leaves = leaves.api
deepaas.model =
    leaves = leaves.api_v1
console_scripts =
"""
SETUPTOOLS = """
[metadata]
name = leaves
description = Kinds.
[options.entry_points]
deepaas.v2.model =

    leaves=leaves.api
"""
SETUP_PY = """
import setuptools

raise SystemExit("it was run")
setuptools.setup(
    name="leaves",
    version=read_version(),
    description="Kinds.",
    author="A",
    license="MIT",
    entry_points=%s,
    **more,
)
"""


def base_of(folder: Path, **files: str) -> Base:
    """Write files, their dots as two underscores, and look at them."""
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return read_base(folder)


def test_an_empty_folder_says_nothing(tmp_path: Path) -> None:
    assert read_base(tmp_path) == Base(tmp_path)


@pytest.mark.parametrize(
    ("text", "licence"),
    [('"MIT"', "MIT"), ('{ text = "MIT" }', "MIT"), ('{ file = "LICENSE" }', None)],
)
def test_a_pyproject(tmp_path: Path, text: str, licence: str | None) -> None:
    assert base_of(tmp_path, pyproject__toml=PYPROJECT.format(license=text)) == Base(
        tmp_path,
        ("pyproject.toml",),
        name="leaves",
        summary="Kinds.",
        author="A, b@example.org",
        licence=licence,
        model="leaves.api:Model",
    )


def test_a_package_of_poetry(tmp_path: Path) -> None:
    assert base_of(tmp_path, pyproject__toml=POETRY) == Base(
        tmp_path,
        ("pyproject.toml",),
        name="leaves",
        summary="Kinds.",
        author="A, <b@example.org>",
        licence="MIT",
        model="leaves.api",
        has_poetry=True,
    )


def test_poetry_beside_the_standard_says_nothing(tmp_path: Path) -> None:
    text = '[project]\nname = "own"\n[tool.poetry]\nname = "old"\npackages = []'
    base = base_of(tmp_path, pyproject__toml=text)
    assert (base.name, base.has_poetry) == ("own", False)


def test_a_package_of_pbr(tmp_path: Path) -> None:
    setup = "import setuptools\nsetuptools.setup(setup_requires=['pbr'], pbr=True)\n"
    assert base_of(tmp_path, setup__py=setup, setup__cfg=PBR) == Base(
        tmp_path,
        ("setup.cfg", "setup.py"),
        name="leaves",
        summary="100% kinds",
        author="A",
        licence="MIT",
        model="leaves.api",
        has_version_1=True,
    )


def test_a_setup_cfg_of_setuptools(tmp_path: Path) -> None:
    base = base_of(tmp_path, setup__cfg=SETUPTOOLS)
    assert (base.name, base.summary, base.model) == ("leaves", "Kinds.", "leaves.api")


@pytest.mark.parametrize(
    ("points", "model"),
    [
        ('{"deepaas.v2.model": ["leaves = leaves.api"]}', "leaves.api"),
        ('{"deepaas.v2.model": "leaves = leaves.api"}', "leaves.api"),
        ('{"deepaas.v2.model": []}', None),
        ('"[deepaas.v2.model]"', None),
        ("computed()", None),
    ],
)
def test_a_setup_py_is_read_and_not_run(tmp_path: Path, points: str, model: str | None) -> None:
    base = base_of(tmp_path, setup__py=SETUP_PY % points)
    assert base == Base(
        tmp_path,
        ("setup.py",),
        name="leaves",
        summary="Kinds.",
        author="A",
        licence="MIT",
        model=model,
    )


def test_what_one_file_does_not_say_another_may(tmp_path: Path) -> None:
    base = base_of(
        tmp_path, pyproject__toml='[project]\nname = "own"\n[build-system]', setup__cfg=SETUPTOOLS
    )
    assert base.projects == ("pyproject.toml", "setup.cfg")
    assert (base.name, base.model) == ("own", "leaves.api")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "[project"),
        ("pyproject.toml", "project = 7"),
        ("pyproject.toml", '[project]\nauthors = ["A"]'),
        ("pyproject.toml", "[tool]\npoetry = 7"),
        ("pyproject.toml", "[tool.poetry]\nauthors = [7]"),
        ("setup.cfg", "name = leaves"),
        ("setup.py", "print 7"),
        ("setup.py", "setup(entry_points={'a': 7})"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}' cannot be read: "):
        base_of(tmp_path, **{name.replace(".", "__"): text})


def test_values_of_another_type_say_nothing(tmp_path: Path) -> None:
    base = base_of(tmp_path, pyproject__toml="[project]\nname = 7\nlicense = []")
    assert (base.name, base.licence) == (None, None)


def test_only_a_folder_can_be_adopted(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no folder"):
        read_base(tmp_path / "none")


def test_what_is_there_is_found_by_its_names(tmp_path: Path) -> None:
    (tmp_path / "LICENCE.txt").touch()
    base = read_base(tmp_path)
    assert base.has("LICENSE*", "LICENCE*") == tmp_path / "LICENCE.txt"
    assert base.has("README*") is None
