# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The commands as real processes: what comes on which stream, and the status they end with."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.harness import MODELS, PATIENCE_S, Server, serve, wait_for

MODEL = MODELS / "answers_at_the_command_line.py"
ENTRY_POINTS = "[deepaas.v2.model]\n{}\n"


class Done(subprocess.CompletedProcess[str]):
    @property
    def result(self) -> Any:
        """Standard output, which is one line of JSON and nothing else."""
        assert self.returncode == 0, self.stderr
        assert self.stdout.endswith("\n")
        assert self.stdout.count("\n") == 1
        return json.loads(self.stdout)


def environment(folder: Path, added: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return one in which nobody's files of options are found."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("OS_DEFAULT__")}
    kept.pop("DEEPAAS_V2_MODEL", None)
    return {**kept, "HOME": str(folder), **(added or {})}


def run(
    module: str, folder: Path, *argv: str, added: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", f"deepaas.cmd.{module}", *argv],
        cwd=folder,
        env=environment(folder, added),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def cli(folder: Path, *argv: str, added: Mapping[str, str] | None = None) -> Done:
    done = run("cli", folder, f"--model-name={MODEL}", *argv, added=added)
    return Done(done.args, done.returncode, done.stdout, done.stderr)


def packages(folder: Path, *lines: str) -> dict[str, str]:
    """Install packages of which each declares one model; return the environment that has them."""
    for number, line in enumerate(lines):
        info = folder / f"fixture_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: fixture-{number}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(ENTRY_POINTS.format(line))
    path = [str(folder), str(MODELS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(path), "XDG_CACHE_HOME": str(folder / "cache")}


# --- deepaas-run: what ends the start


def refused(folder: Path, status: int, *argv: str, added: Mapping[str, str] | None = None) -> str:
    """Start a service that must not come up; return its message."""
    state = f"--state-dir={folder / 'state'}"
    done = run("run", folder, state, "--listen-port=0", *argv, added=added)
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert "deepaas/" not in done.stderr, "a traceback of ours"
    said = [line for line in done.stderr.splitlines() if line.startswith("deepaas-run: ")]
    assert len(said) == 1, done.stderr
    return done.stderr


@pytest.mark.row("C87")
def test_a_package_whose_import_fails_ends_with_1_and_its_own_traceback(tmp_path: Path) -> None:
    added = packages(tmp_path, "broken = raises_on_import")
    said = refused(tmp_path, 1, "--model-name=broken", added=added)
    assert "entry point 'broken = raises_on_import' of package fixture-0 1.0" in said
    assert said.startswith("Traceback")
    assert "raises_on_import.py" in said


@pytest.mark.row("C83")
def test_a_model_whose_warm_fails_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("too cold")
    said = refused(
        tmp_path,
        1,
        f"--model-name={MODELS / 'warms_when_told.py'}",
        added={"NOTE": str(tmp_path / "note")},
    )
    assert "warm() of file 'warms_when_told.py' raised RuntimeError: too cold" in said


def test_two_models_of_one_name_end_with_2_and_both_are_named(tmp_path: Path) -> None:
    added = packages(tmp_path, "same = keeps_state", "same = predicts_only")
    said = refused(tmp_path, 2, "--model-name=same", added=added)
    assert "Two models are named 'same'" in said
    assert "keeps_state" in said
    assert "predicts_only" in said


@pytest.mark.row("C87")
def test_no_installed_model_ends_with_2(tmp_path: Path) -> None:
    program = (
        "import sys, deepaas.model.discovery as d; d.GROUP = 'nobody.uses.this';"
        "from deepaas.cmd.run import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--listen-port=0"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("deepaas-run: No model is installed: no package has an entry")


@pytest.mark.row("C16")
@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--nonsense"], "--nonsense"),
        (["--workers=none"], "none"),
        (["--base-path=api"], "must start with a slash, as in '/api'"),
        (["--model-name=nobody"], "No model named 'nobody' is installed"),
        (["--model-name=none.py"], "none.py' does not exist"),
        (["--config-file=none.conf"], "none.conf"),
        (["--log-file=/proc/none/x"], "/proc/none/x"),
    ],
)
def test_a_bad_option_ends_with_2(argv: list[str], words: str, tmp_path: Path) -> None:
    assert words in refused(tmp_path, 2, *argv)


def test_a_taken_port_ends_with_3(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        model = f"--model-name={MODELS / 'keeps_state.py'}"
        said = refused(tmp_path, 3, model, f"--listen-port={port}")
    assert f"cannot listen on 127.0.0.1 port {port}" in said


def test_a_port_that_is_taken_while_models_load_ends_with_3(tmp_path: Path) -> None:
    """Two may bind an address before one of them listens."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        note, log = tmp_path / "note", tmp_path / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "deepaas.cmd.run", f"--listen-port={port}"),
                    f"--model-name={MODELS / 'warms_when_told.py'}",
                    f"--state-dir={tmp_path / 'state'}",
                ],
                env=environment(tmp_path, {"NOTE": str(note)}),
                stderr=output,
            )
        wait_for(lambda: any("worker" in " ".join(child.cmdline()) for child in children(process)))
        other.listen()
        note.touch()
        assert process.wait(PATIENCE_S) == 3
    assert log.read_text().count("deepaas-run: cannot listen on") == 1
    assert "Traceback" not in log.read_text()


def children(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        return []


# --- deepaas-run: what it does


@contextmanager
def listening_early(tmp_path: Path, note: Path) -> Iterator[Server]:
    """Serve a model whose warm() waits for the note; the port is open meanwhile."""
    environment = {"NOTE": str(note)}
    with serve(
        "warms_when_told", tmp_path, "--listen-early", environment=environment, wait=False
    ) as server:
        wait_for(lambda: "Listening at" in server.output())
        yield server


@pytest.mark.row("C100")
def test_listening_early_shows_that_models_load(tmp_path: Path) -> None:
    note = tmp_path / "note"
    with listening_early(tmp_path, note) as server:
        ready = server.get("/v2/health/ready")
        assert ready.status == 503
        assert ready.json["models"][0]["reason"] == "The model is loading."
        assert server.get("/v2/health/live").status == 200
        assert server.get("/v2/models/").json == {"models": []}
        for answer in (
            server.get("/v2/models/warms_when_told/"),
            server.predict("warms_when_told"),
            server.request("POST", "/v2/models/warms_when_told/train/"),
        ):
            assert answer.status == 503
            assert "loading" in answer.text
        assert server.get("/v2/models/other/").status == 404
        note.touch()
        server.wait_ready(limit_s=PATIENCE_S)
        assert server.predict("warms_when_told").json["predictions"] == "warm"
        assert server.get("/v2/models/warms_when_told/train/").json == []


def test_a_model_that_fails_after_listening_early_ends_with_1(tmp_path: Path) -> None:
    note = tmp_path / "note"
    with listening_early(tmp_path, note) as server:
        note.write_text("too cold")
        assert server.wait_end() == 1
        assert "raised RuntimeError: too cold" in server.output()


def test_a_stop_while_models_load_ends_with_0(tmp_path: Path) -> None:
    with listening_early(tmp_path, tmp_path / "never") as server:
        server.signal(signal.SIGTERM)
        assert server.wait_end() == 0


def test_the_workers_log_to_the_servers_file(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "all.log"
    with serve("keeps_state", tmp_path, f"--log-file={log}", "--use-json", "-d") as server:
        server.predict("keeps_state")
    found = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"serving", "stopping"} <= {line.get("action") for line in found}
    assert all(line["time"] and line["level"] and line["message"] for line in found)


@pytest.mark.row("C10")
def test_without_the_debug_endpoint_nothing_is_shown(tmp_path: Path) -> None:
    with serve("keeps_state", tmp_path) as server:
        shown = server.get("/v2/debug/")
    assert (shown.status, shown.body) == (204, b"")


@pytest.mark.row("C11")
def test_the_debug_endpoint_shows_the_log_and_what_the_model_prints(tmp_path: Path) -> None:
    name = MODEL.stem
    with serve(name, tmp_path, "--debug-endpoint") as server:
        server.predict(name, how="raise")
        server.predict(name, how="os._exit")
        wait_for(lambda: server.predict(name).status == 200)
        wait_for(lambda: server.get("/v2/debug/").text.count("predicting below") == 3)
        shown = server.get("/v2/debug/")
        assert shown.status == 200
        assert shown.headers["Content-Type"] == "text/plain; charset=utf-8"
        for words in ("importing", "warming", "no such thing", "Serving", "is replaced"):
            assert words in shown.text
        last = shown.text.splitlines()[-1]
        assert last.startswith("--- DEBUG MARKER 2")
        assert last.endswith(" ---")
        # It is printed where it always was, too.
        assert server.output().count("predicting below") == 3


@pytest.mark.row("C102")
def test_options_come_from_files_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.conf"
    file.write_text("[DEFAULT]\nbase_path = /mine\n")
    with serve("keeps_state", tmp_path, "--config-file", str(file), wait=False) as server:
        wait_for(lambda: "Serving" in server.output())
        assert server.get("/mine/v2/models/").status == 200


# --- deepaas-cli: what ends it


@pytest.mark.row("C106")
@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["judge"], "there is no method 'judge'"),
        (["--nonsense", "predict"], "--nonsense"),
        (["predict", "--nonsense"], "--nonsense"),
        (["predict", "stray"], "stray"),
        (["predict", "--n", "0"], "n: Must be greater than or equal to 1."),
        (["predict", "--n", "x"], "n: Not a valid integer."),
        (["evaluate", "--images", "0"], "images: Must be greater than or equal to 1."),
        (["--deepaas_model_dir=none", "evaluate"], "--deepaas_model_dir: there is no folder"),
        (["predict", "--data", "none.png"], "'none.png'"),
        (["predict", "--how=invalid"], "not like this"),
        (["--model-name=nobody", "predict"], "No model named 'nobody'"),
        (["--deepaas_method_output=/proc/none/x", "predict"], "/proc/none/x cannot be written"),
    ],
)
def test_wrong_usage_ends_with_2(argv: list[str], words: str, tmp_path: Path) -> None:
    done = cli(tmp_path, *argv)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.row("C111")
@pytest.mark.parametrize(
    "mode", ["--deepaas_with_multiprocessing", "--nodeepaas_with_multiprocessing"]
)
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("raise", "the model raised ValueError: no such thing"),
        ("sys.exit", "the model raised SystemExit: 0"),
        ("object", "cannot be written as JSON"),
    ],
)
def test_a_failure_of_the_model_ends_with_1(
    how: str, words: str, mode: str, tmp_path: Path
) -> None:
    done = cli(tmp_path, mode, "predict", f"--how={how}")
    assert done.returncode == 1
    assert done.stdout == ""
    assert words in done.stderr.splitlines()[-1]
    assert "deepaas/" not in done.stderr, "a traceback of ours"


@pytest.mark.row("C111")
@pytest.mark.parametrize(
    ("how", "words"), [("os._exit", "exit status 0"), ("segfault", "signal 11")]
)
def test_a_model_that_ends_its_process_is_no_success(how: str, words: str, tmp_path: Path) -> None:
    done = cli(tmp_path, "predict", f"--how={how}")
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"the model's process ended with {words}" in done.stderr


def test_a_model_that_cannot_be_loaded_ends_with_1(tmp_path: Path) -> None:
    done = run("cli", tmp_path, f"--model-name={MODELS / 'raises_on_import.py'}", "get_metadata")
    assert done.returncode == 1
    assert "Cannot load file 'raises_on_import.py'" in done.stderr


@pytest.mark.row("C111")
def test_a_function_that_the_model_lacks_ends_with_1(tmp_path: Path) -> None:
    done = run("cli", tmp_path, f"--model-name={MODELS / 'has_no_predict.py'}", "predict")
    assert done.returncode == 1
    assert "Not implemented by underlying model (loaded 'has_no_predict')" in done.stderr


def test_several_models_must_be_chosen_from(tmp_path: Path) -> None:
    added = packages(tmp_path, "one = keeps_state", "two = predicts_only")
    done = run("cli", tmp_path, "--model-name=one,two", "get_metadata", added=added)
    assert done.returncode == 2
    assert "one, two. Choose one with --model-name" in done.stderr


@contextmanager
def background(folder: Path, *argv: str) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """Start a command that notes in a file when it has come to the place to wait."""
    note = folder / "note"
    process = subprocess.Popen(
        [sys.executable, "-m", "deepaas.cmd.cli", f"--model-name={MODEL}", *argv],
        cwd=folder,
        env=environment(folder, {"NOTE": str(note)}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: note.exists() and note.read_text())
        yield process, note
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_the_model_and_all_that_it_started(
    number: int, status: int, tmp_path: Path
) -> None:
    with background(tmp_path, "predict", "--how=child") as (process, note):
        pids = [int(pid) for pid in note.read_text().split()]
        assert len(pids) == 2
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == status
        assert [pid for pid in pids if psutil.pid_exists(pid)] == []


def test_a_training_that_is_interrupted_may_save(tmp_path: Path) -> None:
    option = f"--deepaas_artifact_dir={tmp_path / 'a'}"
    with background(tmp_path, option, "train", "--how=wait") as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130
    assert (tmp_path / "a/weights").read_text() == "w"


# --- deepaas-cli: what it gives


@pytest.mark.row("C103")
@pytest.mark.parametrize("argv", [["get_metadata"], ["-p", "2", "--log-date-format", "%H"]])
def test_the_metadata_are_the_result(argv: list[str], tmp_path: Path) -> None:
    """Also without a method, after options of version 2 that mean nothing here."""
    done = cli(tmp_path, *argv)
    assert done.result == {"name": "the command line's", "numbers": [1]}
    assert ("No method is named" in done.stderr) is ("get_metadata" not in argv)


@pytest.mark.row("C103", "C109")
def test_warming_gives_no_result(tmp_path: Path) -> None:
    done = cli(tmp_path, "warm")
    assert (done.returncode, done.stdout) == (0, "")
    assert "warming" in done.stderr


@pytest.mark.row("C103", "C105", "C109", "C110")
@pytest.mark.parametrize(
    "mode", ["--deepaas_with_multiprocessing", "--nodeepaas_with_multiprocessing"]
)
def test_the_result_alone_is_on_standard_output(mode: str, tmp_path: Path) -> None:
    (tmp_path / "seven.png").write_bytes(b"png")
    done = cli(tmp_path, mode, "predict", "--n=3", "--d", "--data", "seven.png", "--how=log")
    result = done.result
    assert (result["n"], result["d"], result["warm"]) == (3, True, True)
    assert result["data"] == ["data", "image/png", "seven.png"]
    for words in ("importing", "warming", "predicting", "predicting below"):
        assert words in done.stderr.splitlines()
    assert (tmp_path / "seven.png").exists(), "the model removed the original"
    assert (tmp_path / "own.log").read_text() == "a word\n"
    # Of multiprocessing, where the process is there for the model alone.
    assert result["start"] == ("spawn" if mode == "--deepaas_with_multiprocessing" else None)


@pytest.mark.parametrize(
    "mode", ["--deepaas_with_multiprocessing", "--nodeepaas_with_multiprocessing"]
)
def test_what_evaluate_returned_is_the_result(mode: str, tmp_path: Path) -> None:
    """Of the package as installed, or of what a training has left."""
    done = cli(tmp_path, mode, "evaluate", "--images", "3")
    assert done.result == {"images": 3, "warm": True, "in": None}
    assert "evaluating" in done.stderr.splitlines()
    assert "3/3 100% accuracy=0.5" in done.stderr.splitlines()
    (tmp_path / "made").mkdir()
    done = cli(tmp_path, mode, "--deepaas_model_dir", "made", "evaluate")
    assert done.result == {"images": 2, "warm": True, "in": "made"}


def test_a_fork_that_comes_back_answers_nothing(tmp_path: Path) -> None:
    assert cli(tmp_path, "predict", "--how=fork").result["n"] == 1


def test_warm_is_not_called_where_it_is_switched_off(tmp_path: Path) -> None:
    assert cli(tmp_path, "--nowarm", "predict").result["warm"] is False


@pytest.mark.row("C103", "C107")
@pytest.mark.parametrize("how", ["", "file"])
def test_other_media_are_bytes(how: str, tmp_path: Path) -> None:
    argv = ("predict", f"--how={how}", "--accept", "image/png")
    done = cli(tmp_path, "--deepaas_method_output", "new/out.bin", *argv)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "new/out.bin").read_bytes() == b"\x89PNG"
    raw = subprocess.run(
        [sys.executable, "-m", "deepaas.cmd.cli", f"--model-name={MODEL}", *argv],
        env=environment(tmp_path),
        capture_output=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert raw.stdout == b"\x89PNG"


@pytest.mark.row("C103")
def test_json_goes_into_the_file_too(tmp_path: Path) -> None:
    done = cli(tmp_path, "--deepaas_method_output=out", "predict")
    assert done.stdout == ""
    assert json.loads((tmp_path / "out").read_text())["n"] == 1


@pytest.mark.row("C103", "F11")
def test_a_training_gives_its_record_without_secrets(tmp_path: Path) -> None:
    done = cli(tmp_path, "train", "--epochs", "2")
    record = done.result
    assert record["status"] == "done"
    assert record["args"] == {"epochs": 2, "token": "***", "how": ""}
    assert record["result"]["output"] == {"warm": True}
    assert set(record["result"]) == {"output", "finish_date", "duration"}
    assert len(record["uuid"]) == 32
    assert "hidden" not in done.stderr
    (folder,) = tmp_path.glob("artifacts-*")
    assert (folder / "weights").read_text() == "w"
    assert (folder / "checkpoints/last").read_text() == "c"
    assert "2/2 100% loss=0.5" in done.stderr.splitlines()


def on_terminal(folder: Path, model: Path, *argv: str) -> str:
    """Train with the output and the errors on a terminal; return what came there."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 40))
    process = subprocess.Popen(
        [sys.executable, "-m", "deepaas.cmd.cli", f"--model-name={model}", *argv],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 4096):
            seen += chunk
    except OSError:
        pass  # the other end is closed (EIO)
    os.close(ours)
    assert process.wait(PATIENCE_S) == 0, seen
    return seen.decode()


def lines_of(seen: str) -> list[str]:
    """Return what is left on a terminal after every line that was erased or written over."""
    return [
        line.rpartition("\x1b[K")[2].rpartition("\r")[2]
        for line in seen.replace("\r\n", "\n").splitlines()
    ]


def test_a_terminal_shows_a_bar_below_all_that_is_printed(tmp_path: Path) -> None:
    seen = on_terminal(tmp_path, MODEL, "train", "--how=speak")
    assert "[####################..........] 2/3 67" in seen
    lines = lines_of(seen)
    for words in ("epoch 1", "epoch 2", "epoch 3", "below 1", "below 2", "below 3"):
        assert words in lines
    # As wide as the terminal, less the place of the cursor.
    assert lines[-3] == "[##############################] 3/3 100% loss=0.3333"[:39]
    assert "INFO deepaas.cmd.cli Artifacts are in" in lines[-2]
    assert json.loads(lines[-1])["status"] == "done"


def test_a_terminal_that_changes_its_size_is_followed(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    note = tmp_path / "note"
    process = subprocess.Popen(
        [sys.executable, "-m", "deepaas.cmd.cli", f"--model-name={MODEL}", "train", "--how=resize"],
        cwd=tmp_path,
        env=environment(tmp_path, {"NOTE": str(note)}),
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    try:
        wait_for(note.exists)
        termios.tcsetwinsize(ours, (24, 55))
        # The kernel sends it to whom the terminal belongs, which is the test's own.
        process.send_signal(signal.SIGWINCH)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("disable", ["false", "true"])
def test_a_terminal_shows_the_models_own_bars_or_ours(tmp_path: Path, disable: str) -> None:
    model = MODELS / "shows_bars_in_train.py"
    seen = on_terminal(tmp_path, model, "train", "--disable", disable)
    assert ("3/3 [" in seen) == (disable == "false")
    assert ("[##############################] 3/3" in seen) == (disable == "true")
    assert "epoch 2\r\n" in seen


def test_a_debugger_gets_lines_and_no_bar(tmp_path: Path) -> None:
    seen = on_terminal(tmp_path, MODEL, "--nodeepaas_with_multiprocessing", "train")
    assert "3/3 100% loss=0.3333" in lines_of(seen)
    assert "[#" not in seen


def test_the_help_of_a_method_lists_the_models_arguments(tmp_path: Path) -> None:
    done = cli(tmp_path, "predict", "-h")
    assert done.returncode == 0
    assert "--data FILE" in done.stdout
    assert "importing" not in done.stdout


def test_the_umbrella_leads_to_it(tmp_path: Path) -> None:
    done = run("main", tmp_path, "cli", f"--model-name={MODEL}", "get_metadata")
    assert json.loads(done.stdout)["name"] == "the command line's"


@pytest.mark.row("C104")
@pytest.mark.parametrize("how", [["--model-name=one"], []])
def test_an_installed_model_is_found_by_name(how: list[str], tmp_path: Path) -> None:
    added = packages(tmp_path, "one = answers_at_the_command_line", "two = keeps_state")
    if not how:
        added["DEEPAAS_V2_MODEL"] = "one"
    done = run("cli", tmp_path, *how, "get_metadata", added=added)
    assert json.loads(done.stdout)["name"] == "the command line's"


# --- deepaas-predict


def predict(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    (folder / "in.png").write_bytes(b"png")
    return run("predict", folder, f"--model-name={MODEL}", *argv)


@pytest.mark.row("C112")
@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["-o", "x"], "-i is missing"),
        (["-i", "in.png"], "-o is missing"),
        (["-i", "http://127.0.0.1/", "-u", "-o", "x"], "-i: The address does not lead"),
        (["-i", "in.png", "-o", "x", "-c", "image/gif"], "accept: Must be one of:"),
    ],
)
def test_predict_ends_with_2_on_wrong_usage(argv: list[str], words: str, tmp_path: Path) -> None:
    done = predict(tmp_path, *argv)
    assert done.returncode == 2
    assert words in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("model", "argv", "words"),
    [
        ("keeps_state", [], "takes no file"),
        ("reads_files_in_train", [], "takes no file"),
    ],
)
def test_predict_needs_a_model_that_takes_a_file(
    model: str, argv: list[str], words: str, tmp_path: Path
) -> None:
    done = predict(
        tmp_path, f"--model-name={MODELS / f'{model}.py'}", "-i", "in.png", "-o", "x", *argv
    )
    assert done.returncode == 2
    assert words in done.stderr


@pytest.mark.row("C112")
def test_predict_writes_json(tmp_path: Path) -> None:
    done = predict(tmp_path, "-i", "in.png", "-o", "new/out")
    assert (done.returncode, done.stdout) == (0, "Output saved at new/out\n"), done.stderr
    result = json.loads((tmp_path / "new/out").read_text())
    assert result["data"] == ["data", "image/png", "in.png"]
    assert result["warm"] is True
    assert (tmp_path / "in.png").exists()


@pytest.mark.row("C112")
@pytest.mark.parametrize("option", ["-c", "-ct"])
def test_predict_writes_other_media_into_a_folder(option: str, tmp_path: Path) -> None:
    done = predict(tmp_path, "-i", "in.png", option, "image/png", "-o", "new/")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new/out_in.png").read_bytes() == b"\x89PNG"
