# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Options as existing deployments give them: which wins, and what is found at the start."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from deepaas import __version__
from deepaas.config import (
    CliSettings,
    FetchSettings,
    Settings,
    list_opts,
    load_cli_settings,
    load_predict_settings,
    load_settings,
)
from deepaas.errors import ConfigurationError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the files and variables of whoever runs the tests out of them."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DEEPAAS_V2_MODEL", raising=False)
    return tmp_path


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def refusal(*argv: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(argv)
    return caught.value.message


@pytest.mark.row("C96")
def test_without_anything_the_defaults_are_those_of_version_2() -> None:
    settings = load_settings([])
    assert (settings.listen_ip, settings.listen_port, settings.base_path) == ("127.0.0.1", 5000, "")
    assert (settings.model_names, settings.workers, settings.client_max_bytes) == ((), 1, 0)
    assert settings.warm
    assert settings.predict_endpoint
    assert settings.train_endpoint
    assert settings.doc_endpoint
    assert not settings.debug_endpoint
    assert not settings.listen_early
    assert not settings.log.debug
    assert settings.warnings == ()


# --- what is wrong, and where


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--listen-port", "x"], ["listen_port", "x"]),
        (["--listen-port", "65536"], ["listen_port", "65536"]),
        (["--workers", "-1"], ["workers", "-1"]),
        (["--client-max-size=-1"], ["client_max_size", "-1"]),
        (["--nonsense"], ["--nonsense"]),
        (["stray"], ["stray"]),
        (["--model-name"], ["--model-name", "expected one argument"]),
        (["--config-file"], ["--config-file", "expected one argument"]),
        (["--base-path", "api"], ["base-path", "'api'", "slash"]),
        (["--syslog-log-facility", "LOG_NOWHERE"], ["syslog-log-facility", "LOG_NOWHERE"]),
    ],
)
def test_a_bad_option_is_named_with_its_value(argv: list[str], words: list[str]) -> None:
    message = refusal(*argv)
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[DEFAULT]\nlisten_port = x\n", ["listen_port", "'x'"]),
        ("[DEFAULT]\nworkers = -1\n", ["workers", "'-1'"]),
        ("[DEFAULT]\nwarm = perhaps\n", ["warm", "'perhaps'"]),
        ("[DEFAULT]\nbase_path = api\n", ["base-path", "'api'"]),
        # Not the value: it may be a secret, under a name with a slip of the pen.
        ("[DEFAULT]\nmodle_name = x\n", ["'modle_name'", "'model_name'"]),
        ("[DEFAULT]\nlisten-port = 1\n", ["'listen-port'", "'listen_port'"]),
        ("[DEFAULT]\nnonsense = 1\n", ["'nonsense'"]),
        ("[default]\nworkers = 2\n", ["[default]", "[DEFAULT]"]),
        ("[server]\nworkers = 2\n", ["[server]"]),
        ("workers = 2\n", ["line 1"]),
        ("[DEFAULT]\nworkers\n", ["line 2", "workers"]),
    ],
)
def test_a_bad_file_is_named_with_option_and_value(
    text: str, words: list[str], tmp_path: Path
) -> None:
    file = write(tmp_path / "bad.conf", text)
    message = refusal("--config-file", file)
    # The check of a path's form comes after all files are merged.
    expected = words if "base_path" in text else [file, *words]
    assert [word for word in expected if word not in message] == []


def test_a_bad_value_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_DEFAULT__WORKERS", "many")
    message = refusal()
    assert "OS_DEFAULT__WORKERS" in message
    assert "'many'" in message


def test_the_name_of_a_file_may_be_given_in_short(tmp_path: Path) -> None:
    file = write(tmp_path / "a.conf", "[DEFAULT]\nworkers = 2\n")
    assert load_settings(["--config-f", file]).workers == 2
    with pytest.raises(ConfigurationError, match="ambiguous option: --conf"):
        load_settings(["--conf", file])


def test_a_bad_value_that_another_one_overrides_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "a.conf", "[DEFAULT]\nworkers = many\n")
    monkeypatch.setenv("OS_DEFAULT__WORKERS", "2")
    assert load_settings(["--config-file", file]).workers == 2


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "x.conf"
    if content is not None:
        file.write_bytes(content)
    assert str(file) in refusal("--config-file", str(file))


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "none") in refusal("--config-dir", str(tmp_path / "none"))


@pytest.mark.parametrize("name", ["use_stderr", "default_log_levels"])
def test_an_option_of_version_2_without_meaning_is_a_warning(name: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a.conf", f"[DEFAULT]\n{name} = x\n")
    (warning,) = load_settings(["--config-file", file]).warnings
    assert name in warning


@pytest.mark.row("C98")
def test_openwhisk_is_accepted_where_it_is_not() -> None:
    settings = load_settings(["--openwhisk-detect"])
    assert (settings.openwhisk, settings.listen_port, settings.warnings) == (False, 5000, ())


def test_a_variable_that_sets_nothing_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_DEFAULT__MODLE_NAME", "x")
    assert "OS_DEFAULT__MODLE_NAME" in load_settings([]).warnings[0]


# --- what wins


@pytest.mark.row("C102")
@pytest.mark.parametrize("behind", [False, True])
def test_the_command_line_wins_over_the_environment_and_that_over_files(
    behind: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "[DEFAULT]\nlisten_port = 1001\nworkers = 11\ntrain_workers = 21\nwarm = true\n"
    file = ["--config-file", write(tmp_path / "a.conf", text)]
    monkeypatch.setenv("OS_DEFAULT__LISTEN_PORT", "1002")
    monkeypatch.setenv("OS_DEFAULT__WORKERS", "12")
    given = ["--listen-port=1003", "--nowarm"]
    settings = load_settings([*given, *file] if behind else [*file, *given])
    assert settings.listen_port == 1003
    assert settings.workers == 12
    assert settings.train_workers == 21
    assert not settings.warm


def test_a_value_that_equals_the_default_wins_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_DEFAULT__LISTEN_PORT", "1002")
    monkeypatch.setenv("OS_DEFAULT__WARM", "false")
    settings = load_settings(["--listen-port=5000", "--warm"])
    assert settings.listen_port == 5000
    assert settings.warm


@pytest.mark.row("C101")
def test_the_last_of_an_option_counts() -> None:
    argv = ["--model-name", "a", "--warm", "--model-name", "b,c", "--nowarm"]
    settings = load_settings(argv)
    assert settings.model_names == ("b", "c")
    assert not settings.warm


@pytest.mark.row("C102")
@pytest.mark.parametrize(
    "place",
    [
        ".deepaas/deepaas.conf",
        "deepaas.conf",
        ".deepaas/deepaas-run.conf",
        ".deepaas/deepaas.conf.d/x.conf",
    ],
)
def test_files_are_looked_for_at_home(place: str, tmp_path: Path) -> None:
    write(tmp_path / place, "[DEFAULT]\nworkers = 7\n")
    assert load_settings([]).workers == 7


def test_a_file_that_is_named_replaces_those_that_are_looked_for(tmp_path: Path) -> None:
    write(tmp_path / ".deepaas/deepaas.conf", "[DEFAULT]\nworkers = 7\nlisten_port = 7\n")
    file = write(tmp_path / "mine.conf", "[DEFAULT]\nworkers = 8\n")
    settings = load_settings(["--config-file", file])
    assert (settings.workers, settings.listen_port) == (8, 5000)


def test_later_files_win_and_directories_win_over_files(tmp_path: Path) -> None:
    first = write(tmp_path / "1.conf", "[DEFAULT]\nworkers = 1\nlisten_port = 1\ntrain_workers=1\n")
    second = write(tmp_path / "2.conf", "[DEFAULT]\nlisten_port = 2\ntrain_workers = 2\n")
    write(tmp_path / "d/10.conf", "[DEFAULT]\ntrain_workers = 3\n")
    write(tmp_path / "d/20.conf", "[DEFAULT]\ntrain_workers = 4\n")
    settings = load_settings(
        [f"--config-dir={tmp_path / 'd'}", "--config-file", first, f"--config-file={second}"]
    )
    assert (settings.workers, settings.listen_port, settings.train_workers) == (1, 2, 4)


@pytest.mark.row("C86")
def test_the_variable_of_version_2_names_a_model_where_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPAAS_V2_MODEL", "old")
    assert load_settings([]).model_names == ("old",)
    file = write(tmp_path / "a.conf", "[DEFAULT]\nmodel_name = from_file\n")
    assert load_settings(["--config-file", file]).model_names == ("from_file",)
    assert load_settings(["--model-name", "given"]).model_names == ("given",)


def test_a_value_may_refer_to_another_option(tmp_path: Path) -> None:
    file = write(tmp_path / "a.conf", "[DEFAULT]\nbase_path = /at-$listen_port\n")
    assert load_settings(["--config-file", file, "--listen-port=7"]).base_path == "/at-7"


# --- logging


@pytest.mark.row("C97")
def test_the_log_file_is_named_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings([]).log.file is None
    assert load_settings(["--log-file=a.log"]).log.file == str(tmp_path / "a.log")
    assert load_settings(["--log-dir=/d"]).log.file == "/d/deepaas-run.log"
    assert load_settings(["--log-dir=/d", "--log-file=a"]).log.file == "/d/a"
    assert load_settings(["--log-dir=/d", "--log-file=/e/a"]).log.file == "/e/a"
    assert load_cli_settings(["--log-dir=/d"]).log.file == "/d/deepaas-cli.log"


@pytest.mark.row("C97")
def test_every_option_of_logging_is_accepted() -> None:
    log = load_settings(
        [
            *("-d", "--use-syslog", "--use-journal", "--use-json", "--nouse-json"),
            *("--syslog-log-facility=LOG_LOCAL0", "--log-date-format=%H"),
            "--log-config-append=/x",
        ]
    ).log
    assert (log.debug, log.use_syslog, log.use_journal, log.use_json) == (True, True, True, False)
    assert (log.syslog_facility, log.date_format, log.config_file) == ("local0", "%H", "/x")


@pytest.mark.row("C97")
@pytest.mark.parametrize("load", [load_settings, load_cli_settings])
def test_a_log_file_is_watched_whether_asked_for_or_not(
    load: Callable[[Sequence[str]], object],
) -> None:
    assert load(["--watch-log-file"]) == load(["--nowatch-log-file"]) == load([])


@pytest.mark.row("C97")
@pytest.mark.parametrize("load", [load_settings, load_cli_settings])
@pytest.mark.parametrize("name", ["--log-config-append", "--log-config", "--log_config"])
def test_the_file_that_configures_logging_has_its_old_names(
    name: str, load: Callable[[Sequence[str]], Settings | CliSettings]
) -> None:
    assert load([name, "/x"]).log.config_file == "/x"
    assert load([f"{name}=/x"]).log.config_file == "/x"


# --- the other commands


def test_the_commands_share_their_files(tmp_path: Path) -> None:
    write(
        tmp_path / ".deepaas/deepaas.conf",
        "[DEFAULT]\nmodel_name = m\nworkers = 3\ndeepaas_method_output = /o\n",
    )
    assert load_settings([]).workers == 3
    settings = load_cli_settings([])
    assert (settings.model_names, settings.output) == (("m",), Path("/o"))


def test_an_option_of_another_command_is_no_option() -> None:
    with pytest.raises(ConfigurationError, match="--listen-port"):
        load_cli_settings(["--listen-port=3"])


@pytest.mark.row("C103")
def test_what_the_server_has_set_nothing_for_the_command_line_in_version_2_either() -> None:
    """Scripts pass them all the same."""
    endpoints = ("predict", "train", "doc", "debug")
    flags = [f"--{prefix}{name}-endpoint" for prefix in ("", "no") for name in endpoints]
    argv = ["--workers=3", "-p", "2", "-p2", "--client-max-size", "10", *flags]
    assert load_cli_settings(argv) == load_cli_settings([])
    with pytest.raises(ConfigurationError, match=r"--workers: Invalid Integer.*many"):
        load_cli_settings(["--workers=many"])


@pytest.mark.row("C103")
def test_what_a_file_says_to_the_server_does_not_stop_the_command_line(tmp_path: Path) -> None:
    file = write(tmp_path / "a.conf", "[DEFAULT]\nworkers = many\n")
    assert load_cli_settings(["--config-file", file]).warnings == ()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["-o", "x"], "-i is missing"),
        (["-i", __file__], "-o is missing"),
        (["-i", "/none", "-o", "x"], "no file '/none'"),
        (["-i", "http://127.0.0.1/", "-o", "x"], "no file 'http://127.0.0.1/'"),
        (["--url", "-o", "x"], "-i is missing"),
    ],
)
def test_what_predict_lacks_is_named(argv: list[str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_predict_settings(argv)


@pytest.mark.row("C112")
def test_predict_takes_an_address() -> None:
    settings = load_predict_settings(["-i", "http://a.example/x", "--url", "-o", "x"])
    assert (settings.input_file, settings.is_url) == ("http://a.example/x", True)
    assert settings.fetching == FetchSettings()


@pytest.mark.parametrize("option", ["-c", "-ct", "--content-type"])
def test_the_content_type_has_its_old_spellings(option: str) -> None:
    settings = load_predict_settings(["-i", __file__, "-o", "x", option, "image/png"])
    assert settings.content_type == "image/png"


# --- the sample


def test_the_sample_is_up_to_date(tmp_path: Path) -> None:
    """``make sample`` writes it anew; the generator is oslo.config's, by our entry point."""
    fresh = tmp_path / "sample"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "oslo_config.generator", "--namespace", "deepaas"),
            *("--wrap-width", "79", "--output-file", str(fresh)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert fresh.read_text() == (ROOT / "etc/deepaas.conf.sample").read_text()


def test_the_sample_is_a_file_of_options_and_names_each(tmp_path: Path) -> None:
    sample = (ROOT / "etc/deepaas.conf.sample").read_text()
    lines = [line.removeprefix("#") for line in sample.splitlines() if line[:1] not in "# "]
    assert lines == ["[DEFAULT]"]
    options = [option for _, group in list_opts() for option in group]
    assert [option.dest for option in options if f"\n#{option.dest} =" not in sample] == []
    plain = [
        line[1:] if line.startswith("#") and line[1:2] not in (" ", "") else line
        for line in sample.splitlines()
    ]
    file = write(tmp_path / "all.conf", "\n".join(plain))
    assert load_settings(["--config-file", file]) == load_settings([])


def test_the_version_alone_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts of existing deployments compare it."""
    with pytest.raises(SystemExit) as caught:
        load_settings(["--version"])
    assert not caught.value.code
    assert capsys.readouterr().out == f"{__version__}\n"
