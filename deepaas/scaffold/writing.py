# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Files into a folder, all of them or none; nothing is ever overwritten."""

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from deepaas.errors import ConfigurationError


def require_empty(folder: Path) -> None:
    """See to it that a new package can be written into a folder, which need not be there.

    Raises:
        ConfigurationError: It is no folder, has something in it, or its parent is not there.
    """
    try:
        found = next(folder.iterdir(), None)
    except FileNotFoundError:
        found = None
    except OSError as exc:
        raise _unusable(folder, exc) from exc
    if found is not None:
        raise ConfigurationError(
            f"'{folder}' is not empty: it has '{found.name}'. Take another folder, or let"
            " `deepaas init --adopt` add what is missing."
        )


def add_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write files into a folder, which is made if it is not there; its parent has to be.

    Args:
        folder: Where the paths begin.
        files: Texts by relative path.

    Raises:
        ConfigurationError: One is there already, or cannot be written; nothing is left of those
            before it.
    """
    with ExitStack() as undo:
        _make_folder(folder, undo)
        for name, text in files.items():
            path = folder / name
            for parent in reversed(path.relative_to(folder).parents[:-1]):
                _make_folder(folder / parent, undo)
            try:
                with path.open("x", encoding="utf-8", newline="") as file:
                    undo.callback(path.unlink, missing_ok=True)
                    file.write(text)
            except OSError as exc:
                raise _unusable(path, exc) from exc
        undo.pop_all()


def _make_folder(folder: Path, undo: ExitStack) -> None:
    try:
        folder.mkdir()
    except FileExistsError:
        return  # what is no folder fails with the first file in it
    except OSError as exc:
        raise _unusable(folder, exc) from exc
    undo.callback(_remove_folder, folder)


def _remove_folder(folder: Path) -> None:
    with suppress(OSError):  # somebody else put something into it
        folder.rmdir()


def _unusable(path: Path, exc: OSError) -> ConfigurationError:
    return ConfigurationError(f"'{path}' cannot be written: {exc.strerror or exc}.")
