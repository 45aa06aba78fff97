# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The names that a package has: of the distribution, of the module, of the model."""

import keyword
import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec

from deepaas.errors import ConfigurationError

# https://packaging.python.org/en/latest/specifications/name-normalization/
_DISTRIBUTION = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE | re.ASCII)
#: What the new package needs itself, and what stands beside its module.
_TAKEN = frozenset({"deepaas", "marshmallow", "pytest", "setuptools", "test", "tests"})
_LONGEST = 64


@dataclass(frozen=True)
class Names:
    """One name in its two alphabets."""

    #: Of the distribution, normalised, which is the model's name too: ``leaf-kinds``.
    distribution: str
    #: Of the Python package: ``leaf_kinds``.
    module: str


def names_of(text: str) -> Names:
    """Derive all names from one.

    Raises:
        ConfigurationError: It cannot name a distribution and a Python package.
    """
    if not _DISTRIBUTION.fullmatch(text) or len(text) > _LONGEST:
        raise ConfigurationError(
            f"{text!r} names no package: a name has up to {_LONGEST} letters and digits of ASCII,"
            " with '-', '_' and '.' between them."
        )
    distribution = re.sub(r"[-_.]+", "-", text).lower()
    module = distribution.replace("-", "_")
    if not module.isidentifier() or keyword.iskeyword(module):
        raise ConfigurationError(
            f"{text!r} makes {module!r}, which names no Python module; begin with a letter, and"
            " take no word of Python."
        )
    if module in _TAKEN or module in sys.stdlib_module_names:
        raise ConfigurationError(
            f"{text!r} makes {module!r}, which is another module's name; for example"
            f" {f'{distribution}-model'!r} is free."
        )
    return Names(distribution, module)


def require_free(names: Names) -> None:
    """See to it that a new package hides none that is installed here.

    Raises:
        ConfigurationError: There is a module of that name.
    """
    if find_spec(names.module) is not None:
        raise ConfigurationError(
            f"The module {names.module!r} is installed here already, and a new one would take its"
            f" place; for example {f'{names.distribution}-model'!r} is another name."
        )
