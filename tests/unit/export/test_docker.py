# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile of a module."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import ConfigurationError
from deepaas.export import ExportOptions, check, docker, plan, write_files
from deepaas.export.dockerfile import can_be_said, instructions, last_stage, read_pairs
from deepaas.project import Module
from tests.unit.export.every_field import HOSTILE
from tests.unit.export.modules import ENVIRONMENT, hostile, small


def with_settings(**settings: Any) -> Module:
    return dataclasses.replace(small(), settings=dataclasses.replace(small().settings, **settings))


def text_of(module: Module, gpu: bool = False) -> str:
    return docker.write(plan(module, ExportOptions(gpu=gpu)))["Dockerfile"]


def test_the_image_runs_for_nobody_special_and_tells_its_health() -> None:
    stage = dict(last_stage(text_of(small())))
    assert stage["USER"] == "10001"
    assert stage["EXPOSE"] == "5000 6006 8888"
    assert stage["VOLUME"] == '["/state"]'
    assert "/v2/health/ready" in stage["HEALTHCHECK"]
    assert "ENTRYPOINT" not in stage


def test_the_code_is_copied_and_nothing_is_fetched_but_packages() -> None:
    text = text_of(hostile())
    assert "COPY . .\n" in text
    assert "git" not in "".join(rest for name, rest in instructions(text) if name == "RUN")


@pytest.mark.parametrize(
    ("module", "gpu", "base"),
    [
        (small(), False, docker.BASE_CPU),
        (small(), True, docker.BASE_GPU),
        (hostile(), False, "registry.example:5000/base@sha256:" + "0" * 64),
        (with_settings(base_cpu="debian:12"), False, "debian:12"),
    ],
)
def test_the_base_is_that_of_the_devices(module: Module, gpu: bool, base: str) -> None:
    assert f"\nARG base={base}\nFROM ${{base}} AS base\n" in text_of(module, gpu)


def test_what_an_env_cannot_say_is_set_before_every_command() -> None:
    broken = [name for name, text in ENVIRONMENT.items() if not can_be_said(text)]
    entry = dict(last_stage(text_of(hostile())))["ENTRYPOINT"]
    assert len(broken) >= 4
    assert entry.startswith('["env", "VALUE_')
    assert all(f'"{name}=' in entry for name in broken)


def test_packages_of_the_module_are_installed() -> None:
    text = text_of(hostile())
    assert "apt-get install --yes --no-install-recommends libgl1 ffmpeg \\\n" in text
    assert "'numpy>=1.24; python_version < '\"'\"'4'\"'\"''" in text
    assert "file:" not in text
    assert 'PBR_VERSION="1.0+local"' in text
    assert "PBR_VERSION" not in text_of(small())


def test_a_password_of_an_index_gets_into_no_image() -> None:
    address = "private-part @ git+https://ada:hunter2@code.example/part.git"
    package = dataclasses.replace(small().package, requirements=(address,))
    with pytest.raises(ConfigurationError, match="'private-part' from an address with") as told:
        text_of(dataclasses.replace(small(), package=package))
    assert "hunter2" not in str(told.value)


def test_secrets_that_are_not_left_out_are_a_fault(tmp_path: Path) -> None:
    write_files(docker.write(plan(small())), tmp_path)
    ignored = tmp_path / ".dockerignore"
    ignored.write_text(ignored.read_text().replace("**/.env\n", "").replace("keys\n", ""))
    assert check(docker.TARGET, plan(small()), tmp_path).faults == (
        "'.dockerignore' lacks **/.env, keys: secrets would get into the image",
    )


def test_a_development_version_comes_from_beside_the_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(docker, "__version__", "3.1.0.dev2")
    text = text_of(small())
    assert "COPY vendor /vendor\n" in text
    assert "--find-links /vendor deepaas==3.1.0.dev2" in text
    assert "pip wheel --no-deps --wheel-dir vendor" in text
    monkeypatch.setattr(docker, "__version__", "3.1.0")
    assert "vendor" not in text_of(small())
    assert "pip install --no-cache-dir deepaas==3.1.0 --editable .\n" in text_of(small())


def test_labels_for_people_are_one_line() -> None:
    labels: dict[str, str] = {}
    for name, rest in last_stage(text_of(hostile())):
        if name == "LABEL":
            labels |= read_pairs(rest)
    assert labels["org.opencontainers.image.description"] == " ".join(HOSTILE[1].split())
    assert labels["org.opencontainers.image.licenses"] == HOSTILE[2]
    assert "\x07" not in labels["org.opencontainers.image.authors"]
    assert not docker._one_line("a\\").endswith("\\")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (dataclasses.replace(small(), folder=None), "The code of 'small' is not here"),
        (with_settings(base_cpu="debian"), "base-cpu is 'debian', .* name its tag: 'debian:1.0'"),
        (with_settings(base_gpu="a b"), "'a b' is no reference of an image"),
        (with_settings(system_packages=("a; rm",)), "'a; rm', which names no Debian package"),
    ],
)
def test_what_no_image_can_be_built_from_is_refused(module: Module, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        text_of(module)


def test_secrets_beside_the_module_do_not_get_into_the_image() -> None:
    ignored = docker.write(plan(small()))[".dockerignore"].splitlines()
    assert {"keys", "**/*.key", "**/.env", "**/rclone.conf", "**/.git"} <= set(ignored)
