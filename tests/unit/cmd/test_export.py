# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas export`` writes, shows and checks."""

import os
from pathlib import Path

import pytest

from deepaas.cmd.main import main

MODEL = "tests.unit.export.modules:Small"


def export(*argv: str) -> int:
    return main(["export", *argv])


def test_files_are_written_once_and_never_over_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ("compose", MODEL, "--output", str(tmp_path))
    file = tmp_path / "compose.yaml"
    assert export(*place) == 0
    assert capsys.readouterr().out == f"{file}\n"
    assert export(*place) == 0
    assert capsys.readouterr().out == ""
    assert export(*place, "--gpu") == 1
    out, err = capsys.readouterr()
    assert (out, err.startswith(f"deepaas export: '{file}' would be overwritten")) == ("", True)
    assert export(*place, "--gpu", "--force") == 0
    assert "nvidia" in file.read_text()


def test_where_an_image_is_built_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere the Dockerfile would find no code to copy."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "built_here.py").write_text("class Model:\n    def predict(self): return 1\n")
    (home / "pyproject.toml").write_text("[project]\nname = 'built-here'\n")
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(home)
    assert export("docker", "built_here:Model", "--output", str(tmp_path)) == 0
    assert f"builds in the folder of the module, {home};" in capsys.readouterr().err
    assert export("docker", "built_here:Model") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("target", "program"),
    [
        ("docker", "hadolint"),
        ("compose", "check-jsonschema"),
        ("kubernetes", "kubernetes-validate"),
    ],
)
def test_a_check_says_what_does_not_fit(
    target: str,
    program: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    checker = tmp_path / program
    checker.write_text("#!/bin/sh\nexit 0\n")
    checker.chmod(0o755)
    place = (target, MODEL, "--output", str(tmp_path))
    assert export(*place) == 0
    assert export(*place, "--check") == 0
    capsys.readouterr()
    assert export(*place, "--check", "--image", "other:2") == 1
    assert 'image: the files say "small:0", the module "other:2"' in capsys.readouterr().err


def test_files_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert export("kubernetes", MODEL, "--stdout") == 0
    assert capsys.readouterr().out.startswith("# Made by `deepaas export kubernetes`")
    assert export("kubernetes", "tests.unit.export.modules:Talkative", "--stdout") == 0
    out, err = capsys.readouterr()
    assert ("loading" in out, "loading" in err) == (False, True)
    assert export("docker", MODEL, "--stdout") == 0
    out = capsys.readouterr().out
    assert out.startswith("# Dockerfile\n# Made by `deepaas export docker`")
    assert "\n# .dockerignore\n" in out


def test_an_output_that_takes_nothing_is_no_traceback(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert export("compose", MODEL, "--stdout") == 1
        said = "deepaas export: standard output cannot be written: No space left on device.\n"
        assert capfd.readouterr().err == said


def test_a_reader_that_has_enough_is_told_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as gone:
        monkeypatch.setattr("sys.stdout", gone)
        assert export("compose", MODEL, "--stdout") == 1
    assert capfd.readouterr().err == ""


def test_names_of_files_are_shown_as_they_are(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff"
    assert export("compose", MODEL, "--output", os.fsdecode(folder)) == 0
    assert capfdbinary.readouterr().out == folder + b"/compose.yaml\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["nothing"], "argument TARGET: invalid choice: 'nothing'"),
        (["compose", "--flavour", "x"], "compose has no flavour 'x'; it has none."),
        (["slurm", "--flavour", "x"], "slurm has no flavour 'x'; it has train, predict, serve."),
    ],
)
def test_wrong_usage_has_a_status_of_its_own(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        export(*argv)
    assert raised.value.code == 2
    assert f"deepaas export: error: {said}" in capsys.readouterr().err


def test_a_fault_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert export("compose", "nosuch", "--stdout") == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("deepaas export: ")
    assert "'nosuch'" in line
