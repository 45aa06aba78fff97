# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model's package is known by what its installation says, of whatever age the tools were."""

from pathlib import Path

import pytest

from deepaas.model.package import Package, package_of
from deepaas.records import ModelSource, SourceKind
from tests.unit.model.installing import install

HEAD = """\
Summary: Kinds of leaves.
Author: A
Author-email: B <b@example.org>
License-Expression: MIT
Requires-Dist: numpy>=1
Requires-Dist: pillow; python_version < "4"
Requires-Dist: pytest; extra == "test"
Requires-Dist: ruff; extra=='lint'
"""
WHOLE = "License: MIT License\n        Permission is hereby granted\n"
CLASSIFIER = "Classifier: License :: OSI Approved :: MIT License\n"


def test_all_that_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert package_of(install(tmp_path, monkeypatch, HEAD)) == Package(
        "leaves-pkg",
        "1.2",
        summary="Kinds of leaves.",
        licence="MIT",
        authors=("A", "B <b@example.org>"),
        requirements=("numpy>=1", 'pillow; python_version < "4"'),
        is_installed=True,
    )


def test_nothing_but_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = package_of(install(tmp_path, monkeypatch, "Summary: UNKNOWN\nAuthor: UNKNOWN\n"))
    assert found == Package("leaves-pkg", "1.2", is_installed=True)


@pytest.mark.parametrize(
    ("head", "licence"),
    [
        ("License: BSD\n", "BSD"),
        ("License: UNKNOWN\n" + CLASSIFIER, "MIT License"),
        (WHOLE + CLASSIFIER, "MIT License"),
        (WHOLE, None),
        ("Classifier: Framework :: AsyncIO\n", None),
    ],
)
def test_a_licence_is_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str, licence: str | None
) -> None:
    assert package_of(install(tmp_path, monkeypatch, head)).licence == licence


def test_a_model_without_a_package_has_its_name() -> None:
    assert package_of(ModelSource("leaves", SourceKind.FILE, "/leaves.py")) == Package("leaves")


def test_a_package_that_was_removed_meanwhile() -> None:
    gone = ModelSource("leaves", SourceKind.ENTRY_POINT, "leaves", "leaves-gone", "1")
    assert package_of(gone) == Package("leaves")


def test_an_installation_without_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = install(tmp_path, monkeypatch)
    (tmp_path / "leaves_pkg-1.2.dist-info" / "METADATA").write_text("")
    assert package_of(source) == Package("leaves-pkg", is_installed=True)
