# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The Python package that declares a model, as its installation describes it."""

from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from deepaas.records import ModelSource


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
            return _described(distribution(source.distribution))
        except PackageNotFoundError:
            pass  # removed since the models were listed
    return Package(source.name)


def _described(found: Distribution) -> Package:
    fields = {key.lower(): str(value) for key, value in found.metadata.items()}  # type: ignore[attr-defined]  # a Message
    authors = (fields.get("author"), fields.get("author-email"))
    return Package(
        name=found.name,
        version=found.version,
        summary=fields.get("summary", ""),
        licence=fields.get("license-expression") or fields.get("license"),
        authors=tuple(each for each in authors if each),
        requirements=tuple(each for each in found.requires or () if "extra ==" not in each),
        is_installed=True,
    )
