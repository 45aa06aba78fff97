# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A training says how it ended, whatever its author's code does, and can be cancelled."""

import errno
import json
import os
import resource
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from deepaas.execution import training
from deepaas.execution.basis import note_basis, version_in
from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.journal import last_progress
from deepaas.execution.local import python
from deepaas.execution.modelfiles import seal
from deepaas.execution.provenance import Provenance, read_record
from deepaas.execution.training import Cancelled, JobSink
from deepaas.records import CallInput, ModelSource, SourceKind
from tests.unit.parts import open_fds, wait_for

MODEL = """
import ctypes, logging, multiprocessing, os, signal, sys, time, threading, warnings
from pathlib import Path
import deepaas
from marshmallow import fields

WARMED = []

class NoText(Exception):
    def __str__(self):
        raise RuntimeError

def warm():
    WARMED.append(True)

def get_train_args():
    return {"how": fields.Str(required=True)}

def predict():
    return 1

def get_evaluate_args():
    return get_train_args()

def evaluate(how):
    if how == "raise":
        sys.exit("enough")
    if how == "fork":
        if os.fork() == 0:
            return {"child": 1}
        os.wait()
        return {"parent": 1}
    if how == "late":
        def report():
            main.join()
            deepaas.progress(9, 9)
        main = threading.main_thread()
        threading.Thread(target=report).start()
    if how:
        deepaas.progress(3, 4, loss=0.5, accuracy=0.1)
    folder = deepaas.model_dir()
    return {"accuracy": 0.9, "classes": {"cat": 1}, "in": folder and folder.parent.name}

def train(how):
    print("training", how)
    match how:
        case "raise":
            raise ValueError("boom")
        case "exit":
            sys.exit("enough")
        case "no text":
            raise NoText
        case "empty":
            raise KeyError
        case "interrupt":
            raise KeyboardInterrupt
        case "wait":
            Path("ready").touch()
            time.sleep(600)
        case "ask":
            deepaas.is_cancelled()
            Path("ready").touch()
            while not deepaas.is_cancelled():
                time.sleep(0.01)
            (deepaas.checkpoint_dir() / "saved").touch()
            return "stopped"
        case "close":
            sys.stdout.close()
            sys.stderr.close()
            raise ValueError("silent")
        case "fork":
            if os.fork() == 0:
                return "child"
            os.wait()
            return "parent"
        case "speak":
            libc = ctypes.CDLL(None)
            print("1 print")
            libc.printf(b"2 printf\\n")
            os.write(1, b"3 write\\n")
            logging.getLogger("mine").info("4 log")
            libc.puts(b"5 puts")
            warnings.warn("6 warning")
            os.system("echo 7 child")
            print("8 error", file=sys.stderr)
            libc.printf(b"9 before the crash\\n")
            libc.abort()
        case "loaders":
            # Forks, while another thread reports all the time.
            def report():
                while not ended.is_set():
                    deepaas.progress(1, 2)
            ended = threading.Event()
            threading.Thread(target=report).start()
            fork = multiprocessing.get_context("fork")
            for _ in range(20):
                loader = fork.Process(target=deepaas.progress, args=(1, 2), kwargs={"loader": 1})
                loader.start()
                loader.join()
            ended.set()
        case "spawned":
            with multiprocessing.Pool(1) as pool:
                started = pool.apply(multiprocessing.get_start_method)
                pool.apply(print, ("1 from a child",))
                pool.apply(logging.getLogger("mine").info, ("1 log of a child",))
                folders = pool.apply(deepaas.artifact_dir), pool.apply(deepaas.model_dir)
            # The pool has killed its process.
            assert folders == (deepaas.artifact_dir(), deepaas.model_dir())
            assert folders[1].parent.name == "made"
            loader = multiprocessing.Process(
                target=deepaas.progress, args=(1, 2), kwargs={"loader": 1}
            )
            loader.start()
            loader.join()
            with multiprocessing.get_context("fork").Pool(1) as pool:
                pool.apply(print, ("2 from a fork",))
            multiprocessing.set_start_method("fork", force=True)
            return [started, multiprocessing.get_start_method()]
        case "large":
            with (deepaas.artifact_dir() / "model").open("wb") as file:
                file.truncate(2**38)
            return "done"
        case "late":
            def report():
                main.join()
                deepaas.progress(2, 2)
            main = threading.main_thread()
            threading.Thread(target=report).start()
            deepaas.progress(1, 2)
    for step in range(50):
        deepaas.progress(step + 1, 50, loss=step)
    (deepaas.artifact_dir() / "model").touch()
    return {"warmed": WARMED, "odd": {1}}
"""


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    """Return a job's directory without a call."""
    directory = JobDirectory(tmp_path / "job")
    directory.create(b"")
    return directory


def prepared(
    directory: JobDirectory, how: str | None, *, warm: bool = False, kind: str = "train"
) -> Sequence[str]:
    """Write the call and return the command line that runs it."""
    path = directory.path / "training_model.py"
    path.write_text(MODEL)
    source = ModelSource("training_model", SourceKind.FILE, str(path))
    query = () if how is None else (("how", how),)
    directory.call.write_bytes(JobCall(source, CallInput(query=query), warm=warm).dump())
    return python("deepaas.execution.worker", kind, str(directory.path))


def run(
    directory: JobDirectory, how: str | None, *, warm: bool = False, kind: str = "train"
) -> "subprocess.CompletedProcess[str]":
    """Run a training as an author does who debugs it."""
    return subprocess.run(
        prepared(directory, how, warm=warm, kind=kind),
        cwd=directory.path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raise", "boom"),
        ("empty", "KeyError"),
        ("no text", "NoText"),
        ("exit", "train() raised SystemExit: enough"),
        ("interrupt", "train() raised KeyboardInterrupt."),
        ("close", "silent"),
    ],
)
def test_what_train_raises_is_its_outcome_and_in_its_log(
    directory: JobDirectory, how: str, message: str
) -> None:
    done = run(directory, how)
    assert done.returncode == 1
    outcome = directory.outcome()
    assert outcome is not None
    assert (outcome.state, outcome.message, outcome.result) == ("error", message, None)
    if how != "close":
        assert "Traceback" in done.stderr
        assert f"training {how}" in done.stdout
    assert not directory.is_decided()


def test_a_model_that_is_gone(directory: JobDirectory) -> None:
    command = prepared(directory, "done")
    (directory.path / "training_model.py").unlink()
    assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 1
    outcome = directory.outcome()
    assert outcome is not None
    assert "Cannot load file" in (outcome.message or "")


def test_arguments_that_are_wrong_after_all(directory: JobDirectory) -> None:
    """The model may have changed since the training was accepted."""
    assert run(directory, None).returncode == 1
    outcome = directory.outcome()
    assert outcome is not None
    assert outcome.message == "how: ['Missing data for required field.']"


def test_a_call_that_cannot_be_read(directory: JobDirectory) -> None:
    done = subprocess.run(
        python("deepaas.execution.worker", "train", str(directory.path)),
        stderr=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 1
    outcome = directory.outcome()
    assert outcome is not None
    assert outcome.state == "error"


@pytest.mark.parametrize(("how", "status"), [("wait", 128 + signal.SIGTERM), ("ask", 0)])
def test_a_training_that_is_cancelled(directory: JobDirectory, how: str, status: int) -> None:
    """A model that asks for itself is not interrupted."""
    process = subprocess.Popen(prepared(directory, how), cwd=directory.path)
    wait_for((directory.path / "ready").exists)
    process.terminate()
    assert process.wait(60) == status
    outcome = directory.outcome()
    assert (outcome is None) == (how == "wait")
    assert (directory.checkpoints / "saved").exists() == (how == "ask")


def test_a_fork_that_returns_from_train_says_nothing(directory: JobDirectory) -> None:
    assert run(directory, "fork").returncode == 0
    outcome = directory.outcome()
    assert outcome is not None
    assert outcome.result == '"parent"'


def test_a_thread_that_outlives_train_may_report(directory: JobDirectory) -> None:
    done = run(directory, "late")
    assert done.returncode == 0
    assert "Exception" not in done.stderr


@pytest.mark.parametrize("warm", [True, False])
def test_a_training_that_succeeds(directory: JobDirectory, warm: bool) -> None:
    done = run(directory, "", warm=warm)
    assert (done.returncode, done.stderr) == (0, "")
    outcome = directory.outcome()
    assert outcome is not None
    assert (outcome.state, outcome.message) == ("done", None)
    result = json.loads(outcome.result or "")
    assert result["warmed"] == [True] * warm
    assert (directory.artifacts / "model").exists()
    # The last report is written, not every one in between.
    events = [json.loads(line) for line in directory.events.read_text().splitlines()]
    assert 1 <= len(events) < 50
    assert (events[-1]["done"], events[-1]["total"]) == (50, 50)
    assert events[-1]["metrics"] == {"loss": 49}


def test_what_is_printed_is_in_the_log_in_order(directory: JobDirectory) -> None:
    """Whoever prints it: Python, a library in C, or a child; and also where the process crashes."""
    log = directory.path / "log"
    with log.open("wb") as file:
        command = prepared(directory, "speak")
        status = subprocess.run(command, stdout=file, stderr=file, check=False, timeout=60)
    assert status.returncode == -signal.SIGABRT
    text = log.read_text()
    places = [
        text.index(word)
        for word in (
            *("1 print\n", "2 printf\n", "3 write\n", " 4 log\n", "5 puts\n"),
            *("UserWarning: 6 warning\n", "7 child\n", "8 error\n", "9 before the crash\n"),
            "Fatal Python error: Aborted",
        )
    ]
    assert places == sorted(places)
    # What is logged says whose it is; what is printed stays as it is.
    assert f" INFO mine [model=training_model job={directory.path.name}] 4 log\n" in text


def test_data_loaders_may_report_too(directory: JobDirectory) -> None:
    assert run(directory, "loaders").returncode == 0
    lines = directory.events.read_text().splitlines()
    assert sum("loader" in json.loads(line)["metrics"] for line in lines) == 20


def test_children_are_new_programs_unless_the_model_wants_forks(directory: JobDirectory) -> None:
    """What they print is there, although their pool kills them as it ends, and so are reports."""
    note_basis(directory, version_in(directory.path.parent, 4, "made"))
    done = run(directory, "spawned")
    outcome = directory.outcome()
    assert outcome is not None
    assert outcome.result == '["spawn","fork"]', done.stderr
    assert done.stdout.splitlines() == ["training spawned", "1 from a child", "2 from a fork"]
    assert f"INFO mine [job={directory.path.name}] 1 log of a child" in done.stderr
    (event,) = map(json.loads, directory.events.read_text().splitlines())
    assert event["metrics"] == {"loader": 1}


def test_the_record_says_how_it_was_made(directory: JobDirectory) -> None:
    assert run(directory, "").returncode == 0
    record = read_record(directory)
    assert record is not None
    assert record["arguments"] == {"how": ""}
    assert record["metrics"] == {"loss": 49}
    assert list(record["model"]["code"]) == ["training_model"]
    assert record["duration_s"] > 0
    assert record["started"] < record["finished"]


@pytest.mark.parametrize("how", ["raise", "interrupt", "fork"])
def test_the_record_has_an_end_however_it_ended(directory: JobDirectory, how: str) -> None:
    run(directory, how)
    record = read_record(directory)
    assert record is not None
    assert record["finished"] is not None
    assert record["arguments"] == {"how": how}


def test_a_record_that_cannot_be_written_costs_no_outcome(directory: JobDirectory) -> None:
    (directory.path / "record.json").mkdir()
    done = run(directory, "")
    assert done.returncode == 0
    assert "is incomplete" in done.stderr
    outcome = directory.outcome()
    assert outcome is not None
    assert outcome.state == "done"


# Evaluations


def last_report(directory: JobDirectory) -> tuple[float, float, dict[str, float]] | None:
    """Return the job's last report, ``None`` if it made none."""
    found = last_progress(directory.events)
    return None if found is None else (found["done"], found["total"], found["metrics"])


@pytest.mark.parametrize(
    ("how", "report"),
    [
        ("", (1, 1, {"accuracy": 0.9})),
        ("report", (3, 4, {"loss": 0.5, "accuracy": 0.9})),
        ("late", (3, 4, {"loss": 0.5, "accuracy": 0.9})),
        ("fork", (1, 1, {"parent": 1})),
    ],
)
def test_what_evaluate_returns_joins_its_last_report(
    directory: JobDirectory, how: str, report: tuple[float, float, dict[str, float]]
) -> None:
    """Whoever reports behind it, and however often it comes back."""
    assert run(directory, how, kind="evaluate").returncode == 0
    assert last_report(directory) == report
    record = read_record(directory)
    assert record is not None
    assert record["metrics"] == report[2]
    outcome = directory.outcome()
    assert outcome is not None
    result = json.loads(outcome.result or "")
    assert how == "fork" or result == {"accuracy": 0.9, "classes": {"cat": 1}, "in": None}


def test_an_evaluation_that_fails_finds_out_nothing(directory: JobDirectory) -> None:
    assert run(directory, "raise", kind="evaluate").returncode == 1
    outcome = directory.outcome()
    assert outcome is not None
    assert outcome.message == "evaluate() raised SystemExit: enough"
    assert last_report(directory) is None


def test_an_evaluation_needs_the_files_of_its_version(directory: JobDirectory) -> None:
    made = JobDirectory(directory.path.parent / "made")
    note_basis(directory, version_in(directory.path.parent, 4, "made"))
    assert run(directory, "", kind="evaluate").returncode == 1
    outcome = directory.outcome()
    assert outcome is not None
    assert outcome.message == "Version 4 cannot be evaluated: its files are gone."
    made.create(b"")
    (made.artifacts / "weights").write_text("w")
    seal(made)
    assert run(directory, "", kind="evaluate").returncode == 0
    outcome = directory.outcome()
    assert outcome is not None
    assert json.loads(outcome.result or "")["in"] == "made"


# The sink


@pytest.fixture
def sink(directory: JobDirectory) -> Iterator[JobSink]:
    """Lend a sink; it leaves no descriptor."""
    before = open_fds()
    sink = JobSink(directory, 1)
    yield sink
    sink.close()
    sink.close()
    assert open_fds() == before


def test_a_full_disk_stops_no_training(sink: JobSink, directory: JobDirectory) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        sink.progress(1, None, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    sink.close()
    assert directory.events.read_bytes() == b""


def test_what_a_function_has_found_out_is_its_last_word(
    sink: JobSink, directory: JobDirectory
) -> None:
    """Though a thread of the model's goes on to report; a function may also find out nothing."""
    sink.progress(1, 4, {"loss": 0.5})
    sink.conclude({"accuracy": 0.9})
    sink.progress(2, 4, {"loss": 0.4})
    sink.conclude({})
    sink.close()
    assert sink.metrics == {"loss": 0.5, "accuracy": 0.9}
    assert last_report(directory) == (1, 4, {"loss": 0.5, "accuracy": 0.9})


def test_reports_after_the_end_go_nowhere(sink: JobSink, directory: JobDirectory) -> None:
    sink.close()
    sink.progress(1, None, {})
    assert directory.events.read_bytes() == b""


def test_a_metric_may_be_anything(sink: JobSink, directory: JobDirectory) -> None:
    sink.progress(1, None, {"odd": object(), "nan": float("nan")})  # type: ignore[dict-item]
    sink.close()
    (line,) = directory.events.read_text().splitlines()
    event = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (event["done"], event["total"]) == (1, None)
    assert "object" in event["metrics"]["odd"]


def test_threads_may_report_at_once(sink: JobSink, directory: JobDirectory) -> None:
    def report() -> None:
        for number in range(200):
            sink.progress(number, 200, {"text": number})

    threads = [threading.Thread(target=report) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.close()
    for line in directory.events.read_text().splitlines():
        json.loads(line)


def test_a_model_that_does_not_ask_is_interrupted(sink: JobSink) -> None:
    with pytest.raises(Cancelled) as caught:
        sink.on_sigterm(signal.SIGTERM, None)
    assert caught.value.code == 128 + signal.SIGTERM


def test_a_model_that_asks_is_not_interrupted(sink: JobSink) -> None:
    assert not sink.is_cancelled()
    sink.on_sigterm(signal.SIGTERM, None)
    assert sink.is_cancelled()


def test_where_a_training_keeps_things(sink: JobSink, directory: JobDirectory) -> None:
    assert sink.artifact_dir() == directory.artifacts
    assert sink.checkpoint_dir() == directory.checkpoints
    assert os.path.isabs(sink.artifact_dir())


def test_a_training_that_is_stopped_while_its_artifacts_are_sealed_is_done(
    directory: JobDirectory,
) -> None:
    """Large ones take long to read; they are sealed when somebody asks for them."""
    process = subprocess.Popen(prepared(directory, "large"), cwd=directory.path)
    # Not as soon as the outcome is there: while it is written, the signal is ignored.
    wait_for(lambda: (read_record(directory) or {}).get("finished"))
    process.terminate()
    assert process.wait(60) == 0
    outcome = directory.outcome()
    assert outcome is not None
    assert outcome.state == "done"
    assert not (directory.path / "artifacts.json").exists()


@pytest.mark.parametrize("problem", [OSError(errno.EIO, "Input/output error"), Cancelled(143)])
def test_artifacts_that_cannot_be_sealed_are_told(
    directory: JobDirectory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    problem: BaseException,
) -> None:
    def fail(_: JobDirectory) -> None:
        raise problem

    monkeypatch.setattr(training, "seal", fail)
    sink = JobSink(directory, 1)
    training._finish_records(directory, Provenance(directory), sink, with_artifacts=True)
    sink.close()
    assert ("Input/output error" in caplog.text) == isinstance(problem, OSError)
    record = read_record(directory)
    assert record is not None
    assert record["finished"]
