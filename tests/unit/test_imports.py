# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Imports go down only, and the check of it can fail."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.import_graph import Graph, component_of, cycles, foreign, graph_of, layer_faults, reach

PACKAGE = Path(__file__).parents[2] / "deepaas"
#: From top to bottom; the parts of one line do not import each other.
LAYERS = (
    ("cmd",),
    (
        *("api", "wiring"),
        # The companion tools.
        *("export", "scaffold", "lint", "images", "orchestrator", "alien4cloud", "functions"),
    ),
    ("service", "project"),
    ("execution",),
    ("model", "store", "storage", "auth", "fetching", "tosca"),
    ("config", "telemetry", "finishing"),
    ("records", "errors", "whole"),
)
#: What writers of drivers use in their own tests, and what authors import besides the package.
EXCEPTIONS = {
    "testing": frozenset({"store", "storage", "records", "errors"}),
    "keras": frozenset({"model"}),
}
#: Processes that stay small in memory: they need the standard library only, and little of ours.
GUARDS = ("deepaas.execution.guard", "deepaas.execution.job_guard")
GUARDS_NEED = {"execution", "records", "errors"}


@cache
def our_graph() -> Graph:
    """Return the graph of the package, which takes seconds to read."""
    return graph_of(PACKAGE)


def test_imports_point_down() -> None:
    assert layer_faults(our_graph(), LAYERS, EXCEPTIONS) == []


#: What serves, and what only its companions need.
SERVER = ("deepaas.cmd.run", "deepaas.execution.worker")
TOOLS = {"export", "scaffold", "lint", "images", "orchestrator", "alien4cloud", "project", "tosca"}


@pytest.mark.parametrize("program", SERVER)
def test_the_server_imports_no_companion_tool(program: str) -> None:
    needed = {component_of(module) for module in reach(our_graph(), program)}
    assert needed & TOOLS == set()


def test_there_is_no_cycle() -> None:
    assert cycles(our_graph()) == []


@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_needs_only_the_standard_library(guard: str) -> None:
    graph = our_graph()
    assert foreign(graph, guard) == []
    assert {component_of(module) for module in reach(graph, guard)} <= GUARDS_NEED


@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_process_loads_only_the_standard_library(guard: str) -> None:
    """What the statements say is so also with everything that the packages' __init__ does."""
    program = f"""
import sys
before = set(sys.modules)  # an editable install and coverage come with modules of their own
import {guard}
loaded = {{name.split(".")[0] for name in set(sys.modules) - before}}
print(*sorted(loaded - sys.stdlib_module_names - {{"deepaas"}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def write(folder: Path, **modules: str) -> Path:
    """Make a package ``deepaas``; two underscores in a name stand for a folder."""
    package = folder / "deepaas"
    for name, text in {"__init__": "", **modules}.items():
        parts = [name] if name == "__init__" else name.split("__")
        file = package.joinpath(*parts).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(text)
    return package


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("import deepaas.service.jobs", "imports upward: deepaas.service.jobs"),
        ("from deepaas.service import jobs", "imports upward: deepaas.service.jobs"),
        ("from deepaas.service.jobs import x", "imports upward: deepaas.service.jobs"),
        ("from ..service import jobs", "imports upward: deepaas.service.jobs"),
        ("def f():\n    from ..service.jobs import x", "imports upward: deepaas.service.jobs"),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import deepaas.service.jobs",
            "imports upward: deepaas.service.jobs",
        ),
        ("from deepaas import model", "imports its sibling deepaas.model"),
        ("from deepaas.model.base import x", "imports its sibling deepaas.model.base"),
        ("import deepaas.odd", "imports deepaas.odd, which belongs to no layer"),
    ],
)
def test_an_edge_that_does_not_point_down_is_found(
    tmp_path: Path, statement: str, fault: str
) -> None:
    package = write(
        tmp_path, store__sqlite=statement, service__jobs="x = 1", model__base="", odd="", errors=""
    )
    faults = layer_faults(graph_of(package), LAYERS, EXCEPTIONS)
    assert f"deepaas.store.sqlite {fault}" in faults
    assert "deepaas.odd belongs to no layer" in faults
    assert len(faults) == 2


def test_edges_that_point_down_are_no_faults(tmp_path: Path) -> None:
    package = write(
        tmp_path,
        cmd__run="from deepaas import __version__\nfrom ..api import app\nimport deepaas.errors",
        api__app="from . import table\nimport aiohttp.web",
        api__table="from deepaas.service.jobs import x",
        service__jobs="import deepaas\nx = 1",
        errors="import json",
    )
    assert layer_faults(graph_of(package), LAYERS, EXCEPTIONS) == []
    assert cycles(graph_of(package)) == []


def test_what_is_published_for_tests_imports_what_it_may(tmp_path: Path) -> None:
    package = write(tmp_path, testing="import deepaas.store.base\nimport deepaas.api.app")
    write(tmp_path, store__base="", api__app="")
    assert layer_faults(graph_of(package), LAYERS, EXCEPTIONS) == [
        "deepaas.testing must not import deepaas.api.app"
    ]


def test_a_cycle_within_one_part_is_found(tmp_path: Path) -> None:
    package = write(
        tmp_path,
        store__a="from . import b",
        store__b="def f():\n    import deepaas.store.c",
        store__c="from deepaas.store.a import x",
        store__d="import deepaas.store.a",
    )
    assert cycles(graph_of(package)) == [
        ["deepaas.store.a", "deepaas.store.b", "deepaas.store.c", "deepaas.store.a"]
    ]


def test_a_foreign_import_of_a_guard_is_found(tmp_path: Path) -> None:
    package = write(
        tmp_path,
        execution__guard="import os\nimport psutil\nfrom deepaas.execution import messages",
        execution__messages="def f():\n    from deepaas.records import x",
        records="import orjson",
        execution__pool="import aiohttp",
    )
    assert foreign(graph_of(package), "deepaas.execution.guard") == [
        "deepaas.execution.guard imports psutil",
        "deepaas.records imports orjson",
    ]
