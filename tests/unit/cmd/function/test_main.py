# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The command: what it runs on, and that nothing is left without an output."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepaas.cmd.function.main import main

MODEL = Path(__file__).with_name("answering.py")
#: It only ends what hangs.
PATIENCE_S = 60


def clean(folder: Path) -> dict[str, str]:
    hidden = ("INPUT_FILE_PATH", "EVENT", "TMP_OUTPUT_DIR", "STORAGE_OBJECT_KEY")
    kept = {name: text for name, text in os.environ.items() if name not in hidden}
    return {**kept, "HOME": str(folder)}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in set(os.environ) - set(clean(tmp_path)):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def run(
    folder: Path, *argv: str, event: str = "", stderr: int = subprocess.STDOUT, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the command; what it says goes where its answer does, as below faas-supervisor."""
    return subprocess.run(
        [sys.executable, "-m", "deepaas.cmd.main", "function", f"--model-name={MODEL}", *argv],
        env={**clean(folder), **more},
        input=event,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_the_answer_is_alone_where_the_log_goes_the_same_way(tmp_path: Path) -> None:
    done = run(tmp_path, event='{"n": 2}')
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["n"] == 2


def test_a_call_whose_process_ends_is_answered(tmp_path: Path) -> None:
    done = run(tmp_path, event='{"how": "end"}', stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert "the model's process ended with exit status 3" in done.stderr
    assert "ended before it answered" in json.loads(done.stdout)["message"]


def test_objects_whose_process_ends_have_outputs(tmp_path: Path) -> None:
    inputs, outputs = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    (inputs / "a.json").write_text("{}")
    (inputs / "b.json").write_text('{"how": "end"}')
    (inputs / "c.json").write_text("{}")
    (inputs / f"{'d' * 250}.json").write_text("{}")
    done = run(tmp_path, f"--input={inputs}", TMP_OUTPUT_DIR=str(outputs))
    assert done.returncode == 1
    assert sorted(path.name for path in outputs.iterdir()) == [
        *("a.json", "b.error.json", "c.error.json"),
    ]
    assert "File name too long" in done.stdout


def test_a_training_leaves_its_record_and_what_it_made(tmp_path: Path) -> None:
    inputs, outputs = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    (inputs / "a.json").write_text('{"epochs": 2}')
    (inputs / "b.csv").write_text("1,2")
    # The media type is of predictions.
    given = ("--method=train", f"--input={inputs}", "-o", str(outputs), "-c", "image/png")
    done = run(tmp_path, *given)
    assert done.returncode == 0, done.stdout
    records = [json.loads((outputs / name).read_text()) for name in ("a.json", "b.json")]
    assert [record["result"]["output"] for record in records] == [
        {"epochs": 2, "has_data": False},
        {"epochs": 1, "has_data": True},
    ]
    assert (outputs / "a.artifacts" / "weights").read_text() == "w"
    assert "2/2" in done.stdout


def test_an_event_that_is_wrong_is_answered(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "event.json"
    file.write_text('{"specversion": "1.0"}')
    assert main([f"--event={file}"]) == 1
    printed = capfd.readouterr()
    problem = json.loads(printed.out)
    assert problem == {
        "status": "error",
        "message": "The subject of the event is None, which is no name of an object.",
    }
    assert printed.err == f"deepaas function: {problem['message']}\n"


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("EVENT", '{"specversion": "1.0"}', 1),
        ("INPUT_FILE_PATH", "/none", 2),
    ],
)
def test_an_object_that_is_known_and_not_there_has_an_output(
    name: str, text: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    monkeypatch.setenv("STORAGE_OBJECT_KEY", "inputs/a b.v2.json")
    monkeypatch.setenv("TMP_OUTPUT_DIR", str(tmp_path / "out"))
    assert main([]) == status
    problem = json.loads((tmp_path / "out" / "a b.v2.error.json").read_text())
    assert problem["object"] == "inputs/a b.v2.json"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--nothing"], "--nothing"),
        (["--event=/none"], "--event: '/none': No such file"),
        (["--input=/none"], "--input: there is no file '/none'"),
        (["--input={}"], "there are 3 objects; say with --output-dir where"),
        (["--input={}", "--output-dir={}"], "would lie beside the object"),
        (["--input={}/below", "--output-dir={}/below"], "would lie beside the object 'c.json'"),
    ],
)
def test_a_wrong_command_line_is_told(
    argv: list[str], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").touch()
    (tmp_path / "b.json").touch()
    (tmp_path / "below" / "deeper").mkdir(parents=True)
    (tmp_path / "below" / "deeper" / "c.json").touch()
    assert main([text.format(tmp_path) for text in argv]) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("deepaas function: ")
    assert message in printed.err


def test_without_an_event_there_is_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with open(os.devnull) as empty:
        monkeypatch.setattr(sys, "stdin", empty)
        assert main([]) == 2
        assert main(["--event=-"]) == 2
    assert capfd.readouterr().err.count("there is no event: give it at standard input") == 2


@pytest.mark.parametrize(
    ("where", "said"),
    [("2>&-", b""), (">/dev/full", b"standard output cannot be written: No space left on device.")],
)
def test_a_stream_that_takes_nothing(tmp_path: Path, where: str, said: bytes) -> None:
    argv = [sys.executable, "-m", "deepaas.cmd.main", "function", "--model-name=not_installed"]
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {where}', "sh", *argv],
        env=clean(tmp_path),
        input=b'{"n": 1}',
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
