# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a function is to run on: files, and what each of them is called in messages and outputs."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deepaas.errors import ConfigurationError, InvalidInput
from deepaas.functions.events import Call, StoredObject, read_event

#: Where faas-supervisor puts the object that an event names, and what it calls the body of a call.
INPUT_VARIABLE: Final = "INPUT_FILE_PATH"
EVENT_VARIABLE: Final = "EVENT"
KEY_VARIABLE: Final = "STORAGE_OBJECT_KEY"
_QUERY_PREFIX: Final = "CONT_VAR_"
_BODY: Final = re.compile(r"event-file-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|api_event_file")


@dataclass(frozen=True, slots=True)
class Item:
    """An object whose content is in a file here."""

    #: What its output is named after; with slashes where it lies in a folder.
    name: str
    path: Path
    #: What people call it: its key in the storage where that is known.
    label: str


@dataclass(frozen=True, slots=True)
class Request:
    """What a function is asked for: a call, or one or more objects."""

    items: tuple[Item, ...] = ()
    call: Call | None = None


def take_request(
    path: Path | None, event: bytes | None, environ: Mapping[str, str]
) -> Request | None:
    """Return what a function is asked for, ``None`` where nothing says.

    Args:
        path: File or folder that was named.
        event: The event that was given.
        environ: The environment, as faas-supervisor sets it; what was given wins.

    Raises:
        InvalidInput: The event cannot be used.
        ConfigurationError: A file is not there, or does not go with the event.
    """
    if path is None and event is None and (given := environ.get(INPUT_VARIABLE)):
        return _from_supervisor(Path(given), environ)
    if event is None and path is None and (text := environ.get(EVENT_VARIABLE)):
        event = text.encode("utf-8", "surrogateescape")
    found = None if event is None else read_event(event)
    if path is None:
        return _without_file(found)
    if isinstance(found, Call):
        raise ConfigurationError(
            "--input: the event is a call that holds all it needs; leave --input out."
        )
    if path.is_dir():
        return Request(_below(path) if found is None else _named_below(path, found))
    if not path.is_file():
        raise ConfigurationError(f"--input: there is no file {str(path)!r}.")
    if found is None:
        return Request((Item(path.name, path, path.name),))
    if len(found) > 1:
        raise ConfigurationError(
            f"--input: the event names {len(found)} objects; give the folder that holds them."
        )
    return Request((Item(found[0].name, path, found[0].key),))


def _from_supervisor(path: Path, environ: Mapping[str, str]) -> Request:
    if not path.is_file():
        raise ConfigurationError(f"{INPUT_VARIABLE}: there is no file {str(path)!r}.")
    if environ.get(KEY_VARIABLE) or not _BODY.fullmatch(path.name):
        return Request((Item(path.name, path, environ.get(KEY_VARIABLE) or path.name),))
    found = _without_file(read_event(path.read_bytes()))
    assert found is not None
    assert found.call is not None
    query = {
        name.removeprefix(_QUERY_PREFIX): text
        for name, text in environ.items()
        if name.startswith(_QUERY_PREFIX)
    }
    call = found.call
    return Request(
        call=Call(call.arguments, call.content, call.content_type, {**query, **call.query})
    )


def _without_file(found: Call | tuple[StoredObject, ...] | None) -> Request | None:
    if found is None:
        return None
    if isinstance(found, Call):
        return Request(call=found)
    raise InvalidInput(
        f"The event names {found[0].key!r}, and its content is not here: give the file, or the"
        f" folder that holds it, with --input. faas-supervisor says it in {INPUT_VARIABLE}."
    )


def _below(folder: Path) -> tuple[Item, ...]:
    """Return the files of a folder, without links and what is hidden."""
    found = sorted(_walk(folder, ""))
    if not found:
        raise InvalidInput(f"The folder {folder.name!r} holds no object.")
    return tuple(Item(name, path, name) for name, path in found)


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    for path in folder.iterdir():
        if path.name.startswith(".") or path.is_symlink():
            continue
        if path.is_dir():
            yield from _walk(path, f"{prefix}{path.name}/")
        elif path.is_file():
            yield f"{prefix}{path.name}", path


def _is_within(folder: Path, path: Path) -> bool:
    """Tell whether there is something in a folder, to which neither a name nor a link leads out."""
    # Unlike the method of a path, it takes any text that an event may hold.
    return os.path.exists(path) and path.resolve().is_relative_to(folder.resolve())


def _named_below(folder: Path, found: tuple[StoredObject, ...]) -> tuple[Item, ...]:
    names = [each.name for each in found]
    is_clear = len(set(names)) == len(names)
    items: list[Item] = []
    for each in found:
        paths = [folder / each.bucket / each.key, folder / each.key, folder / each.name]
        path = next((path for path in paths if _is_within(folder, path)), None)
        if path is None:
            raise InvalidInput(f"The object {each.key!r} is not in the folder {folder.name!r}.")
        if path.is_dir():
            # A data set of Rucio.
            items += _below(path)
        else:
            items.append(Item(each.name if is_clear else each.key, path, each.key))
    return tuple(items)
