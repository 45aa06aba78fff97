# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The declared arguments of a model on a command line, in a namespace of their own.

Nothing is checked here: what was given becomes the :class:`~deepaas.records.CallInput` that a
client of the server would have sent, so that one parser checks both, with the same messages.
"""

import argparse
import ast
import json
import mimetypes
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from deepaas.errors import ConfigurationError
from deepaas.records import MISSING, Argument, CallInput, UploadedFile

_PLACES = {None: "query", "query": "query", "form": "form", "headers": "headers"} | {
    "cookies": "cookies"
}


class HelpAsked(Exception):
    """Somebody asked for the help, which is the argument."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{message}; see {self.prog} --help.")


def parse_arguments(
    prog: str, arguments: Sequence[Argument], argv: Sequence[str], folder: Path
) -> CallInput:
    """Return the input that a command line stands for.

    Args:
        prog: The command and its method, for messages.
        arguments: What the method takes.
        argv: What stands behind the method.
        folder: For copies of the files; a model may remove what it is given.

    Raises:
        ConfigurationError: An argument is not known, or a file is not there.
        HelpAsked: As it says.
    """
    options = _options(arguments)
    parser = _parser(prog, arguments, options)
    given = vars(parser.parse_args(_unabbreviated(parser, argv, options)))
    if given["asks_help"]:
        raise HelpAsked(parser.format_help())
    texts = {
        argument.wire_name: given[f"argument_{number}"]
        for number, argument in enumerate(arguments)
        if given[f"argument_{number}"] is not None
    }
    return make_input(arguments, texts, folder)


def make_input(
    arguments: Sequence[Argument], texts: dict[str, list[str]], folder: Path
) -> CallInput:
    """Return the input that these texts stand for, by name on the wire; see the module's text.

    Raises:
        ConfigurationError: A file is not there.
    """
    pairs: dict[str, list[tuple[str, str]]] = {place: [] for place in _PLACES.values()}
    files: list[tuple[str, UploadedFile]] = []
    body: dict[str, Any] = {}
    for argument in arguments:
        name = argument.wire_name
        if name not in texts:
            continue
        # Of an option that is given twice the last one counts, as usual at a command line.
        given = texts[name] if argument.is_list else texts[name][-1:]
        if argument.is_file:
            files += [(name, upload(name, Path(text), folder)) for text in given]
        elif (value := _for_body(argument, given)) is not MISSING:
            body[name] = value
        else:
            pairs[_PLACES[argument.location]] += [(name, text) for text in given]
    return CallInput(
        **{place: tuple(found) for place, found in pairs.items()},
        files=tuple(files),
        body=json.dumps(body).encode() if body else None,
    )


def upload(name: str, path: Path, folder: Path) -> UploadedFile:
    """Return a file as if a client had sent it: a copy, with the suffix that models look at.

    Raises:
        ConfigurationError: It cannot be read.
    """
    copy = folder / (os.urandom(8).hex() + path.suffix)
    try:
        shutil.copyfile(path, copy)
    except OSError as exc:
        raise ConfigurationError(f"{name}: the file {str(path)!r}: {exc.strerror}.") from exc
    return UploadedFile(name, str(copy), mimetypes.guess_type(path.name)[0], path.name)


def _options(arguments: Sequence[Argument]) -> list[list[str]]:
    """Return the options of each argument, and behind them those that ask for help."""
    taken = {argument.wire_name for argument in arguments}
    options = []
    for argument in arguments:
        names = [argument.wire_name]
        if argument.name not in taken:
            names.append(argument.name)
        options.append([f"--{name}" for name in names])
    return [*options, ["-h"] if "help" in taken else ["-h", "--help"]]


def _unabbreviated(
    parser: argparse.ArgumentParser, argv: Sequence[str], options: Sequence[Sequence[str]]
) -> list[str]:
    """Write out what is the beginning of one argument's name, as version 2 took it.

    Not by argparse, for which two names of one argument are not clear.
    """
    written = []
    for text in argv:
        head, equals, value = text.partition("=")
        is_name = any(head in names for names in options)
        fitting: list[str] = []
        if head.startswith("--") and head != "--" and not is_name:
            found = ([name for name in names if name.startswith(head)] for names in options)
            fitting = [names[0] for names in found if names]
        if len(fitting) > 1:
            parser.error(f"{head} is not clear: it begins {' and '.join(fitting)}")
        written.append(f"{fitting[0]}{equals}{value}" if fitting else text)
    return written


def _parser(
    prog: str, arguments: Sequence[Argument], options: Sequence[Sequence[str]]
) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=prog,
        # argparse trips over names such as bbox(N,W,S,E) when it makes this line itself.
        usage=f"{prog} [--ARGUMENT VALUE]...",
        formatter_class=argparse.RawTextHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    *of_arguments, of_help = options
    parser.add_argument(*of_help, action="store_true", dest="asks_help", help="Show this and end.")
    for number, (argument, names) in enumerate(zip(arguments, of_arguments, strict=True)):
        many = argument.is_list
        is_flag = argument.schema.get("type") == "boolean" and not many
        parser.add_argument(
            *names,
            dest=f"argument_{number}",
            action="extend" if many else "append",
            nargs="+" if many else "?" if is_flag else None,
            const="true" if is_flag else None,
            metavar="FILE" if argument.is_file else "VALUE",
            help=_help(argument),
        )
    return parser


def _help(argument: Argument) -> str:
    lines = [argument.description] if argument.description else []
    kind = "file" if argument.is_file else argument.schema.get("type") or argument.type_name
    lines.append(f"Type: {kind}{', may be repeated' if argument.is_list else ''}")
    if argument.choices is not None:
        lines.append(f"One of: {', '.join(map(str, argument.choices))}")
    if argument.required:
        lines.append("Required")
    elif argument.default is not MISSING and not argument.is_secret:
        lines.append(f"Default: {json.dumps(argument.default, default=str, ensure_ascii=False)}")
    return "\n".join(lines).replace("%", "%%")


def _for_body(argument: Argument, texts: list[str]) -> Any:
    """Return what goes into a JSON body, :data:`MISSING` for what can be a text elsewhere."""
    if argument.location not in (None, "json"):
        return MISSING
    kind = argument.schema.get("type")
    if argument.is_list:
        whole = _structure(texts[0]) if len(texts) == 1 else MISSING
        if isinstance(whole, list):
            return whole
        items = argument.schema.get("items", {}).get("type")
        values = [_typed(items, text) for text in texts]
        return values if argument.location == "json" or items in ("object", "array") else MISSING
    value = _typed(kind, texts[0])
    # An integer too: one declared as strict takes no text.
    is_for_body = kind in ("object", "integer") or isinstance(value, dict | list)
    return value if argument.location == "json" or is_for_body else MISSING


def _typed(kind: object, text: str) -> Any:
    """Read a text as JSON where its type says so; the text itself, to be refused, if it is none."""
    if kind in ("object", "array"):
        value = _structure(text)
    elif kind in ("integer", "number", "boolean"):
        value = _json(text)
    else:
        return text
    return text if value is MISSING else value


def _structure(text: str) -> Any:
    """Read a list or an object: JSON, or Python's own way of writing it, as in version 2."""
    value = _json(text)
    if value is MISSING:
        try:
            value = ast.literal_eval(text)
            json.dumps(value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            return MISSING
    return value if isinstance(value, dict | list) else MISSING


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return MISSING
