# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The arguments that a model declares; most of what goes wrong does so under version 2 only."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from deepaas.lint.declared import DeclaredArgument, ModelCode, models_of
from deepaas.lint.findings import Fault, rule
from deepaas.lint.project import Project

_GETTERS: Final = ("get_predict_args", "get_train_args")
#: Options of deepaas-cli 2.6.0 itself. It takes each beginning of one for the option.
_GLOBAL: Final = (
    *("help", "version", "config-dir", "config-file", "debug", "nodebug", "log-config-append"),
    *("log-config", "log_config", "log-date-format", "log-dir", "logdir", "log-file", "logfile"),
    *("syslog-log-facility", "use-journal", "nouse-journal", "use-json", "nouse-json"),
    *("use-syslog", "nouse-syslog", "watch-log-file", "nowatch-log-file"),
    *("deepaas_method_output", "deepaas_model_output", "deepaas_with_multiprocessing"),
    "nodeepaas_with_multiprocessing",
)
#: Taken by Python, or by the call itself.
_RESERVED: Final = {"self", "cls"}
_NEEDS_3: Final = re.compile(r"\bdeepaas\b(?:\[[\w,-]*\])?\s*(?:>=|==|~=|>)\s*[\"']?3")


@rule("ARG01", "rename it, or require deepaas>=3, whose command has arguments of its own")
def clashing(project: Project) -> Iterator[Fault]:
    """An argument cannot be given to deepaas-cli of version 2."""
    if _requires_version_3(project):
        return
    for each in _declared(project):
        taken = [option for option in _GLOBAL if option.startswith(each.name)]
        if taken:
            text = f"--{each.name} is taken for --{' or --'.join(taken[:3])}"
            yield Fault(each.source.name, each.line, text)
    for name in project.imported:
        taken = [option for option in _GLOBAL if option.startswith(name)]
        if taken and all(each.name != name for each in _declared(project)):
            text = f"the argument {name!r} is taken for --{' or --'.join(taken[:3])}"
            yield Fault(_heads(project), 1, text)


@rule("ARG02", "rename it")
def reserved(project: Project) -> Iterator[Fault]:
    """An argument has a reserved name."""
    for each in _declared(project):
        if each.name in _RESERVED or each.name.startswith("deepaas_"):
            yield Fault(each.source.name, each.line, f"the name {each.name!r} has another meaning")


@rule("ARG03", "add validate=OneOf([...]); version 2.6.0 does not start without it")
def accept_without_choices(project: Project) -> Iterator[Fault]:
    """The argument accept names no media types."""
    for each in _declared(project):
        if each.name == "accept":
            validate = each.keywords.get("validate")
            if validate is None or "OneOf" not in ast.dump(validate):
                yield Fault(each.source.name, each.line, "accept has no OneOf")


@rule("ARG04", "add the argument to the function, or **kwargs")
def not_taken(project: Project) -> Iterator[Fault]:
    """A function does not take an argument that is declared for it."""
    for code in models_of(project):
        for getter, name in zip(_GETTERS, ("predict", "train"), strict=True):
            function = code.functions.get(name)
            if function is None or function.args.kwarg is not None:
                continue
            taken = {
                each.arg
                for each in (
                    *function.args.posonlyargs,
                    *function.args.args,
                    *function.args.kwonlyargs,
                )
            }
            for argument in code.arguments(getter):
                keyword = argument.keywords.get("attribute")
                wanted = keyword.value if isinstance(keyword, ast.Constant) else argument.name
                if wanted not in taken:
                    text = f"{name}() takes no {wanted!r}"
                    yield Fault(argument.source.name, argument.line, text)


@rule("ARG05", "add `def get_train_args(): return {}`, or require deepaas>=3")
def no_train_args(project: Project) -> Iterator[Fault]:
    """deepaas-cli of version 2 fails for want of a function."""
    if _requires_version_3(project):
        return
    for code in models_of(project):
        for getter in _GETTERS if code.is_whole and code.functions else ():
            if getter not in code.functions:
                text = f"there is no {getter}, and every command of deepaas-cli 2 needs it"
                yield Fault(code.source.name, 1, text)


def _declared(project: Project) -> Iterator[DeclaredArgument]:
    for code in models_of(project):
        for getter in _GETTERS:
            yield from _once(code, getter)


def _once(code: ModelCode, getter: str) -> Iterator[DeclaredArgument]:
    found = {(each.name, each.line): each for each in code.arguments(getter)}
    yield from found.values()


def _requires_version_3(project: Project) -> bool:
    heads = project.named("pyproject.toml", "setup.cfg", "setup.py", "requirements.txt")
    return any(
        _NEEDS_3.search(line)
        for source in heads
        for line in source.lines
        if not line.lstrip().startswith("#")
    )


def _heads(project: Project) -> str:
    return next((code.head.name for code in models_of(project)), ".")


RULES = (clashing, reserved, accept_without_choices, not_taken, no_train_args)
