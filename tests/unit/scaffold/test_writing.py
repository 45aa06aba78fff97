# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Files are written all or none, and what is there stays."""

import os
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import ConfigurationError
from deepaas.scaffold.writing import add_files, require_empty


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_files_and_folders_are_made(tmp_path: Path) -> None:
    add_files(tmp_path / "new", {"a": "é\n", "b/c/d": "\r\n"})
    assert everything(tmp_path) == ["new", "new/a", "new/b", "new/b/c", "new/b/c/d"]
    assert (tmp_path / "new/a").read_bytes() == "é\n".encode()
    assert (tmp_path / "new/b/c/d").read_bytes() == b"\r\n"


def test_after_a_failure_only_what_was_there_is_left(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    (tmp_path / "old").mkdir()
    with pytest.raises(ConfigurationError, match="there' cannot be written: File exists"):
        add_files(tmp_path, {"a": "", "new/b/c": "", "old/d": "", "there": "theirs", "z": ""})
    assert everything(tmp_path) == ["old", "there"]
    assert (tmp_path / "there").read_text() == "mine"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="File exists"):
        add_files(tmp_path, {"link": "text"})
    assert not (tmp_path / "elsewhere").exists()


def test_a_text_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        add_files(tmp_path / "new", {"a": "", "b": "\ud800"})
    assert everything(tmp_path) == []


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="Not a directory"):
        add_files(tmp_path, {"file/a": ""})


def test_what_somebody_else_put_into_a_new_folder_stays(tmp_path: Path) -> None:
    class Files(dict[str, str]):
        def items(self) -> Any:
            yield "new/a", ""
            (tmp_path / "new" / "theirs").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_files(tmp_path, Files())
    assert everything(tmp_path) == ["new", "new/theirs"]


def test_the_folder_above_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        add_files(tmp_path / "a" / "b", {"c": ""})
    assert everything(tmp_path) == []


def test_a_new_package_takes_a_new_or_an_empty_folder(tmp_path: Path) -> None:
    require_empty(tmp_path)
    require_empty(tmp_path / "new")
    (tmp_path / ".hidden").touch()
    with pytest.raises(ConfigurationError, match="is not empty"):
        require_empty(tmp_path)
    with pytest.raises(ConfigurationError, match="Not a directory"):
        require_empty(tmp_path / ".hidden")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    with pytest.raises(ConfigurationError, match="File name too long"):
        add_files(tmp_path / ("x" * (longest + 1)), {"a": ""})
