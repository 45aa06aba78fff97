# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""From an object or a call to what a client of the service would have sent.

A JSON object gives the arguments by name; whatever else is the only file that the model takes.
"""

import base64
import binascii
import json
import mimetypes
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from deepaas.errors import InvalidArguments, InvalidInput
from deepaas.functions.events import Call, is_json
from deepaas.functions.objects import Item
from deepaas.records import Argument, CallInput, UploadedFile

#: Where OSCAR's clients put files into a JSON object: a list of ``key``, ``file_format``, ``data``.
OSCAR_FILES: Final = "oscar-files"
_FORMAT: Final = re.compile(r"[A-Za-z0-9]{1,16}(\.[A-Za-z0-9]{1,16})?")
_PLACES: Final = ("query", "form", "headers", "cookies")


def file_argument(declared: Sequence[Argument]) -> Argument:
    """Return the argument that takes an object as it is: the only file, or the only required one.

    Raises:
        InvalidInput: There is none, or it is not clear which.
    """
    files = [each for each in declared if each.is_file]
    if not files:
        raise InvalidInput(
            f"The model takes no file: send a JSON object with its arguments, {_names(declared)}."
        )
    if len(files) > 1:
        files = [each for each in files if each.required] or files
    if len(files) > 1:
        raise InvalidInput(
            f"The model takes several files, {_names(files)}: send a JSON object that holds them"
            f" under {OSCAR_FILES!r}, each with its key."
        )
    return files[0]


def takes_archives(declared: Sequence[Argument]) -> bool:
    """Tell whether the model wants a zip archive as it is: its file says so in name or text."""
    try:
        argument = file_argument(declared)
    except InvalidInput:
        return False
    said = (argument.wire_name, argument.description or "", *argument.media_types)
    return any(re.search(r"(?<![a-z])zip(?![a-z])", text.lower()) for text in said)


class CallMaker:
    """Makes the input of one function of a model.

    Args:
        declared: What the function takes.
        folder: Takes copies of files; a model may remove what it is given.
        accept: Media type that is asked for where the input itself asks for none.
    """

    def __init__(self, declared: Sequence[Argument], folder: Path, accept: str | None) -> None:
        self._declared = declared
        self._by_name = {each.name: each for each in declared}
        self._by_name |= {each.wire_name: each for each in declared}
        self._folder = folder
        self._accept = accept

    def of_item(self, item: Item, path: Path) -> CallInput:
        """Return the input that an object stands for.

        Args:
            item: The object.
            path: Its content; read, never changed.

        Raises:
            InvalidInput: It cannot be an input of this function.
        """
        name = PurePosixPath(item.name).name
        if name.lower().endswith(".json"):
            value = _read_json(path)
            if isinstance(value, dict):
                return self._make(value, ())
        argument = file_argument(self._declared)
        copy = self._new_path(PurePosixPath(name).suffix)
        shutil.copyfile(path, copy)
        kind = mimetypes.guess_type(name)[0]
        return self._make({}, [(argument, UploadedFile(argument.wire_name, str(copy), kind, name))])

    def of_call(self, call: Call) -> CallInput:
        """Return the input that a call stands for; raises as :meth:`of_item` does."""
        # An address may carry more than is meant for the model, here as in the service.
        query = {name: text for name, text in call.query.items() if name in self._by_name}
        if call.arguments is not None:
            return self._make({**query, **call.arguments}, ())
        if call.content_type is not None and is_json(call.content_type):
            raise InvalidInput("The body is JSON and no object; send the arguments by name.")
        argument = file_argument(self._declared)
        kind = None if call.content_type is None else call.content_type.partition(";")[0]
        suffix = (kind and mimetypes.guess_extension(kind)) or ""
        return self._make(query, [self._upload(argument, call.content, suffix, kind)])

    def _make(
        self, values: Mapping[str, Any], files: Iterable[tuple[Argument, UploadedFile]]
    ) -> CallInput:
        found = [*files, *self._oscar_files(values.get(OSCAR_FILES))]
        given = {name: value for name, value in values.items() if name != OSCAR_FILES}
        self._refuse_wrong_names(given)
        accept = self._by_name.get("accept")
        if self._accept is not None:
            if accept is None:
                raise InvalidInput(
                    f"--content-type {self._accept}: the model gives JSON only; it declares no"
                    " argument 'accept'."
                )
            given = {"accept": self._accept, **given}
        pairs: dict[str, list[tuple[str, str]]] = {place: [] for place in _PLACES}
        body: dict[str, Any] = {}
        for name, value in given.items():
            argument = self._by_name[name]
            place = argument.location or ("query" if isinstance(value, str) else "json")
            if place in pairs:
                pairs[place] += [(argument.wire_name, text) for text in _texts(argument, value)]
            else:
                body[argument.wire_name] = value
        return CallInput(
            **{place: tuple(texts) for place, texts in pairs.items()},
            files=tuple((argument.wire_name, file) for argument, file in found),
            body=json.dumps(body).encode() if body else None,
        )

    def _refuse_wrong_names(self, given: Mapping[str, Any]) -> None:
        wrong: dict[str, list[str]] = {}
        for name in given:
            if name not in self._by_name:
                wrong[name] = [f"There is no such argument; there are {_names(self._declared)}."]
            elif self._by_name[name].is_file:
                wrong[name] = [f"A file; send it in base64 under {OSCAR_FILES!r}, with this key."]
        if wrong:
            raise InvalidArguments(wrong)

    def _oscar_files(self, value: object) -> Iterable[tuple[Argument, UploadedFile]]:
        if value is None:
            return
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise InvalidArguments({OSCAR_FILES: ["A list of objects with key and data."]})
        for each in value:
            key = each.get("key")
            argument = file_argument(self._declared) if key is None else self._by_name.get(str(key))
            if argument is None or not argument.is_file:
                files = _names([found for found in self._declared if found.is_file])
                text = f"The key {key!r} is no file of the model's; there are {files}."
                raise InvalidArguments({OSCAR_FILES: [text]})
            content = _from_base64(each.get("data"))
            if content is None:
                text = f"The data of {argument.wire_name!r} is no base64."
                raise InvalidArguments({OSCAR_FILES: [text]})
            form = str(each.get("file_format") or "").lstrip(".")
            suffix = f".{form}" if _FORMAT.fullmatch(form) else ""
            yield self._upload(argument, content, suffix, mimetypes.guess_type(f"x{suffix}")[0])

    def _upload(
        self, argument: Argument, content: bytes, suffix: str, kind: str | None
    ) -> tuple[Argument, UploadedFile]:
        path = self._new_path(suffix)
        path.write_bytes(content)
        name = f"{argument.wire_name}{suffix}"
        return argument, UploadedFile(argument.wire_name, str(path), kind, name)

    def _new_path(self, suffix: str) -> Path:
        return self._folder / (os.urandom(8).hex() + suffix)


def _from_base64(text: object) -> bytes | None:
    if not isinstance(text, str):
        return None
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as exc:
        why = "it is no text"
        if isinstance(exc, json.JSONDecodeError):
            why = f"line {exc.lineno}: {exc.msg}"
        raise InvalidInput(f"The object is called .json and is no JSON: {why}.") from exc


def _texts(argument: Argument, value: Any) -> list[str]:
    if isinstance(value, list) and argument.is_list:
        return [_text(each) for each in value]
    if isinstance(value, list) and argument.delimiter is not None:
        return [argument.delimiter.join(map(_text, value))]
    return [_text(value)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _names(declared: Iterable[Argument]) -> str:
    return ", ".join(repr(each.wire_name) for each in declared) or "none"
