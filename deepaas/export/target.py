# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a target of ``deepaas export`` is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deepaas.export.deployment import Deployment, View


@dataclass(frozen=True)
class Target:
    """A format: how its files are written, read back, and judged by their own checker."""

    name: str
    #: What it makes, in some words.
    help: str
    #: Names of files to their texts. The same deployment gives the same texts.
    write: Callable[[Deployment], dict[str, str]]
    #: What the texts say; raises ConfigurationError where they cannot be read.
    read: Callable[[Mapping[str, str]], View]
    #: What the format's own checker or schema finds wrong with the files, by name;
    #: raises CheckerMissing.
    judge: Callable[[Mapping[str, Path]], Sequence[str]]
    #: The first one is the default; empty: there is only one.
    flavours: tuple[str, ...] = ()
    #: Whether its files are of use in the folder of the module alone.
    is_for_its_folder: bool = False
