# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``[tool.deepaas]`` is read as it is written, and what is wrong in it is named."""

import json
import re
from pathlib import Path

import pytest

from deepaas.errors import ConfigurationError
from deepaas.project import ProjectSettings, read_settings

HOSTILE = '"; rm -rf /"\n{{ x }} $(id) é 漢'


def settings(folder: Path, text: str) -> ProjectSettings:
    (folder / "pyproject.toml").write_text(text, "utf-8")
    return read_settings(folder)


def test_all_of_it(tmp_path: Path) -> None:
    text = f"""
[tool.deepaas]
model = "leaves"
image = "hub/leaves:1"
base-cpu = "python:3.12"
base-gpu = "nvidia/cuda:12"
system-packages = ["libgl1", {json.dumps(HOSTILE)}]
cpus = 2
gpus = 0
memory-mb = 4000
storage-mb = 1
environment = {{ A_1 = {json.dumps(HOSTILE)}, _b = "" }}
"""
    assert settings(tmp_path, text) == ProjectSettings(
        model="leaves",
        image="hub/leaves:1",
        base_cpu="python:3.12",
        base_gpu="nvidia/cuda:12",
        system_packages=("libgl1", HOSTILE),
        cpus=2,
        gpus=0,
        memory_mb=4000,
        storage_mb=1,
        environment={"A_1": HOSTILE, "_b": ""},
    )


@pytest.mark.parametrize("text", ["", "[tool]", "[tool.ruff]", "[project]\nname='a'", "tool = 7"])
def test_without_a_table_all_is_as_by_default(tmp_path: Path, text: str) -> None:
    assert settings(tmp_path, text) == ProjectSettings()


def test_there_need_be_no_file(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == ProjectSettings()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("memory_mb = 1", "unknown key 'memory_mb'. Did you mean 'memory-mb'?"),
        ("zzzzz = 1", "unknown key 'zzzzz'. Known are model, image,"),
        ("model = ' '", "tool.deepaas.model in .* is ' '; it has to be a text"),
        ("image = 7", "is 7; it has to be a text"),
        ("cpus = -1", "is -1; it has to be a whole number"),
        ("cpus = true", "is True; it has to be a whole number"),
        ("gpus = 1.5", "is 1.5; it has to be a whole number"),
        ("memory-mb = '1G'", "is '1G'; it has to be a whole number"),
        ("system-packages = 'a'", "is 'a'; it has to be a list of texts"),
        ("system-packages = [7]", "is 7; it has to be a text"),
        ("environment = 7", "is 7; it has to be a table of texts"),
        ("environment = { A = 1 }", "has to be a table of texts"),
        ("environment = { '1A' = '' }", "with '1A', which names no environment variable"),
        ("environment = { \"A\\n\" = '' }", r"with 'A\\n', which names"),
        ('environment = { A = "\\u0000" }', "in which 'A' holds a NUL"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(str(tmp_path))) as refusal:
        settings(tmp_path, f"[tool.deepaas]\n{line}\n")
    assert re.search(reason.replace("?", r"\?"), refusal.value.message)


@pytest.mark.parametrize("text", ["[tool", "\ufeff[tool]", "[tool]\ndeepaas = 7"])
def test_a_file_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"pyproject\.toml"):
        settings(tmp_path, text)


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(ConfigurationError, match="Is a directory"):
        read_settings(tmp_path)
