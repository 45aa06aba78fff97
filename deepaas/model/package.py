# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The Python package that declares a model, as its installation describes it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from deepaas.records import ModelSource

_EXTRA = re.compile(r"\bextra\s*==")


@dataclass(frozen=True)
class Package:
    """What the installed metadata says; the name is the model's where there is no package."""

    name: str
    version: str = "0"
    summary: str = ""
    #: An SPDX expression, or whatever else the author wrote.
    licence: str | None = None
    authors: tuple[str, ...] = ()
    #: Requirements without those of extras, as they are declared.
    requirements: tuple[str, ...] = ()
    is_installed: bool = False


def package_of(source: ModelSource) -> Package:
    """Describe the package that declares this model."""
    if source.distribution is not None:
        try:
            return _described(distribution(source.distribution), source.distribution)
        except PackageNotFoundError:
            pass  # removed since the models were listed
    return Package(source.name)


def _described(found: Distribution, name: str) -> Package:
    def said(key: str) -> list[str]:
        values = found.metadata.get_all(key) or []
        # Older tools write it for what nobody said.
        return [text for each in values if (text := str(each).strip()) != "UNKNOWN" and text]

    return Package(
        name=next(iter(said("Name")), name),
        version=next(iter(said("Version")), Package.version),
        summary=next(iter(said("Summary")), ""),
        licence=_licence(said),
        authors=(*said("Author"), *said("Author-email")),
        requirements=tuple(each for each in found.requires or () if not _EXTRA.search(each)),
        is_installed=True,
    )


def _licence(said: Callable[[str], list[str]]) -> str | None:
    """Return the name of the licence; some packages have its whole text in its place."""
    names = [*said("License-Expression"), *said("License")]
    classifiers = [each for each in said("Classifier") if each.startswith("License ::")]
    names += [each.rpartition("::")[2].strip() for each in classifiers]
    return next((each for each in names if "\n" not in each), None)
