# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The functions a running model calls."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deepaas.model import context


class RecordingSink:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reports: list[tuple[float, float | None, Mapping[str, float]]] = []
        self.cancelled = False

    def progress(self, done: float, total: float | None, metrics: Mapping[str, float]) -> None:
        self.reports.append((done, total, metrics))

    def artifact_dir(self) -> Path:
        return self.folder / "artifacts"

    def checkpoint_dir(self) -> Path:
        return self.folder / "checkpoints"

    def is_cancelled(self) -> bool:
        return self.cancelled


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[RecordingSink]:
    made = RecordingSink(tmp_path)
    context.install(made)
    yield made
    context.uninstall()


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_without_a_sink_progress_does_nothing_and_nobody_cancels() -> None:
    context.progress(1, 2, loss=0.5)

    assert not context.is_cancelled()


def test_without_a_sink_the_folders_are_temporary_and_removed_at_exit() -> None:
    shown = run_python(
        "from deepaas.model import context as c\n"
        "a, b = c.artifact_dir(), c.checkpoint_dir()\n"
        "assert a.is_dir() and b.is_dir() and a != b and c.artifact_dir() == a\n"
        "(a / 'kept').write_text('x')\n"
        "print(a, b)"
    )

    assert len(shown.split()) == 2
    assert not any(os.path.exists(path) for path in shown.split())


def test_a_fork_that_ends_leaves_the_folders_alone() -> None:
    shown = run_python(
        "import os, sys\n"
        "from deepaas.model import context as c\n"
        "path = c.artifact_dir()\n"
        "pid = os.fork()\n"
        "if pid == 0: sys.exit()\n"
        "os.waitpid(pid, 0)\n"
        "print(path.is_dir())"
    )

    assert shown == "True"


def test_with_a_sink_everything_goes_there(sink: RecordingSink) -> None:
    context.progress(3, 10, loss=0.5)
    sink.cancelled = True

    assert sink.reports == [(3, 10, {"loss": 0.5})]
    assert context.artifact_dir() == sink.folder / "artifacts"
    assert context.checkpoint_dir() == sink.folder / "checkpoints"
    assert context.is_cancelled()


def test_it_works_from_the_models_own_threads(sink: RecordingSink) -> None:
    thread = threading.Thread(target=context.progress, args=(1,))
    thread.start()
    thread.join()

    assert sink.reports == [(1, None, {})]


def test_after_uninstall_nothing_is_reported_any_more(sink: RecordingSink) -> None:
    context.uninstall()
    context.progress(1)

    assert sink.reports == []


@pytest.mark.parametrize("module", ["context", "base", "discovery"])
def test_a_worker_does_not_pay_for_libraries_it_may_not_need(module: str) -> None:
    code = f"import sys, deepaas.model.{module}; print(*sys.modules)"

    loaded: Any = run_python(code).split()

    assert not {"marshmallow", "webargs", "stevedore", "aiohttp", "orjson"} & set(loaded)


def test_a_model_without_arguments_does_not_import_marshmallow() -> None:
    loaded = run_python(
        "import sys\n"
        "from deepaas.model.adapter import ModelAdapter\n"
        "from deepaas.model.description import describe\n"
        "from deepaas.model.registry import ModelRegistry\n"
        "from deepaas.records import CallInput, ModelSource, SourceKind\n"
        "class Model:\n"
        "    def predict(self): return 1\n"
        "model = ModelAdapter(ModelSource('m', SourceKind.OBJECT, 'm:Model'), Model)\n"
        "parser = ModelRegistry().put(describe(model)).predict_parser\n"
        "assert parser.parse(CallInput(query=(('a', '1'),), body=b'broken')) == {}\n"
        "print(*sys.modules)"
    ).split()

    assert not {"marshmallow", "webargs", "stevedore"} & set(loaded)


def test_the_folder_of_the_served_version_is_what_was_installed(tmp_path: Path) -> None:
    assert context.model_dir() is None
    context.install_model_dir(tmp_path)
    assert context.model_dir() == tmp_path
    context.install_model_dir(None)
    assert context.model_dir() is None
