# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every target: what is read back is the module, whatever stands in it."""

import dataclasses

import pytest

from deepaas.errors import ConfigurationError
from deepaas.export import TARGETS, Deployment, ExportOptions, Target, find_target, plan
from deepaas.project import Module
from tests.unit.export.modules import hostile, small

#: Those that say everything; the others are tried in files of their own.
WHOLE = [each for each in TARGETS if each.name in ("docker", "compose", "kubernetes")]


@pytest.fixture(params=WHOLE, ids=lambda each: each.name)
def target(request: pytest.FixtureRequest) -> Target:
    target: Target = request.param
    return target


def deployment_of(module: Module, gpu: bool = False) -> Deployment:
    deployment = plan(module, ExportOptions(gpu=gpu))
    if deployment.resources.storage_mb is None:
        resources = dataclasses.replace(deployment.resources, storage_mb=10_000)
        deployment = dataclasses.replace(deployment, resources=resources)
    return deployment


@pytest.mark.parametrize("module", [hostile, small], ids=lambda each: each.__name__)
def test_what_is_read_back_is_the_module(target: Target, module: object) -> None:
    assert callable(module)
    deployment = deployment_of(module())
    read = target.read(target.write(deployment))
    assert dataclasses.replace(read, base=None, installs=None) == deployment.view


def test_the_same_module_gives_the_same_files(target: Target) -> None:
    assert target.write(plan(hostile())) == target.write(plan(hostile()))


def test_a_gpu_can_be_asked_for(target: Target) -> None:
    read = target.read(target.write(plan(small(), ExportOptions(gpu=True))))
    assert read.resources is not None
    assert read.resources.gpus == 1


def test_files_say_what_made_them_and_hold_no_secret(target: Target) -> None:
    files = target.write(plan(hostile()))
    for text in files.values():
        assert text.startswith(f"# Made by `deepaas export {target.name}`")
        assert "hunter2" not in text
    assert any("# " in text and "deepaas keys create" in text for text in files.values())


@pytest.mark.parametrize("text", ["", "services: [1]\n", "a: [\n", "CMD nonsense\n"])
def test_a_file_that_is_built_otherwise_is_no_traceback(target: Target, text: str) -> None:
    name = next(iter(target.write(plan(small()))))
    with pytest.raises(ConfigurationError, match=f"'{name}' "):
        target.read({name: text})


def test_targets_and_flavours_are_found_by_name() -> None:
    assert find_target("docker") == (TARGETS[0], None)
    assert find_target("tosca", "vm")[1] == "vm"
    with pytest.raises(ConfigurationError, match=r"'dcker' is no target; there are docker, "):
        find_target("dcker")
    with pytest.raises(ConfigurationError, match=r"docker has no flavour 'x'; it has none\."):
        find_target("docker", "x")
