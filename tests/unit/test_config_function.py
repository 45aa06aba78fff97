# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The options of ``deepaas function``, and those that tell of OpenWhisk."""

from pathlib import Path

import pytest

from deepaas.config import FUNCTION_OPTIONS, load_function_settings, load_settings
from deepaas.errors import ConfigurationError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("TMP_OUTPUT_DIR", "FLASK_PROXY_PORT", "__OW_API_HOST", "__OW_ACTION_NAME"):
        monkeypatch.delenv(name, raising=False)


def test_nothing_has_to_be_said() -> None:
    settings = load_function_settings([])
    assert (settings.event, settings.input, settings.output_dir) == (None, None, None)
    assert (settings.method, settings.archives, settings.content_type) == ("predict", "auto", None)
    assert settings.max_unpacked_bytes == 2 * 1000**3


def test_what_is_said_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMP_OUTPUT_DIR", "/from/environment")
    assert load_function_settings([]).output_dir == Path("/from/environment")
    settings = load_function_settings(["-o", "/given", "-i", "x", "--max-unpacked=0"])
    assert (settings.output_dir, settings.input) == (Path("/given"), Path("x").absolute())
    assert settings.max_unpacked_bytes == 0


@pytest.mark.parametrize(
    "option", ["--method=evaluate", "--archives=all", "--max-unpacked=much", "--nothing"]
)
def test_a_wrong_option_is_named(option: str) -> None:
    with pytest.raises(ConfigurationError, match=option[2:].partition("=")[0]):
        load_function_settings([option])


def test_every_option_says_what_it_does() -> None:
    assert all(option.help and option.help.endswith(".") for option in FUNCTION_OPTIONS)


@pytest.mark.parametrize("variable", ["__OW_API_HOST", "__OW_ACTION_NAME"])
def test_openwhisk_is_listened_to_where_it_is(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "x")
    assert load_settings(["--listen-port=5001"]).listen_port == 5001
    settings = load_settings(["--openwhisk-detect", "--listen-port=5001"])
    assert (settings.openwhisk, settings.listen_ip, settings.listen_port) == (True, "0.0.0.0", 8080)
    monkeypatch.setenv("FLASK_PROXY_PORT", "8081")
    assert load_settings(["--openwhisk-detect"]).listen_port == 8081


def test_openwhisk_needs_a_port_and_no_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("__OW_API_HOST", "x")
    for port in ("http", "70000", "²"):
        monkeypatch.setenv("FLASK_PROXY_PORT", port)
        with pytest.raises(ConfigurationError, match=f"FLASK_PROXY_PORT is '{port}'"):
            load_settings(["--openwhisk-detect"])
    with pytest.raises(ConfigurationError, match="leave tls-cert out"):
        load_settings(["--openwhisk-detect", "--tls-cert=/x"])
