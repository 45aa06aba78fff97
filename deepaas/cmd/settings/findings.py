# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is to be found wrong with variables of any program: secrets and the files that hold them."""

import difflib
import os
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deepaas.cmd.settings.variables import Variables, is_secret_name

ERROR: Final = "error"
WARNING: Final = "warning"
#: Of a secret that somebody chose; what machines make is longer anyway.
MIN_SECRET_CHARACTERS: Final = 8
_ALIKE: Final = 0.8
_DEFAULTS: Final = frozenset(
    (
        *(
            "admin",
            "administrator",
            "changeit",
            "changeme",
            "default",
            "example",
            "guest",
            "qwerty",
        ),
        *("letmein", "none", "null", "password", "passw0rd", "root", "secret", "test", "user"),
    )
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing."""

    level: str
    #: File and line, variable or option.
    place: str
    text: str


def hint_of(name: str, known: Collection[str]) -> str:
    """Return the end of a sentence about a name that nothing reads: which one may be meant."""
    alike = difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=_ALIKE)
    return f"; is {alike[0]} meant?" if alike else "."


def weakness(value: str) -> str | None:
    """Say why a secret is easily guessed, ``None`` where nothing speaks against it."""
    if value.lower() in _DEFAULTS:
        return "is a default that everybody knows"
    if len(value) < MIN_SECRET_CHARACTERS:
        return f"has {len(value)} characters; take {MIN_SECRET_CHARACTERS} or more"
    if len(set(value)) <= 2:
        return "repeats one or two characters"
    if value.isdigit() and value in "01234567890123456789":
        return "counts up"
    return None


def secret_findings(variables: Variables, names: Iterable[str]) -> Iterator[Finding]:
    """Yield what is wrong with the secrets among these variables, and never their values."""
    own = False
    for name in sorted(names):
        value, place = variables.values[name], variables.place(name)
        base = name.removesuffix("_FILE")
        if name != base and is_secret_name(base):
            if variables.values.get(base):
                yield Finding(ERROR, place, f"{base} and {name} are both given; choose one.")
            elif value:
                yield from file_findings(Path(value), place, name)
        elif is_secret_name(name) and value:
            own = own or variables.is_own(name)
            if why := weakness(value):
                yield Finding(ERROR, place, f"{name} {why}.")
        elif is_secret_name(name) and variables.is_own(name):
            yield Finding(WARNING, place, f"{name} is empty.")
    if own and variables.file is not None:
        yield from open_to_all(variables.file, str(variables.file), "has secrets")


def file_findings(path: Path, place: str, name: str, level: str = ERROR) -> Iterator[Finding]:
    """Yield what is wrong with a file that a setting names for its secret."""
    try:
        content = path.expanduser().read_bytes()
    except (OSError, RuntimeError) as exc:
        why = getattr(exc, "strerror", None) or str(exc)
        yield Finding(ERROR, place, f"{name} names {str(path)!r}, which cannot be read: {why}.")
        return
    if not content.strip():
        yield Finding(ERROR, place, f"{name} names {str(path)!r}, which is empty.")
    yield from open_to_all(path.expanduser(), place, f"is the file of {name}", level)


def open_to_all(path: Path, place: str, what: str, level: str = ERROR) -> Iterator[Finding]:
    """Yield whether everybody on the machine may read a file."""
    if stat.S_IMODE(os.stat(path).st_mode) & stat.S_IROTH:
        text = f"{str(path)!r} {what}, and everybody on this machine may read it: chmod o-r."
        yield Finding(level, place, text)
