# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A worker process says what went wrong while it loads, and can be run by hand."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepaas.errors import ModelLoadError
from deepaas.execution.local import python
from deepaas.execution.messages import (
    INLINE_BYTES,
    Answer,
    Call,
    LoadModel,
    Resume,
    Serve,
    Stop,
    map_file,
    memory_file,
)
from deepaas.execution.worker import load_warm
from deepaas.records import CallInput, ModelSource, SourceKind
from tests.unit.execution.counterpart import Counterpart, failed
from tests.unit.parts import ECHO

MODELS = {
    "no_syntax": "def",
    "raises_on_import": "raise ValueError('not today')",
    "exits_on_import": "import sys; sys.exit(3)",
    "raises_in_warm": "def predict(): pass\ndef warm(): raise ValueError('not today')",
    "no_memory_on_import": "bytearray(2**60)",
    "no_memory_in_warm": "def predict(): pass\ndef warm(): bytearray(2**60)",
    "speaks_of_memory": "raise ValueError('not out of memory, no MemoryError')",
    "exits_in_warm": "def predict(): pass\ndef warm(): raise SystemExit('not today')",
}


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Counterpart]:
    """Lend a worker that has loaded its model."""
    with Counterpart(ECHO, tmp_path) as worker:
        assert worker.loaded().description.name == "echo"
        yield worker


def test_a_worker_starts_without_what_most_models_do_not_need() -> None:
    program = "import sys, deepaas.execution.worker; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"asyncio", "aiohttp", "marshmallow", "stevedore"} & set(done.stdout.split())


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_cannot_be_loaded(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.py"
    path.write_text(MODELS[name])
    with Counterpart(ModelSource(name, SourceKind.FILE, str(path)), tmp_path) as worker:
        message = failed(worker.hear()[0])
        assert name in message.reason
        assert "Error" in message.traceback or "SystemExit" in message.traceback
        assert message.lacks_memory is name.startswith("no_memory")
        assert worker.process.wait(60) == 1


def test_a_worker_whose_server_is_gone_ends(echo: Counterpart) -> None:
    echo.control.close()
    echo.calls.close()
    assert echo.process.wait(60) == 0


@pytest.mark.parametrize("is_let", [True, False])
def test_a_worker_that_waits_takes_no_call_before_it_is_let_to(
    tmp_path: Path, is_let: bool
) -> None:
    code = "import deepaas\nat_import = str(deepaas.model_dir())\ndef predict(): return at_import"
    (tmp_path / "model_of_test.py").write_text(code)
    source = ModelSource("model_of_test", SourceKind.FILE, str(tmp_path / "model_of_test.py"))
    load = LoadModel(source, warm=True, model_dir="/jobs/1/artifacts", waits=True)
    with Counterpart(source, tmp_path, load) as worker:
        worker.loaded()
        worker.call(1)
        if is_let:
            worker.control.send(Serve())
            assert b"/jobs/1/artifacts" in (worker.hear()[0].body or b"")
            assert worker.stop() == 0
        else:
            worker.control.send(Stop())
            assert worker.process.wait(60) == 0
            assert worker.page.running == []


@pytest.mark.parametrize("how", ["page", "message", "both"])
def test_a_worker_that_is_told_to_stop_ends(echo: Counterpart, how: str) -> None:
    echo.call(1)
    echo.hear()
    if how != "message":
        echo.page.request_stop()
    if how != "page":
        echo.control.send(Stop())
    else:
        echo.control.send(Resume())  # it looks into its page when it has been woken
    assert echo.process.wait(60) == 0


def test_a_worker_notes_what_it_runs(echo: Counterpart) -> None:
    """What it has answered stands in the page no more."""
    echo.call(5, text="x")
    message, _ = echo.hear()
    assert isinstance(message, Answer)
    assert message.call_id == 5
    assert echo.stop() == 0
    assert echo.page.running == []
    assert not echo.page.is_receiving


def test_answers_of_a_worker_that_was_killed_can_be_read(tmp_path: Path) -> None:
    """Those of calls that were over stand in the ring; the page names the one that was not."""
    code = """
import os
def predict(n):
    if n == 50:
        os.kill(os.getpid(), 9)
    return n
"""
    with Counterpart.of(code, tmp_path) as worker:
        for number in range(1, 51):
            worker.call(number, n=number)
        worker.process.wait(60)
        assert [call.call_id for call in worker.page.running] == [50]
        answers = worker.hear_all(49)
        assert sorted(answers) == list(range(1, 50))
        assert answers[49].body == b'{"status":"OK","predictions":49}'


def test_large_bodies_come_and_go_as_memory(echo: Counterpart) -> None:
    size = 2 * INLINE_BYTES
    fd = memory_file(b'{"text": "' + b"x" * size + b'"}')
    echo.calls.send(Call(1, "predict", "", None, CallInput(), has_body_fd=True), [fd])
    os.close(fd)
    message, fds = echo.hear()
    assert message.body is None
    assert len(map_file(fds[0])) > size
    os.close(fds[0])


@pytest.mark.parametrize(("code", "status"), [("3", 3), ("0", 0), ("None", 1), ("'text'", 1)])
def test_a_model_that_ends_its_process_ends_it(tmp_path: Path, code: str, status: int) -> None:
    """Threads that it left do not prevent that, and what it printed is not lost."""
    model = f"""
import sys, threading
def predict(how):
    if how == "stay":
        return 1
    threading.Thread(target=threading.Event().wait).start()
    print("left", end="")
    sys.exit({code})
"""
    with Counterpart.of(model, tmp_path) as worker:
        worker.call(1, how="stay")
        worker.call(2, how="leave")
        assert worker.process.wait(60) == status
        assert worker.hear()[0].call_id == 1
        assert [call.call_id for call in worker.page.running] == [2]
        assert worker.close().startswith("left")


def test_a_fork_that_comes_back_answers_nothing(tmp_path: Path) -> None:
    model = """
import os
def predict():
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
"""
    with Counterpart.of(model, tmp_path) as worker:
        worker.call(1)
        message, _ = worker.hear()
        assert message.body == b'{"status":"OK","predictions":0}'
        assert worker.stop() == 0
        assert not worker.page.ring.has_unread


def test_a_model_that_closes_its_output(tmp_path: Path) -> None:
    """Neither its calls nor its end depend on it."""
    model = """
import os, sys
def predict(leave=False):
    print("lost")
    sys.stdout.close()
    os.close(1)
    if leave:
        sys.exit(4)
    sys.stdout = sys.stderr
"""
    with Counterpart.of(model, tmp_path) as worker:
        worker.call(1, leave=True)
        assert worker.process.wait(60) == 4


def test_who_calls_is_known_to_the_model(tmp_path: Path) -> None:
    """Of each call, and of the next one nothing is left."""
    code = "import deepaas\ndef predict(): return [deepaas.request_id(), deepaas.principal()]"
    with Counterpart.of(code, tmp_path) as worker:
        worker.calls.send(Call(1, "predict", "first", {}, principal="anna"))
        worker.calls.send(Call(2, "predict", "second", {}))
        answers = worker.hear_all(2)
    assert answers[1].body == b'{"status":"OK","predictions":["first","anna"]}'
    assert answers[2].body == b'{"status":"OK","predictions":["second",null]}'


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
