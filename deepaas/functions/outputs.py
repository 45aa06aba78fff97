# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The files that a function leaves, one for each object, and what is still owed.

Whoever uploads them sees each one whole or not at all.
"""

import json
import mimetypes
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final

from deepaas.errors import ConfigurationError, InvalidInput
from deepaas.model.encoding import EncodedAnswer

JSON_SUFFIX: Final = ".json"
ERROR_SUFFIX: Final = ".error"
_PART_SUFFIX: Final = ".part"


def stem_of(name: str) -> str:
    """Return a name without its last suffix; folders and other dots stay."""
    path = PurePosixPath(name)
    return str(path.with_name(path.stem))


def output_names(names: Sequence[str]) -> list[str]:
    """Return what the outputs of these objects are called, without their suffix.

    It is the name of the object without its last suffix, unless two would share it, or one would
    take what the error of another is called: these keep their whole name.

    Raises:
        InvalidInput: That does not tell them apart either.
    """
    stems = [stem_of(name) for name in names]
    count = Counter(stems)

    def is_alone(stem: str) -> bool:
        is_error = stem.endswith(ERROR_SUFFIX) and stem.removesuffix(ERROR_SUFFIX) in count
        return count[stem] == 1 and not is_error

    chosen = [stem if is_alone(stem) else name for stem, name in zip(stems, names, strict=True)]
    shared = next((name for name, times in Counter(chosen).items() if times > 1), None)
    if shared is not None:
        found = [name for name, own in zip(names, chosen, strict=True) if own == shared]
        raise InvalidInput(
            f"The outputs of {' and '.join(map(repr, found))} would have the same name; rename one."
        )
    return chosen


def suffix_of(answer: EncodedAnswer) -> str:
    """Return the suffix of the file that an answer becomes."""
    kind = answer.content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return JSON_SUFFIX
    own = PurePosixPath(answer.filename or "").suffix
    return mimetypes.guess_extension(kind, strict=False) or own or ".bin"


class Outputs:
    """The folder for outputs.

    Args:
        folder: Made when the first one is written.
        run: Marks what this run has begun to write, ``[A-Za-z0-9]``.
    """

    def __init__(self, folder: Path, run: str) -> None:
        self._folder = folder
        self._run = run

    def write(self, name: str, answer: EncodedAnswer) -> Path:
        """Write an answer, in the place of one of that name, and close what it holds.

        Why an earlier run had none is no longer true, and removed.

        Raises:
            ConfigurationError: It cannot be written.
        """
        path = self._write(name, answer)
        self._remove_problem(name)
        return path

    def _write(self, name: str, answer: EncodedAnswer) -> Path:
        path = self._path(name + suffix_of(answer))
        part = path.with_name(f".{self._run}-{os.urandom(4).hex()}{_PART_SUFFIX}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("xb") as file:
                if answer.file is None:
                    file.write(answer.body or b"")
                else:
                    with answer.file:
                        shutil.copyfileobj(answer.file, file)
            part.replace(path)
        except OSError as exc:
            with suppress(OSError):
                part.unlink()
            raise ConfigurationError(f"{path} cannot be written: {exc.strerror}.") from exc
        return path

    def write_problem(self, name: str, problem: Mapping[str, Any]) -> Path:
        """Write why there is no answer; raises as :meth:`write` does."""
        body = problem_text(problem)
        return self._write(name + ERROR_SUFFIX, EncodedAnswer("application/json", body))

    def _remove_problem(self, name: str) -> None:
        path = self._path(name + ERROR_SUFFIX + JSON_SUFFIX)
        # Not the answer to an object of this name, nor what somebody else has put there.
        with suppress(OSError, ValueError, RecursionError):
            said = json.loads(path.read_bytes())
            if isinstance(said, dict) and said.get("status") == "error":
                path.unlink()

    def remove_parts(self) -> None:
        """Remove what was begun by a process that is gone."""
        for part in self._folder.rglob(f".{self._run}-*{_PART_SUFFIX}"):
            part.unlink(missing_ok=True)

    def refuse_beside(self, paths: Mapping[str, Path]) -> None:
        """Refuse a folder in which an output might take the place of an object.

        Args:
            paths: Where the objects are, by their names.

        Raises:
            ConfigurationError: As it says.
        """
        for name, path in paths.items():
            # A link counts where it is, and where it leads.
            if self._path(name).parent.resolve() in (path.parent.resolve(), path.resolve().parent):
                raise ConfigurationError(
                    f"--output-dir: the output would lie beside the object {path.name!r}, and might"
                    " take its place; choose another folder."
                )

    def folder_of(self, name: str) -> Path:
        """Return where a training keeps what it makes; not made here."""
        return self._path(f"{name}.artifacts")

    def _path(self, name: str) -> Path:
        return self._folder / name


def problem_text(problem: Mapping[str, Any]) -> bytes:
    """Return a problem as JSON, on a line of its own."""
    text = json.dumps(problem, ensure_ascii=False, default=str)
    return text.encode("utf-8", "backslashreplace") + b"\n"


class Debts:
    """Which outputs are owed, in a file: whoever is left pays what a process that died did not.

    Args:
        folder: Holds the file; of this run alone.
    """

    def __init__(self, folder: Path) -> None:
        self._owed = folder / "owed"
        self._paid = folder / "paid"

    def owe(self, outputs: Mapping[str, str]) -> None:
        """Set what is owed: the object by the name of its output."""
        part = self._owed.with_suffix(_PART_SUFFIX)
        part.write_text(json.dumps(outputs), "utf-8")
        part.replace(self._owed)

    def pay(self, name: str) -> None:
        """Note that an output is written."""
        with self._paid.open("a", encoding="utf-8") as file:
            file.write(json.dumps(name) + "\n")

    def left(self) -> dict[str, str]:
        """Return what is still owed."""
        paid = set()
        if self._paid.exists():
            paid = {json.loads(line) for line in self._paid.read_text("utf-8").splitlines()}
        owed: dict[str, str] = json.loads(self._owed.read_text("utf-8"))
        return {name: label for name, label in owed.items() if name not in paid}
