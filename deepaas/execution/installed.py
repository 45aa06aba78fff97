# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Which packages are installed where this process imports from, and which code was loaded."""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, PathDistribution, distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from deepaas.model.sources import source_files
from deepaas.records import ModelSource

_SEPARATORS = re.compile(r"[-_.]+")


def installed_packages() -> list[str]:
    """Return ``name==version`` of what is installed, sorted; names in the normal form of PEP 503.

    They are read off the names of folders, which is a hundred times as fast as opening each.
    """
    found: dict[str, str] = {}
    for folder in dict.fromkeys(sys.path):
        for name, version in _packages_in(Path(folder)):
            # As for modules, the first one on the path counts.
            found.setdefault(_SEPARATORS.sub("-", name).lower(), version)
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def _packages_in(folder: Path) -> Iterator[tuple[str, str]]:
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return  # a zip file, or a folder that is not there
    for name in names:
        if name.endswith(".dist-info"):
            package, _, version = name.removesuffix(".dist-info").partition("-")
            yield package, version
        elif name.endswith(".egg-info"):
            # What was installed in the old way says its version inside only.
            metadata = PathDistribution(folder / name).metadata
            # To ask for one that is missing is deprecated from Python 3.12 on.
            if "Name" in metadata and "Version" in metadata:
                yield metadata["Name"], metadata["Version"]


def package_of(source: ModelSource) -> dict[str, Any]:
    """Return where a model's package came from.

    Returns:
        ``package`` and ``version``; ``url`` and ``commit`` where it was installed from a
        repository, ``is_editable`` where it was installed from a folder (PEP 610). No local path.
    """
    facts: dict[str, Any] = {"package": source.distribution, "version": source.version}
    if source.distribution is None:
        return facts
    try:
        origin = json.loads(distribution(source.distribution).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return facts
    if "vcs_info" in origin:
        facts["url"] = _public(origin.get("url", ""))
        facts["commit"] = origin["vcs_info"].get("commit_id")
    elif "dir_info" in origin:
        facts["is_editable"] = bool(origin["dir_info"].get("editable"))
    return facts


def _public(url: str) -> str | None:
    """Return an address without credentials, ``None`` for one on this machine."""
    parts = urlsplit(url)
    if not parts.hostname:
        return None
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def loaded_code(source: ModelSource) -> dict[str, str]:
    """Return the SHA-256 of each Python file that the author's code was loaded from, by module.

    These are the files that :func:`~deepaas.model.sources.source_files` lists: an installed
    package, whose version says as much, is there with the module of its entry point only.
    """
    module_of = {
        getattr(module, "__file__", None): name for name, module in tuple(sys.modules.items())
    }
    return {
        module_of.get(file) or Path(file).stem: hashlib.sha256(data).hexdigest()
        for file in source_files(source)
        if (data := _content(file)) is not None
    }


def _content(file: str) -> bytes | None:
    try:
        return Path(file).read_bytes()
    except OSError:
        return None  # removed since
