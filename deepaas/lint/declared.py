# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a model's code declares, read from its syntax; nothing of it is imported or run."""

import ast
import configparser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from deepaas.lint.documents import mapping
from deepaas.lint.project import Project, Source

GROUP: Final = "deepaas.v2.model"
_MOST_HOPS: Final = 5
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class DeclaredArgument:
    """An argument in the code of a model."""

    name: str
    source: Source
    line: int
    #: The keywords of the field's call by name, those of its metadata included.
    keywords: Mapping[str, ast.expr] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelCode:
    """The module, or the class, that an entry point names."""

    source: Source
    functions: Mapping[str, _Function]
    #: The file that has the entry point, and its line.
    head: Source
    head_line: int
    #: Whether all it has can be seen: it imports nothing by ``*``, and no class has a base.
    is_whole: bool

    def arguments(self, function: str) -> list[DeclaredArgument]:
        """Return what ``get_predict_args`` or another function declares, if it can be seen."""
        found = self.functions.get(function)
        return [] if found is None else list(_returned(self, found, 0))


def models_of(project: Project) -> Iterator[ModelCode]:
    """Yield the code of every entry point that is a file of the project."""
    for head, value in _entry_points(project):
        module, _, attribute = value.partition("[")[0].strip().partition(":")
        source = _source_of(project, module.strip())
        if source is None or source.tree is None:
            continue
        body: list[ast.stmt] = source.tree.body
        is_whole = not any(
            isinstance(each, ast.ImportFrom) and each.names[0].name == "*" for each in body
        )
        for each in body:
            if isinstance(each, ast.ClassDef) and each.name == attribute.strip():
                body, is_whole = each.body, is_whole and not each.bases
        functions = {each.name: each for each in body if isinstance(each, _Function)}
        others = {
            alias.asname or alias.name
            for each in body
            if isinstance(each, ast.ImportFrom)
            for alias in each.names
        }
        is_whole = is_whole and not others & {"train", "get_train_args", "get_predict_args"}
        yield ModelCode(source, functions, head, head.line_of(value), is_whole)


def _entry_points(project: Project) -> Iterator[tuple[Source, str]]:
    if (source := project.at("pyproject.toml")) is not None:
        for value in mapping(project.pyproject, "project", "entry-points", GROUP).values():
            yield source, str(value)
    if (source := project.at("setup.cfg")) is not None:
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(source.text)
        except configparser.Error:
            return
        # The second one is pbr's.
        for section in ("options.entry_points", "entry_points"):
            for line in parser.get(section, GROUP, fallback="").splitlines():
                if value := line.partition("=")[2].strip():
                    yield source, value
    if (source := project.at("setup.py")) is not None and source.tree is not None:
        for node in ast.walk(source.tree):
            for key, given in (
                zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ()
            ):
                if _text(key) == GROUP and isinstance(given, ast.List | ast.Tuple):
                    for each in given.elts:
                        if value := (_text(each) or "").partition("=")[2].strip():
                            yield source, value


def _source_of(project: Project, module: str) -> Source | None:
    path = module.replace(".", "/")
    for root in ("", "src/"):
        for name in (f"{root}{path}.py", f"{root}{path}/__init__.py"):
            if (source := project.at(name)) is not None:
                return source
    return None


def _returned(code: ModelCode, function: _Function, hops: int) -> Iterator[DeclaredArgument]:
    """Yield the members of the mapping that a function returns."""
    if hops > _MOST_HOPS:
        return
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            yield from _members(code, node.value, function, hops)


def _members(
    code: ModelCode, value: ast.expr, within: _Function, hops: int
) -> Iterator[DeclaredArgument]:
    if isinstance(value, ast.Dict):
        for key, each in zip(value.keys, value.values, strict=True):
            if key is None:
                yield from _members(code, each, within, hops)
            elif (name := _text(key)) is not None:
                yield _argument(code, name, key, each)
    elif isinstance(value, ast.Name):
        yield from _assigned(code, value.id, within, hops)
    elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        called = code.functions.get(value.func.id)
        if called is not None:
            yield from _returned(code, called, hops + 1)
        elif value.func.id == "dict":
            for given in value.keywords:
                if given.arg is not None:
                    yield _argument(code, given.arg, given, given.value)
    # Schema().fields, as templates of version 2 have it.
    elif isinstance(value, ast.Attribute) and value.attr == "fields":
        schema = value.value.func if isinstance(value.value, ast.Call) else value.value
        if isinstance(schema, ast.Name):
            yield from _fields_of(code, schema.id)


def _assigned(
    code: ModelCode, name: str, within: _Function, hops: int
) -> Iterator[DeclaredArgument]:
    """Yield what a variable holds: the mapping it is given, and what is put in."""
    if hops > _MOST_HOPS or code.source.tree is None:
        return
    for node in [*ast.walk(within), *code.source.tree.body]:
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        elif isinstance(node, ast.Assign):
            targets, value = list(node.targets), node.value  # type: ignore[arg-type]  # a target is an expression
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and target.id == name:
                yield from _members(code, value, within, hops + 1)
            elif (
                isinstance(target, ast.Subscript)
                and _name(target.value) == name
                and (key := _text(target.slice)) is not None
            ):
                yield _argument(code, key, target, value)


def _fields_of(code: ModelCode, name: str) -> Iterator[DeclaredArgument]:
    assert code.source.tree is not None
    for node in code.source.tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            for each in node.body:
                if isinstance(each, ast.Assign) and isinstance(each.value, ast.Call):
                    for target in each.targets:
                        if isinstance(target, ast.Name):
                            yield _argument(code, target.id, target, each.value)


def _argument(code: ModelCode, name: str, at: Any, value: ast.expr) -> DeclaredArgument:
    keywords: dict[str, ast.expr] = {}
    for each in value.keywords if isinstance(value, ast.Call) else ():
        if each.arg is not None:
            keywords[each.arg] = each.value
        if each.arg == "metadata" and isinstance(each.value, ast.Dict):
            pairs = zip(each.value.keys, each.value.values, strict=True)
            keywords |= {text: inner for key, inner in pairs if (text := _text(key)) is not None}
    return DeclaredArgument(name, code.source, at.lineno, keywords)


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else None
