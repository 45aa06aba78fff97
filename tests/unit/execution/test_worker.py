# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A worker process says what went wrong while it loads, and can be run by hand."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import ModelLoadError
from deepaas.execution.local import python
from deepaas.execution.messages import (
    INLINE_BYTES,
    Answer,
    Call,
    Channel,
    Loaded,
    LoadFailed,
    LoadModel,
    Stop,
    map_file,
    memory_file,
)
from deepaas.execution.page import CallPage
from deepaas.execution.worker import load_warm
from deepaas.records import CallInput, ModelSource, SourceKind
from tests.unit.parts import ECHO, ROOT

MODELS = {
    "no_syntax": "def",
    "raises_on_import": "raise ValueError('not today')",
    "exits_on_import": "import sys; sys.exit(3)",
    "raises_in_warm": "def predict(): pass\ndef warm(): raise ValueError('not today')",
    "exits_in_warm": "def predict(): pass\ndef warm(): raise SystemExit('not today')",
}


class Process:
    """A worker process and what the server holds of it."""

    def __init__(self, source: ModelSource, tmp_path: Path) -> None:
        self.calls, calls = Channel.pair()
        self.control, control = Channel.pair()
        page_fd = CallPage.create()
        self.page = CallPage(page_fd)
        # A shell puts each descriptor in its place.
        fds = (calls.fileno(), control.fileno(), page_fd)
        moved = [f"{number}<&{fd}" for number, fd in zip((3, 4, 5), fds, strict=True)]
        line = " ".join(python("deepaas.execution.worker", "predict"))
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec {line} {' '.join(moved)}"],
            pass_fds=fds,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            cwd=tmp_path,
        )
        calls.close()
        control.close()
        os.close(page_fd)
        self.control.send(LoadModel(source, warm=True))

    def hear(self) -> tuple[Any, list[int]]:
        """Wait for what the worker says."""
        return self.control.receive(wait=True)

    def close(self) -> None:
        """End it."""
        self.calls.close()
        self.control.close()
        self.page.close()
        self.process.communicate(timeout=60)


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Process]:
    """Lend a worker that has loaded its model."""
    process = Process(ECHO, tmp_path)
    message, _ = process.hear()
    assert isinstance(message, Loaded)
    assert message.description.name == "echo"
    yield process
    process.close()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_cannot_be_loaded(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.py"
    path.write_text(MODELS[name])
    process = Process(ModelSource(name, SourceKind.FILE, str(path)), tmp_path)
    message, _ = process.hear()
    assert isinstance(message, LoadFailed)
    assert name in message.reason
    assert "Error" in message.traceback or "SystemExit" in message.traceback
    process.process.communicate(timeout=60)
    assert process.process.returncode == 1
    process.close()


def test_a_worker_whose_server_is_gone_ends(echo: Process) -> None:
    echo.control.close()
    echo.calls.close()
    assert echo.process.wait(60) == 0


def test_a_worker_that_is_told_to_stop_ends(echo: Process) -> None:
    echo.page.request_stop()
    echo.control.send(Stop())
    assert echo.process.wait(60) == 0


def test_a_worker_notes_what_it_runs(echo: Process) -> None:
    """What it has answered stands in the page no more."""
    echo.calls.send(Call(5, "predict", "", {"text": "x"}))
    message, _ = echo.hear()
    assert isinstance(message, Answer)
    assert message.call_id == 5
    echo.control.send(Stop())
    assert echo.process.wait(60) == 0
    assert echo.page.running is None
    assert not echo.page.is_receiving


def test_large_bodies_come_and_go_as_memory(echo: Process) -> None:
    size = 2 * INLINE_BYTES
    fd = memory_file(b'{"text": "' + b"x" * size + b'"}')
    echo.calls.send(Call(1, "predict", "", None, CallInput(), has_body_fd=True), [fd])
    os.close(fd)
    message, fds = echo.hear()
    assert message.body is None
    assert len(map_file(fds[0])) > size
    os.close(fds[0])


@pytest.mark.parametrize("arguments", [[], ["predict", "more"], ["train"], ["other"]])
def test_wrong_arguments_are_explained(arguments: list[str]) -> None:
    done = subprocess.run(
        python("deepaas.execution.worker", *arguments), stderr=subprocess.PIPE, check=False
    )
    assert done.returncode == 1
    assert b"worker train DIRECTORY" in done.stderr


@pytest.mark.parametrize("name", ["raises_in_warm", "exits_in_warm"])
def test_a_warm_that_fails(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"here_{name}.py"
    path.write_text(MODELS[name])
    source = ModelSource(name, SourceKind.FILE, str(path))
    with pytest.raises(ModelLoadError, match="not today") as caught:
        load_warm(source, warm=True)
    assert caught.value.name == name
    assert "in warm" in caught.value.traceback


def test_nobody_asked_to_warm(tmp_path: Path) -> None:
    path = tmp_path / "here_unwarmed.py"
    path.write_text(MODELS["raises_in_warm"])
    source = ModelSource("here_unwarmed", SourceKind.FILE, str(path))
    assert load_warm(source, warm=False).name == "here_unwarmed"
