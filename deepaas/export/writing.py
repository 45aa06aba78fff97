# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Put files where they are wanted; what differs is overwritten only when that is asked for."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from deepaas.errors import ConfigurationError
from deepaas.whole import written_whole


def write_files(files: Mapping[str, str], folder: Path, *, force: bool = False) -> list[Path]:
    """Write texts into a folder, each file whole or not at all, and none if one must not be.

    Args:
        files: Relative names, with slashes for folders, to texts.
        folder: Made where it is missing.
        force: Replace files that say something else.

    Returns:
        The files that were written; those that said the same are left alone.

    Raises:
        ConfigurationError: A file is there and says something else, or the folder cannot be
            written to.
    """
    changed = {folder / name: text for name, text in files.items() if _differs(folder / name, text)}
    there = [path for path in changed if path.exists() or path.is_symlink()]
    if there and not force:
        names = ", ".join(f"'{path}'" for path in there)
        raise ConfigurationError(
            f"{names} would be overwritten, and differ. Nothing was written; --force replaces"
            " them, --stdout shows what would be written."
        )
    for path, text in changed.items():
        _write(path, text)
    return list(changed)


def _differs(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() != text.encode()
    except FileNotFoundError:
        return True
    except OSError as exc:
        raise _unusable(path, exc) from exc


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A link stays one: what it leads to is replaced.
        target = path.resolve()
        with written_whole(target) as temporary:
            temporary.write_bytes(text.encode())
            with suppress(FileNotFoundError):
                temporary.chmod(target.stat().st_mode & 0o777)
    except OSError as exc:
        raise _unusable(path, exc) from exc


def _unusable(path: Path, exc: OSError) -> ConfigurationError:
    return ConfigurationError(f"'{path}' cannot be used: {exc.strerror or exc}.")
