# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is installed, where a model's package came from, and which code was loaded."""

import hashlib
import json
import re
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from deepaas.execution.installed import installed_packages, loaded_code, package_of
from deepaas.model.discovery import load_object
from deepaas.records import ModelSource, SourceKind

SOURCE = ModelSource("m", SourceKind.ENTRY_POINT, "m", distribution="some-model", version="1.0")


def install(folder: Path, name: str, **files: str) -> None:
    info = folder / name
    info.mkdir()
    for file, text in files.items():
        (info / file.replace("_json", ".json").replace("_INFO", "-INFO")).write_text(text)


def test_all_that_is_installed_is_listed() -> None:
    expected = {
        f"{re.sub('[-_.]+', '-', each.name).lower()}=={each.version}" for each in distributions()
    }
    found = installed_packages()
    assert expected == set(found)
    assert found == sorted(found, key=lambda line: line.partition("==")[0])


def test_the_first_on_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for folder, version in ((first, "1.0"), (second, "2.0")):
        folder.mkdir()
        install(folder, f"Some_Model-{version}.dist-info")
    install(second, "old.style.egg-info", PKG_INFO="Name: old.style\nVersion: 3\n")
    install(second, "broken.egg-info")
    (tmp_path / "file.zip").touch()
    path = [str(first), str(second), str(first), str(tmp_path / "file.zip"), str(tmp_path / "no")]
    monkeypatch.setattr(sys, "path", path)
    assert installed_packages() == ["old-style==3", "some-model==1.0"]


@pytest.mark.parametrize(
    ("origin", "facts"),
    [
        (None, {}),
        ("{", {}),
        (
            {
                "url": "https://user:secret@git.example.org/m.git",
                "vcs_info": {"vcs": "git", "commit_id": "5f0c"},
            },
            {"url": "https://git.example.org/m.git", "commit": "5f0c"},
        ),
        ({"url": "file:///home/me/m", "vcs_info": {"vcs": "git"}}, {"url": None, "commit": None}),
        ({"url": "file:///home/me/m", "dir_info": {"editable": True}}, {"is_editable": True}),
        ({"url": "file:///home/me/m", "dir_info": {}}, {"is_editable": False}),
        ({"url": "https://example.org/m.whl", "archive_info": {}}, {}),
    ],
)
def test_where_a_package_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: object, facts: dict[str, object]
) -> None:
    files = {"METADATA": "Metadata-Version: 2.1\nName: some-model\nVersion: 1.0\n"}
    if origin is not None:
        files["direct_url_json"] = origin if isinstance(origin, str) else json.dumps(origin)
    install(tmp_path, "some_model-1.0.dist-info", **files)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert package_of(SOURCE) == {"package": "some-model", "version": "1.0", **facts}


def test_a_package_that_is_gone_is_still_named() -> None:
    assert package_of(SOURCE) == {"package": "some-model", "version": "1.0"}


def test_a_model_that_is_a_file_has_no_package() -> None:
    source = ModelSource("m", SourceKind.FILE, "/m.py")
    assert package_of(source) == {"package": None, "version": None}


def test_code_is_known_by_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    file = tmp_path / "code_is_known.py"
    file.write_text("import code_beside\n")
    (tmp_path / "code_beside.py").write_text("x = 1\n")
    source = ModelSource("m", SourceKind.FILE, str(file))
    try:
        load_object(source)
        found = loaded_code(source)
        assert found["code_is_known"] == hashlib.sha256(b"import code_beside\n").hexdigest()
        assert found["code_beside"] == hashlib.sha256(b"x = 1\n").hexdigest()
        assert not [name for name in found if name.startswith("deepaas.")]
        file.unlink()
        assert "code_is_known" not in loaded_code(source)
    finally:
        for name in ("code_is_known", "code_beside"):
            sys.modules.pop(name, None)
