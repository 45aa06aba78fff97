# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a module says of itself is shown; a file that cannot be used stops nothing."""

import json
import logging
from pathlib import Path

import pytest

from deepaas.model.adapter import load_model
from deepaas.model.description import describe
from deepaas.model.published import Published, publish
from deepaas.records import ModelSource, SourceKind
from tests.unit.model.installing import install

HEAD = "Summary: Of the package.\nAuthor: A\nLicense: MIT\n"


def test_the_file_and_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "metadata_version: 2.3.0\ntitle: Leaves\ntags: [a]\nodd: {7: .nan, b: !!set {c}}\n"
    files = {"leaves_of_a_test/ai4-metadata.yml": text}
    published = publish(install(tmp_path, monkeypatch, HEAD, files))
    assert published == Published(
        {
            "file": "ai4-metadata.yml",
            "schema_version": "2.3.0",
            "title": "Leaves",
            "summary": None,
            "description": None,
            "license": "MIT",
            "keywords": ["a"],
            "links": {},
            "package": {
                "name": "leaves-pkg",
                "version": "1.2",
                "summary": "Of the package.",
                "license": "MIT",
                "authors": ["A"],
            },
            "document": {
                "metadata_version": "2.3.0",
                "title": "Leaves",
                "tags": ["a"],
                "odd": {"7": None, "b": ["c"]},
            },
        }
    )
    assert str(tmp_path) not in json.dumps(published.document)


def test_a_file_without_a_package(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    (tmp_path / "metadata.json").write_text('{"license": "BSD"}')
    document = publish(ModelSource("a", SourceKind.FILE, str(tmp_path / "a.py"))).document
    assert document is not None
    assert (document["package"], document["license"]) == (None, "BSD")


def test_there_need_be_no_file(tmp_path: Path) -> None:
    assert publish(ModelSource("a", SourceKind.FILE, str(tmp_path / "a.py"))) == Published()


def test_a_broken_file_is_logged_and_named_without_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "setup.py").touch()
    (tmp_path / "metadata.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        published = publish(ModelSource("a", SourceKind.FILE, str(tmp_path / "a.py")))
    assert published.document is None
    assert published.problem == (
        "The model's metadata file 'metadata.json' cannot be used; the log of the service says why."
    )
    (record,) = caplog.records
    assert str(tmp_path) in record.getMessage()
    assert vars(record)["action"] == "metadata_file_unusable"


def test_a_place_that_cannot_be_looked_at_is_a_problem_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # No system has names as long.
    source = ModelSource("a", SourceKind.FILE, str(tmp_path / ("x" * 5000) / "a.py"))
    assert publish(source).problem == (
        "The model's metadata file cannot be used; the log of the service says why."
    )


def test_a_model_is_described_whatever_its_file_is_like(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    (tmp_path / "metadata.json").write_text("[]")
    (tmp_path / "leaves_with_a_list.py").write_text("def predict(): return 7")
    file = str(tmp_path / "leaves_with_a_list.py")
    description = describe(load_model(ModelSource("a", SourceKind.FILE, file)))
    assert (description.can_predict, description.document) == (True, None)
    assert "'metadata.json' cannot be used" in (description.document_problem or "")
