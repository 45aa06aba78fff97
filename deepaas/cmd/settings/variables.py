# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The variables that settings are read from: the environment's, and those of a file."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deepaas.config.dotenv import read_variables
from deepaas.config.reading import SECRET_NAME

MASK: Final = "****"
#: Of a path, too, for which somebody took an address.
_CREDENTIALS: Final = re.compile(r":(//?)[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Variables:
    """What is set, and where."""

    values: Mapping[str, str]
    #: By name, for those of the file: ``file:line``. The rest stands in the environment.
    places: Mapping[str, str]
    file: Path | None

    def place(self, name: str) -> str:
        """Return where a variable is set, for people."""
        return self.places.get(name, f"the environment variable {name}")

    def is_own(self, name: str) -> bool:
        """Tell whether the file sets a variable, and not the environment, which has others too."""
        return self.file is not None and self.places.get(name, "").startswith(f"{self.file}:")


def read_all(file: Path | None) -> Variables:
    """Return the variables of the environment and those of a file, over which they win.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    given = () if file is None else read_variables(file)
    added = {each.name: each for each in given if each.name not in os.environ}
    values = {**os.environ, **{name: each.value for name, each in added.items()}}
    return Variables(values, {name: each.place for name, each in added.items()}, file)


@contextmanager
def applied(variables: Variables) -> Iterator[None]:
    """Let the environment be these variables for as long as settings are read from it."""
    added = [name for name in variables.places if name not in os.environ]
    os.environ.update({name: variables.values[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def shown(value: str, *, is_secret: bool) -> str:
    """Return a value for people: nothing of a secret, and an address without its password."""
    if value and is_secret:
        return MASK
    return _CREDENTIALS.sub(rf":\1{MASK}@", value)


def is_secret_name(name: str) -> bool:
    """Tell whether what is called so is a secret, and not a file that has one."""
    return not name.upper().endswith(("_FILE", "_PATH")) and bool(SECRET_NAME.search(name))
