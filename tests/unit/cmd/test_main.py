# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The umbrella runs its commands, and their exit status is its own."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepaas import __version__
from deepaas.cmd import main as umbrella
from deepaas.cmd.main import Command, main
from deepaas.errors import ConfigurationError
from deepaas.model import discovery
from deepaas.records import ModelSource, SourceKind


@pytest.mark.parametrize(
    "argv", [[], ["nothing"], ["models", "more"], ["--nothing"], ["models", "--model-name=x"]]
)
def test_a_wrong_command_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "usage: deepaas" in capsys.readouterr().err


def test_models_that_cannot_be_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> list[ModelSource]:
        raise ConfigurationError("no list")

    monkeypatch.setattr(discovery, "list_sources", broken)
    assert main(["models"]) == 1
    assert capsys.readouterr().err == "deepaas: no list\n"


def test_the_installed_models(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [
        ModelSource("cat", SourceKind.ENTRY_POINT, "cat.model:Cat", "cat-package", "1.0"),
        ModelSource("dog", SourceKind.ENTRY_POINT, "dog", "dog-package", "2"),
    ]
    monkeypatch.setattr(discovery, "list_sources", lambda: sources)
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert out == "cat\tcat.model:Cat\tcat-package 1.0\ndog\tdog\tdog-package 2\n"


@pytest.mark.parametrize(
    ("argv", "printed"),
    [
        (["--version"], f"deepaas {__version__}\n"),
        (["--help"], "usage: deepaas "),
        (["run", "--help"], "usage: deepaas-run"),
        (["run", "--version"], __version__),
        (["models", "--help"], "usage: deepaas models"),
    ],
)
def test_only_asking(argv: list[str], printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(printed)


def test_the_status_of_a_command_is_handed_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--base-path=x"]) == 2
    assert "base-path is 'x'" in capsys.readouterr().err


def test_the_arguments_of_the_process_are_the_default() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deepaas.cmd.main", "--version"], stdout=subprocess.PIPE, check=True
    )
    assert done.stdout.decode() == f"deepaas {__version__}\n"


@pytest.mark.parametrize("library", ["aiohttp", "marshmallow", "oslo_config"])
def test_listing_models_needs_no_server(library: str) -> None:
    program = (
        "import sys; from deepaas.cmd.main import main; main(['models']);"
        f" sys.exit({library!r} in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=False)
    assert done.returncode == 0


def test_an_extra_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "needs_much.py").write_text("import not_installed_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    command = Command("much", "needs_much", "needs much", extra="tools")
    monkeypatch.setattr(umbrella, "COMMANDS", (command,))
    assert main(["much"]) == 1
    assert capsys.readouterr().err == (
        "deepaas much: 'not_installed_anywhere' is not installed: pip install 'deepaas[tools]'\n"
    )


def test_a_broken_install_is_no_missing_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_us.py").write_text("import deepaas.nothing\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(umbrella, "COMMANDS", (Command("us", "needs_us", "", extra="tools"),))
    with pytest.raises(ModuleNotFoundError, match=r"deepaas\.nothing"):
        main(["us"])


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("/dev/full", "deepaas config: its output cannot be written: No space left on device.\n"),
        ("pipe", ""),
    ],
)
def test_output_that_nobody_takes_is_no_traceback(where: str, said: str) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with open(theirs if where == "pipe" else where, "w") as out:
        argv = [sys.executable, "-m", "deepaas.cmd.main", "config", "show"]
        done = subprocess.run(argv, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, said)


def test_what_a_command_does_not_expect_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faulty.py").write_text("def main(argv):\n    open('/nothing/there')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(umbrella, "COMMANDS", (Command("us", "faulty", ""),))
    with pytest.raises(FileNotFoundError):
        main(["us"])


@pytest.mark.parametrize(("number", "said"), [(errno.EPIPE, ""), (errno.ENOSPC, "cannot be writ")])
def test_output_that_is_closed_is_no_fault_of_its_own(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    said: str,
) -> None:
    (tmp_path / f"closed{number}.py").write_text(
        f"def main(argv):\n    raise OSError({number}, 'so')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(umbrella, "COMMANDS", (Command("us", f"closed{number}", ""),))
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["us"]) == 1
    assert said in capsys.readouterr().err


def test_ctrl_c_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "interrupts.py").write_text("def main(argv):\n    raise KeyboardInterrupt\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(umbrella, "COMMANDS", (Command("slow", "interrupts", ""),))
    assert main(["slow"]) == 130
    assert capsys.readouterr().err == "deepaas slow: interrupted.\n"
