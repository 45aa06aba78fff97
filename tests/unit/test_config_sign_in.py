# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Where keys are is said by option or by environment, and nothing shows one."""

from pathlib import Path

import pytest

from deepaas.config import load_settings
from deepaas.config.sign_in import KEYS_FILE_VARIABLE, KEYS_VARIABLE
from deepaas.errors import ConfigurationError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (KEYS_VARIABLE, KEYS_FILE_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def test_nothing_is_said() -> None:
    found = load_settings([]).sign_in
    assert (found.keys_file, found.keys, found.allow) == (None, "", {})


def test_a_container_is_given_keys_or_a_file_of_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(KEYS_FILE_VARIABLE, "~/keys")
    monkeypatch.setenv(KEYS_VARIABLE, "a hunter2")
    settings = load_settings([])
    assert settings.sign_in.keys_file == tmp_path / "keys"
    assert settings.sign_in.keys == "a hunter2"
    assert "hunter2" not in repr(settings)
    assert load_settings(["--auth-keys-file=/x"]).sign_in.keys_file == Path("/x")


def test_a_file_that_an_image_names_can_be_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEYS_FILE_VARIABLE, "/dev/null")
    monkeypatch.setenv(KEYS_VARIABLE, "a hunter2")
    found = load_settings([]).sign_in
    assert (found.keys_file, found.keys) == (None, "a hunter2")


def test_a_home_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="auth-keys-file is '~nobody-here/x'"):
        load_settings(["--auth-keys-file=~nobody-here/x"])
    monkeypatch.setenv(KEYS_FILE_VARIABLE, "~nobody-here/x")
    with pytest.raises(ConfigurationError, match="DEEPAAS_API_KEYS_FILE is '~nobody-here/x'"):
        load_settings([])


@pytest.mark.parametrize("name", [KEYS_VARIABLE, KEYS_FILE_VARIABLE])
@pytest.mark.parametrize("text", ["", " \n"])
def test_a_secret_that_did_not_arrive_opens_nothing(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(ConfigurationError, match=f"{name} is set and empty"):
        load_settings([])
