# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Declared arguments are found in the code, in all the ways in which modules write them."""

from pathlib import Path
from textwrap import dedent

import pytest

from deepaas.lint import read_project
from deepaas.lint.declared import models_of
from tests.unit.lint.projects import PYPROJECT, write

WAYS = {
    "literal": 'def get_predict_args():\n    return {"a": f(1, metadata=m, **k), "b": 2}',
    "dict": "def get_predict_args():\n    return dict(a=1, b=2, **{})",
    "variable": 'def get_predict_args():\n    args = {"a": 1}\n    args["b"] = 2\n    return args',
    "annotated": 'ARGS: dict = {"a": 1, "b": 2}\ndef get_predict_args():\n    return ARGS',
    "helper": """
        def _more():
            return {"b": 2}
        def get_predict_args():
            return {"a": 1, **_more()}
        """,
    "schema": """
        class PredictArgs(Schema):
            a = fields.Int()
            b = fields.Int()
            c: int = 3
            d = 4
            x.y = fields.Int()
        class Other(Schema):
            e = fields.Int()
        def get_predict_args():
            return PredictArgs().fields
        """,
    "class": """
        class Model:
            def get_predict_args(self):
                return {"a": 1, "b": 2}
        """,
}


@pytest.mark.parametrize("way", WAYS)
def test_arguments_are_found(way: str, tmp_path: Path) -> None:
    point = PYPROJECT.replace("leaves.api", "leaves.api:Model" if way == "class" else "leaves.api")
    write(tmp_path, {"pyproject.toml": point, "leaves/api.py": dedent(WAYS[way])})
    [code] = models_of(read_project(tmp_path))
    assert [each.name for each in code.arguments("get_predict_args")] == ["a", "b"]
    assert code.arguments("get_train_args") == []


@pytest.mark.parametrize(
    "text",
    [
        "def get_predict_args():\n    return get_predict_args()",
        "def get_predict_args():\n    x = y\n    y = x\n    return x",
        "def get_predict_args():\n    x.y = 1\n    return",
        "def get_predict_args():\n    return other.thing()",
        "def get_predict_args():\n    return make()",
        "def get_predict_args():\n    return {name: 1}",
        "def get_predict_args():\n    return a.b.fields",
        "def get_predict_args():\n    a = {}\n    a[key] = 1\n    return a",
    ],
)
def test_what_only_running_would_tell_is_left_alone(text: str, tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": PYPROJECT, "leaves/api.py": text})
    [code] = models_of(read_project(tmp_path))
    assert code.arguments("get_predict_args") == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("setup.cfg", "[options.entry_points]\ndeepaas.v2.model =\n    leaves = leaves.api\n"),
        ("setup.cfg", "[entry_points]\ndeepaas.v2.model = \n    leaves = leaves.api [extra]\n"),
        ("setup.py", "setup(entry_points={'deepaas.v2.model': ['leaves = leaves.api']})"),
    ],
)
@pytest.mark.parametrize("root", ["", "src/"])
def test_entry_points_stand_in_several_files(
    name: str, text: str, root: str, tmp_path: Path
) -> None:
    write(tmp_path, {name: text, f"{root}leaves/api/__init__.py": ""})
    [code] = models_of(read_project(tmp_path))
    assert code.head.name == name
    assert code.source.name == f"{root}leaves/api/__init__.py"


def test_an_entry_point_without_a_file_here_is_left_alone(tmp_path: Path) -> None:
    text = "setup(entry_points={'deepaas.v2.model': ['leaves', 'x = y.z'], 'other': 1, 2: 3})"
    write(tmp_path, {"setup.py": text})
    assert list(models_of(read_project(tmp_path))) == []
