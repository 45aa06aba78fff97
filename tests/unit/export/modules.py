# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Modules to export: one with every kind of field and hostile texts, and a small one."""

import dataclasses
import sys
from functools import cache
from pathlib import Path
from types import MappingProxyType

from deepaas.model.adapter import load_model
from deepaas.model.description import describe
from deepaas.project import Module, Package, ProjectSettings, Resources, module_of
from deepaas.records import ModelSource, SourceKind
from tests.unit.export.every_field import HOSTILE

#: What the environment of the hostile module holds.
ENVIRONMENT = MappingProxyType({f"VALUE_{number}": text for number, text in enumerate(HOSTILE)})


@cache
def hostile() -> Module:
    """Return a module whose every text is made to break out of where it stands, with GPUs."""
    source = ModelSource(
        "a $HOME \"; rm -rf / '", SourceKind.ENTRY_POINT, "tests.unit.export.every_field:EveryField"
    )
    return dataclasses.replace(
        module_of(source, describe(load_model(source))),
        folder=Path("/nowhere"),
        package=Package(
            name="hostile",
            version="1.0+local",
            summary=HOSTILE[1],
            licence=HOSTILE[2],
            authors=(HOSTILE[3], HOSTILE[5]),
            requirements=("deepaas>=3", "numpy>=1.24; python_version < '4'", "x @ file:///x"),
            is_installed=True,
        ),
        settings=ProjectSettings(
            base_gpu="registry.example:5000/base@sha256:" + "0" * 64,
            system_packages=("libgl1", "ffmpeg"),
            environment=ENVIRONMENT,
        ),
        resources=Resources(cpus=2, gpus=3, memory_mb=16_000, storage_mb=50_000),
    )


@cache
def small() -> Module:
    """Return a module as most are: defaults, and nothing hostile."""
    source = ModelSource(
        "small", SourceKind.ENTRY_POINT, "tests.unit.export.modules:Small", "small", "1.0"
    )
    return dataclasses.replace(
        module_of(source, describe(load_model(source))),
        folder=Path("/nowhere"),
        package=Package(name="small", version="1.0"),
    )


class Talkative:
    """A model whose code prints."""

    def get_metadata(self) -> dict[str, str]:
        """Say what it does."""
        sys.stdout.write("loading\n")
        return {"name": "talkative"}

    def predict(self) -> int:
        """Answer."""
        return 42


class Small:
    """A model without arguments."""

    def predict(self) -> int:
        """Answer."""
        return 42
