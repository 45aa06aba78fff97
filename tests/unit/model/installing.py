# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Packages as an installation leaves them, in a folder on the path of one test."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from deepaas.records import ModelSource, SourceKind


def install(
    site: Path,
    monkeypatch: pytest.MonkeyPatch,
    head: str = "",
    files: Mapping[str, str] | None = None,
) -> ModelSource:
    """Install the package ``leaves-pkg`` with a module ``leaves_of_a_test``.

    Args:
        site: Stands for ``site-packages``; made.
        monkeypatch: Takes it off the path after the test.
        head: Further lines of its METADATA.
        files: What it installs besides, by path relative to ``site``.
    """
    info = site / "leaves_pkg-1.2.dist-info"
    info.mkdir(parents=True)
    texts = {"leaves_of_a_test/__init__.py": "", "leaves_of_a_test/api.py": "", **(files or {})}
    for name, text in texts.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: leaves-pkg\nVersion: 1.2\n{head}")
    names = [*texts, "leaves_pkg-1.2.dist-info/METADATA", "gone/metadata.json"]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    return ModelSource(
        "leaves", SourceKind.ENTRY_POINT, "leaves_of_a_test.api", "leaves-pkg", "1.2"
    )
