# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The checkers of the formats accept what is exported, for modules of different shapes."""

import os
import warnings
from pathlib import Path

import pytest

from deepaas.export import ExportOptions, Target, check, find_target, plan, write_files
from deepaas.project import Module, open_module
from tests.unit.export.modules import hostile

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests" / "peers" / ".venv" / "bin"
CHECKERS = {
    "docker": "hadolint",
    "compose": "check-jsonschema",
    "kubernetes": "kubernetes-validate",
}


@pytest.fixture(params=CHECKERS, autouse=True)
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Target:
    if not (PROGRAMS / CHECKERS[request.param]).exists():
        pytest.skip(f"{CHECKERS[request.param]} is not installed: make test installs the peers")
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
    return find_target(request.param)[0]


@pytest.fixture(scope="module")
def modules() -> dict[str, Module]:
    with warnings.catch_warnings():
        # The dialect of version 2 is what the second one is there for.
        warnings.simplefilter("ignore")
        return {
            "digits": open_module("digits"),
            "legacy": open_module("legacy"),
            "every kind of field": hostile(),
        }


@pytest.mark.parametrize("name", ["digits", "legacy", "every kind of field"])
@pytest.mark.parametrize("gpu", [False, True])
def test_what_is_exported_is_accepted_and_fits(
    target: Target, modules: dict[str, Module], name: str, gpu: bool, tmp_path: Path
) -> None:
    deployment = plan(modules[name], ExportOptions(gpu=gpu))
    write_files(target.write(deployment), tmp_path)
    verdict = check(target, deployment, tmp_path)
    assert verdict.faults == verdict.notes == ()


BROKEN = {
    "docker": ("Dockerfile", 'VOLUME ["/state"]', "MAINTAINER me"),
    "compose": ("compose.yaml", "restart:", "restrat:"),
    "kubernetes": ("kubernetes.yaml", "readinessProbe:", "readynessProbe:"),
}


def test_what_a_checker_refuses_is_told(
    target: Target, modules: dict[str, Module], tmp_path: Path
) -> None:
    deployment = plan(modules["digits"])
    write_files(target.write(deployment), tmp_path)
    name, right, wrong = BROKEN[target.name]
    text = (tmp_path / name).read_text()
    assert right in text
    (tmp_path / name).write_text(text.replace(right, wrong))
    faults = check(target, deployment, tmp_path).faults
    assert faults
    assert faults[0].startswith(f"{CHECKERS[target.name]}: ")
