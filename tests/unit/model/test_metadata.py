# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Metadata files are found where they are, and both kinds say one thing in one way."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import ConfigurationError
from deepaas.model.metadata import (
    MAX_BYTES,
    NAMES,
    ModuleMetadata,
    find_project,
    places_of,
    read_metadata,
)
from deepaas.records import ModelSource, SourceKind
from tests.unit.model.installing import install

HOSTILE = '"; rm -rf /"\n{{ x }} $(id) é 漢 😀'
V2 = {
    "metadata_version": "2.3.0",
    "title": HOSTILE,
    "summary": "Short.",
    "description": "Long.",
    "tags": ["a", "", 7],
    "links": {"source_code": "https://git.example/a", "docker_image": "hub/a", "weights": ""},
    "resources": {"inference": {"cpu": 2}},
}
V1 = {
    "title": HOSTILE,
    "summary": "Short.",
    "description": ["Long,", 7, "and longer."],
    "keywords": ["a", "b"],
    "license": "MIT",
    "dataset_url": "https://data.example",
    "cite_url": "https://cite.example",
    "sources": {
        "code": "https://git.example/a",
        "docker_registry_repo": "hub/a",
        "pre_trained_weights": "https://weights.example",
        "dockerfile_repo": "https://git.example/b",
    },
}


def read(folder: Path, text: str | bytes, name: str = "ai4-metadata.yml") -> ModuleMetadata:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_metadata(path)


@pytest.mark.parametrize("name", ["ai4-metadata.yml", "ai4-metadata.json"])
def test_version_2(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, json.dumps(V2, ensure_ascii=False), name)
    assert found.document == V2
    assert (found.version, found.title, found.summary) == ("2.3.0", HOSTILE, "Short.")
    assert (found.description, found.licence, found.keywords) == ("Long.", None, ("a",))
    assert found.links == {"source_code": "https://git.example/a", "docker_image": "hub/a"}
    assert (found.source_code, found.docker_image) == ("https://git.example/a", "hub/a")
    assert found.resources == {"cpu": 2}


def test_version_1(tmp_path: Path) -> None:
    found = read(tmp_path, json.dumps(V1), "metadata.json")
    assert (found.version, found.title, found.licence) == ("1.0.0", HOSTILE, "MIT")
    assert (found.description, found.keywords) == ("Long,\nand longer.", ("a", "b"))
    assert found.links == {
        "source_code": "https://git.example/a",
        "docker_image": "hub/a",
        "weights": "https://weights.example",
        "dataset": "https://data.example",
        "citation": "https://cite.example",
    }
    assert found.resources == {}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"title": 7, "description": {}, "tags": "a", "links": [], "resources": {"inference": 1}},
        {"title": " ", "metadata_version": None, "sources": 1, "license": []},
    ],
)
def test_values_of_another_type_say_nothing(document: dict[str, Any]) -> None:
    found = ModuleMetadata(Path("x"), document)
    assert (found.version, found.title, found.description) == ("1.0.0", None, None)
    assert (found.licence, found.keywords, found.links, found.resources) == (None, (), {}, {})
    assert (found.docker_image, found.source_code) == (None, None)


def test_dates_stay_as_they_are_written(tmp_path: Path) -> None:
    found = read(tmp_path, "dates: {created: 2026-11-26, updated: 2026-11-26T10:00:00Z}")
    assert found.document["dates"] == {"created": "2026-11-26", "updated": "2026-11-26T10:00:00Z"}


@pytest.mark.parametrize("name", ["ai4-metadata.yml", "metadata.json"])
def test_a_mark_of_the_order_of_bytes_is_none_of_the_text(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, b'\xef\xbb\xbf{"title": "A"}', name).title == "A"


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: &x [1]\nb: *x",
        "a: 1\n---\nb: 2",
        "a: !!python/object/apply:os.system [id]",
        "a: !!timestamp nonsense",
        "a: !!bool nonsense",
        "a: !!int ''",
        "? [a]\n: b",
        "[" * 100_000,
        b"\xff",
        "- a",
        "",
        "7",
        " " * (MAX_BYTES + 1),
    ],
)
def test_what_is_no_mapping_of_plain_data_is_refused(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"ai4-metadata\.yml"):
        read(tmp_path, text)


@pytest.mark.parametrize("text", ["{", "[]", "[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_what_is_no_object_of_json_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"metadata\.json"):
        read(tmp_path, text, "metadata.json")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.json' cannot be read"):
        read_metadata(tmp_path / "none.json")


def test_the_project_is_the_nearest_folder_with_a_project_file(tmp_path: Path) -> None:
    inner = tmp_path / "project" / "src" / "leaves"
    inner.mkdir(parents=True)
    assert find_project(inner) is None
    (tmp_path / "project" / "setup.cfg").touch()
    (tmp_path / "pyproject.toml").touch()
    assert find_project(inner) == tmp_path / "project"


def test_a_project_does_not_go_beyond_its_repository(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    assert find_project(tmp_path / "repository") is None
    (tmp_path / "repository" / "setup.py").touch()
    assert find_project(tmp_path / "repository") == tmp_path / "repository"


def test_installed_code_has_no_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    assert find_project(tmp_path / "site-packages" / "leaves") is None


def test_a_file_has_the_project_around_it(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "leaves.py", *NAMES):
        (tmp_path / name).touch()
    places = places_of(ModelSource("leaves", SourceKind.FILE, str(tmp_path / "leaves.py")))
    assert (places.project, dict(places.installed)) == (tmp_path, {})
    for name in NAMES:
        assert places.metadata() == tmp_path / name
        (tmp_path / name).unlink()
    assert places.metadata() is None


def test_files_that_were_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "lib" / "site-packages"
    files = {
        "leaves_of_a_test/data/ai4-metadata.yml": "title: deep",
        "leaves_of_a_test/ai4-metadata.yml": "title: near",
        "leaves_of_a_test/metadata.json": "{}",
        "leaves_pkg-1.2.dist-info/metadata.json": "{}",
        "leaves_of_a_test/other.json": "{}",
    }
    places = places_of(install(site, monkeypatch, files=files))
    assert places.project is None
    assert places.installed == {
        name: site / "leaves_of_a_test" / name for name in ("ai4-metadata.yml", "metadata.json")
    }
    assert places.metadata() == site / "leaves_of_a_test" / "ai4-metadata.yml"


def test_what_was_installed_as_data_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "lib" / "site-packages"
    shared = "../../share/leaves/metadata.json"
    files = {shared: "{}", "leaves_of_a_test/metadata.json": "{}"}
    found = places_of(install(site, monkeypatch, files=files)).metadata()
    assert found is not None
    assert found.resolve() == tmp_path / "share" / "leaves" / "metadata.json"


def test_a_checkout_comes_before_what_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"leaves_of_a_test/ai4-metadata.yml": ""}
    source = install(tmp_path / "checkout", monkeypatch, files=files)
    for name in ("setup.cfg", "ai4-metadata.yml"):
        (tmp_path / "checkout" / name).touch()
    assert places_of(source).metadata() == tmp_path / "checkout" / "ai4-metadata.yml"


def test_a_package_without_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = install(tmp_path, monkeypatch)
    (tmp_path / "leaves_pkg-1.2.dist-info" / "RECORD").unlink()
    assert places_of(source).installed == {}


@pytest.mark.parametrize("value", ["no_such_module_here.api", "", ".x", "nameless_of_a_test"])
def test_code_that_is_nowhere_has_no_places(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    nameless = type(sys)("nameless_of_a_test")
    monkeypatch.setitem(sys.modules, "nameless_of_a_test", nameless)
    source = ModelSource("leaves", SourceKind.ENTRY_POINT, value, "leaves-gone", "1")
    places = places_of(source)
    assert (places.project, places.metadata()) == (None, None)


def test_a_package_in_pieces_has_the_project_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pieces_of_a_test").mkdir()
    (tmp_path / "setup.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    source = ModelSource("leaves", SourceKind.OBJECT, "pieces_of_a_test.api:Model [extra]")
    assert places_of(source).project == tmp_path


def test_a_module_that_is_built_in_has_no_project() -> None:
    assert places_of(ModelSource("sys", SourceKind.OBJECT, "sys:flags")).project is None
