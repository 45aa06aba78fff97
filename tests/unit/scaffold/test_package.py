# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A new package says what it was told, in each of its files; nothing in it is broken by a text."""

import ast
import email
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deepaas.scaffold.facts import LICENCES
from deepaas.scaffold.package import installed_files, new_files
from tests.unit.scaffold.facts import HOSTILE, facts

ROOT = Path(__file__).parents[3]
SCHEMATA = ROOT / "deepaas" / "lint" / "schemata"


def strings_of(code: str) -> set[str]:
    """Return every string in some code."""
    nodes = ast.walk(ast.parse(code))
    return {
        each.value
        for each in nodes
        if isinstance(each, ast.Constant)
        if isinstance(each.value, str)
    }


def test_it_is_all_there() -> None:
    assert sorted(new_files(facts())) == [
        ".gitignore",
        "LICENSE",
        "README.md",
        "ai4-metadata.yml",
        "leaf_kinds/__init__.py",
        "leaf_kinds/api.py",
        "leaf_kinds/classifier.py",
        "leaf_kinds/leaves.csv",
        "leaf_kinds/py.typed",
        "pyproject.toml",
        "tests/test_api.py",
        "tests/test_classifier.py",
    ]


def test_the_same_facts_make_the_same_files() -> None:
    assert new_files(facts()) == new_files(facts())


def test_no_file_shows_that_it_was_a_template() -> None:
    files = new_files(facts())
    assert [name for name, text in files.items() if re.search(r"\{[{%#]|SPDX", text)] == []
    assert [name for name, text in files.items() if text and not text.endswith("\n")] == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_read_back_as_they_were(text: str) -> None:
    author = "".join(filter(str.isprintable, text))
    files = new_files(facts(title=text, summary=text, author=author))
    one_line = " ".join(text.split())

    metadata = yaml.safe_load(files["ai4-metadata.yml"])
    assert (metadata["title"], metadata["summary"]) == (text, text)
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert (project["description"], project["authors"]) == (one_line, [{"name": author}])
    assert {text, author} <= strings_of(files["leaf_kinds/api.py"])
    assert text in strings_of(files["tests/test_api.py"])
    docstring = ast.get_docstring(ast.parse(files["leaf_kinds/__init__.py"]), clean=False)
    assert docstring == one_line.rstrip(".") + "."
    heading = files["README.md"].splitlines()[0]
    assert re.sub(r"\\(.)", r"\1", heading) == f"# {one_line}"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_break_no_metadata_of_the_installation(text: str) -> None:
    author = "".join(filter(str.isprintable, text))
    files = installed_files(facts(summary=text, author=author))
    message = email.message_from_string(files["leaf_kinds-0.1.0.dist-info/METADATA"])
    assert message["Author"] == author
    assert message["Summary"].split() == text.split()
    assert message.get_payload() == ""


def test_the_metadata_fits_its_schema() -> None:
    schema = json.loads((SCHEMATA / "ai4-apps-v2.3.0.json").read_text("utf-8"))
    document: Any = yaml.safe_load(new_files(facts())["ai4-metadata.yml"])
    jsonschema.Draft202012Validator(schema).validate(document)
    document["keywords"] = ["of version 1"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize("licence", LICENCES)
def test_the_licence_is_named_and_given(licence: str) -> None:
    files = new_files(facts(licence=licence, author="{{ 7 * 7 }}"))
    assert tomllib.loads(files["pyproject.toml"])["project"]["license"] == licence
    assert ("{{ 7 * 7 }}" in files["LICENSE"]) is (licence != "Apache-2.0")
    assert "AS IS" in files["LICENSE"]


def test_the_text_of_the_apache_licence_is_whole() -> None:
    assert new_files(facts())["LICENSE"] == (ROOT / "LICENSE").read_text("utf-8")


def test_all_code_is_of_valid_modules_with_another_name_too() -> None:
    files = new_files(facts("X.Y"))
    for name, text in files.items():
        if name.endswith(".py"):
            ast.parse(text)
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["entry-points"] == {"deepaas.v2.model": {"x-y": "x_y.api:Model"}}
    assert project["name"] == "x-y"
