# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Existing functions are found without being run, and declared as they are written."""

from pathlib import Path

import pytest

from deepaas.errors import ConfigurationError
from deepaas.scaffold.functions import Found, find_predict


def found(folder: Path, text: str) -> Found:
    (folder / "leaves.py").write_text(text)
    (one,) = find_predict(folder)
    return one


@pytest.mark.parametrize(
    ("argument", "field"),
    [
        ("x: int", "fields.Int(required=True)"),
        ("x: int = 3", "fields.Int(load_default=3)"),
        ("x: float = 3", "fields.Float(load_default=3)"),
        ("x: 'bool'", "fields.Bool(required=True)"),
        ("x: str | None = None", "fields.Str()"),
        ("x: Optional[str] = None", "fields.Str()"),
        ("x: typing.Optional[int] = None", "fields.Int()"),
        ("x: dict[str, int]", "fields.Dict(required=True)"),
        ("x: list", "fields.List(fields.Raw(), required=True)"),
        ("x: list[int]", "fields.List(fields.Int(), required=True)"),
        ("x: List[float] = [1.5]", "fields.List(fields.Float(), load_default=[1.5])"),
        ("x: list[Leaf]", "fields.List(fields.Raw(), required=True)"),
        ("x=True", "fields.Bool(load_default=True)"),
        ("x=0.5", "fields.Float(load_default=0.5)"),
        ("x='it\\'s'", 'fields.Str(load_default="it\'s")'),
        ("x=[1]", "fields.List(fields.Raw(), load_default=[1])"),
        ("x: int = DEFAULT", "fields.Int()"),
        ("*, x: int", "fields.Int(required=True)"),
        ("*, x: int = 7", "fields.Int(load_default=7)"),
    ],
)
def test_an_argument_becomes_a_field(tmp_path: Path, argument: str, field: str) -> None:
    (parameter,) = found(tmp_path, f"def predict({argument}): ...").parameters
    assert (parameter.name, parameter.field, parameter.is_guess) == ("x", field, False)


@pytest.mark.parametrize("argument", ["x", "x=None", "x: Leaf", "x: int | str"])
def test_what_has_no_known_type_is_a_guess(tmp_path: Path, argument: str) -> None:
    (parameter,) = found(tmp_path, f"def predict({argument}): ...").parameters
    assert parameter.is_guess
    assert parameter.field.startswith("fields.Str(")


def test_files_are_uploads(tmp_path: Path) -> None:
    one = found(tmp_path, "def predict(a: pathlib.Path, b: bytes, c: Path | None = None): ...")
    upload = 'metadata={"location": "files"}'
    assert one.takes_uploads
    assert [(each.field, each.is_path, each.is_bytes) for each in one.parameters] == [
        (f"fields.Raw(required=True, {upload})", True, False),
        (f"fields.Raw(required=True, {upload})", False, True),
        (f"fields.Raw({upload})", True, False),
    ]


def test_the_rest_of_a_signature_takes_nothing(tmp_path: Path) -> None:
    one = found(tmp_path, "def predict(*args, **kwargs): ...")
    assert (one.parameters, one.takes_uploads) == ((), False)


def test_arguments_without_a_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="arguments without a name"):
        found(tmp_path, "def predict(x, /): ...")


@pytest.mark.parametrize("name", ["get_metadata", "get_predict_args"])
def test_a_module_for_deepaas_needs_nothing_around_it(tmp_path: Path, name: str) -> None:
    one = found(tmp_path, f"def {name}(): ...\ndef predict(x, /): ...")
    assert one == Found("leaves", (), is_declared=True)


def test_code_is_looked_for_where_it_can_be_imported_from(tmp_path: Path) -> None:
    code = "def predict(): ...\nraise SystemExit('it was run')\n"
    for name in (
        *("setup.py", "test_top.py", "not-a-name.py", "z.py"),
        *("package/__init__.py", "package/inner.py", "package/test_inner.py"),
        *("plain/script.py", "tests/__init__.py", "tests/helper.py"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code)
    (tmp_path / "old.py").write_text("print 7")
    (tmp_path / "bytes.py").write_bytes(b"\xff")
    (tmp_path / "other.py").write_text("def train(): ...")
    modules = [each.module for each in find_predict(tmp_path)]
    assert modules == ["package", "package.inner", "z"]
