# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas storage`` says what it did, on a folder that stands for a remote."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from deepaas.cmd.main import main


@pytest.fixture(autouse=True)
def remote(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the folder of a remote with two files."""
    folder = tmp_path / "remote"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "a b").write_text("content")
    (folder / "models" / "c").touch()
    monkeypatch.setenv("RCLONE_CONFIG_HERE_TYPE", "local")
    monkeypatch.setenv("RCLONE_CONFIG", str(tmp_path / "none"))
    return folder


def storage(*argv: object) -> int:
    return main(["storage", *map(str, argv)])


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return the JSON that was printed."""
    return json.loads(capsys.readouterr().out)


def test_a_remote_that_can_be_used(remote: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert storage("check", f"here:{remote}") == 0
    assert capsys.readouterr().out == "here (local): can be used.\n"
    assert storage("check", f"here:{remote}", "--json", "--stall-timeout=5") == 0
    assert told(capsys) == {"ok": True, "remote": "here (local)"}


def test_one_that_cannot(remote: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert storage("check", f"here:{remote}/nothing") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("deepaas storage: ")
    assert "No such file" in err
    assert storage("check", f"here:{remote}/nothing", "--json") == 1
    assert "No such file" in told(capsys)["error"]


def test_pull_and_push(remote: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = tmp_path / "here"
    assert storage("pull", f"here:{remote}/models", here) == 0
    out, _ = capsys.readouterr()
    assert out == (
        "'a b': 7 bytes\n'c': 0 bytes\n"
        "2 files moved (7 bytes), 0 were there already, 0 are missing.\n"
    )
    assert storage("push", here, f"here:{remote}/new", "--json") == 0
    moved = {"moved": ["a b", "c"], "unchanged": [], "passed_over": []}
    assert told(capsys) == {"ok": True, "bytes": 7, "failed": {}, "missing": [], **moved}
    assert (remote / "new" / "a b").read_text() == "content"


def test_what_is_not_pushed_is_named(
    remote: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "file").touch()
    (here / "out").symlink_to(tmp_path)
    assert storage("push", here, f"here:{remote}/new") == 0
    err = capsys.readouterr().err
    assert err == "deepaas storage: passed over: 'out': no file, or a link that is not followed\n"
    assert storage("push", here, f"here:{remote}/new", "--json") == 0
    assert told(capsys)["passed_over"] == ["out"]
    assert [each.name for each in (remote / "new").iterdir()] == ["file"]


def test_what_is_missing_is_told(
    remote: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here" / "a b").mkdir(parents=True)
    assert storage("pull", f"here:{remote}/models", tmp_path / "here") == 1
    out, err = capsys.readouterr()
    assert "1 files moved (0 bytes), 0 were there already, 1 are missing." in out
    assert "deepaas storage: missing: 'a b': " in err


def test_what_was_not_begun_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a program that lists, and whose line breaks then."""
    program = tmp_path / "rclone"
    files = [{"Path": name, "Size": 1, "ModTime": "2026-01-01T00:00:00Z"} for name in "ab"]
    listing = json.dumps(files)
    script = f"case $* in *lsjson*) echo '{listing}';; *) echo connection reset >&2; exit 1;; esac"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("RCLONE_CONFIG_FAR_TYPE", "sftp")
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert storage("pull", "far:x", tmp_path / "here") == 1
    err = capsys.readouterr().err
    assert "missing: 'a': far (sftp), 'x/a': the connection ended in the middle." in err
    assert "missing: 'b', not begun" in err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["check", "nowhere:"], "there is no remote 'nowhere'"),
        (["check", "here:", "--driver=rclone"], "there is no program rclone"),
    ],
)
def test_what_cannot_be_used_is_a_wrong_usage(
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RCLONE_CONFIG_HERE_TYPE", "sftp")
    monkeypatch.setenv("PATH", "")
    assert storage(*argv) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ["check", "here"],
        ["check", "here:", "--stall-timeout=0"],
        ["check", "here:", "--connect-timeout=never"],
        ["check", "here:", "--driver=horse"],
        ["check", "here:", "--stall=5"],
        ["pull", "here:"],
        [],
    ],
)
def test_a_wrong_command_line_is_refused(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        storage(*argv)
    assert caught.value.code == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing_half_done(
    number: signal.Signals, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(source: object, target: object) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr("shutil.copyfile", copy)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as caught:
        storage("pull", f"here:{remote}/models", tmp_path / "here")
    assert caught.value.code == 128 + number
    assert list((tmp_path / "here").iterdir()) == []
    assert signal.getsignal(number) is before


def test_a_reader_that_goes_ends_it_without_a_traceback(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as output:
        monkeypatch.setattr("sys.stdout", output)
        assert storage("pull", f"here:{remote}", tmp_path / "here") == 1
