# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Functions of existing code that can answer predictions, and fields for what they take."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepaas.errors import ConfigurationError

NAME = "predict"
#: Functions that a module has if it was written for DEEPaaS.
_OWN = {"get_metadata", "get_predict_args"}
_NOT_CODE = {"setup.py", "conftest.py", "noxfile.py"}
_FIELDS = {
    "int": "Int",
    "float": "Float",
    "str": "Str",
    "bool": "Bool",
    "dict": "Dict",
    "list": "List",
}


@dataclass(frozen=True)
class Parameter:
    """One argument of a function, as a client may send it."""

    name: str
    #: The expression that declares it.
    field: str
    #: Whether the function wants the path of an upload, or its bytes.
    is_path: bool = False
    is_bytes: bool = False
    #: Whether neither the annotation nor the default tells what it is.
    is_guess: bool = False


@dataclass(frozen=True)
class Found:
    """A function that predicts."""

    #: Dotted, as it is imported from the root of the code.
    module: str
    parameters: tuple[Parameter, ...]
    #: Whether its module declares what it takes, and needs nothing around it.
    is_declared: bool

    @property
    def takes_uploads(self) -> bool:
        """Whether a file is among its arguments."""
        return any(each.is_path or each.is_bytes for each in self.parameters)


def find_predict(folder: Path) -> list[Found]:
    """Return the functions ``predict`` of a folder and of the packages in it.

    Raises:
        ConfigurationError: One cannot be called by the names of its arguments.
    """
    return [found for path in code_of(folder) for found in _found(folder, path)]


def root_of(folder: Path) -> Path:
    """Return from where a base's code is imported: its folder, or ``src`` in it."""
    source = folder / "src"
    is_package = (source / "__init__.py").is_file()
    return folder if is_package or next(code_of(source), None) is None else source


def code_of(folder: Path) -> Iterator[Path]:
    """Yield the modules of a folder and of the packages in it, without tests."""
    for path in sorted([*folder.glob("*.py"), *folder.glob("*/*.py")]):
        parent = path.parent
        is_package = parent == folder or (parent / "__init__.py").is_file()
        is_test = path.name.startswith("test_") or parent.name in ("tests", "test")
        if is_package and not is_test and path.name not in _NOT_CODE and path.stem.isidentifier():
            yield path


def _found(folder: Path, path: Path) -> Iterator[Found]:
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (OSError, ValueError, SyntaxError):
        return  # it cannot be imported either
    functions = {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}
    if NAME not in functions:
        return
    module = ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
    is_declared = bool(_OWN & functions.keys())
    parameters = () if is_declared else tuple(_parameters(path, functions[NAME].args))
    yield Found(module, parameters, is_declared)


def _parameters(path: Path, arguments: ast.arguments) -> Iterator[Parameter]:
    if arguments.posonlyargs:
        raise ConfigurationError(
            f"'{path}': {NAME} has arguments without a name for callers; write a function around it"
            " that has names, and adopt that."
        )
    defaults: list[ast.expr | None] = [None] * (len(arguments.args) - len(arguments.defaults))
    given = zip(arguments.args, [*defaults, *arguments.defaults], strict=True)
    by_name = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    for argument, default in (*given, *by_name):
        yield _parameter(argument, default)


def _parameter(argument: ast.arg, default: ast.expr | None) -> Parameter:
    kind, value = _kind_of(argument.annotation), _value_of(default)
    if kind is None and isinstance(value, (bool, int, float, str, list, dict)):
        kind = type(value).__name__
    options = "required=True" if default is None else ""
    if value is not None and kind not in ("Path", "bytes"):
        options = f"load_default={value!r}"
    if kind in ("Path", "bytes"):
        location = 'metadata={"location": "files"}'
        field = f"fields.Raw({', '.join(filter(None, (options, location)))})"
        return Parameter(argument.arg, field, is_path=kind == "Path", is_bytes=kind == "bytes")
    field = f"fields.{_field_of(kind, options)}"
    return Parameter(argument.arg, field, is_guess=kind is None)


def _field_of(kind: str | None, options: str) -> str:
    name, _, inner = (kind or "str").partition("[")
    if name == "list":
        member = _FIELDS.get(inner.rstrip("]"), "Raw")
        return f"List({', '.join(filter(None, (f'fields.{member}()', options)))})"
    return f"{_FIELDS[name]}({options})"


def _kind_of(annotation: ast.expr | None) -> str | None:
    """Return the kind that an annotation names, without ``None``; ``None`` for any other."""
    if annotation is None:
        return None
    text = ast.unparse(annotation).strip("'\"").replace(" ", "")
    text = text.removeprefix("typing.").removeprefix("pathlib.")
    if text.startswith("Optional["):
        text = text.removeprefix("Optional[").removesuffix("]")
    text = text.replace("|None", "").replace("List[", "list[").replace("Dict[", "dict[")
    known = text.partition("[")[0]
    if known == "dict":
        return "dict"
    return text if known in _FIELDS or text in ("Path", "bytes") else None


def _value_of(default: ast.expr | None) -> Any:
    """Return a default that is written out; ``None`` for any other."""
    try:
        return None if default is None else ast.literal_eval(default)
    except ValueError:
        return None
