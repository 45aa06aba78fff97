# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The address and the token come from the command line, a file or the environment."""

from pathlib import Path

import pytest

from deepaas.config.client import DEFAULT_URL, ClientSettings, load_client_settings
from deepaas.errors import ConfigurationError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEEPAAS_URL", "DEEPAAS_TOKEN", "DEEPAAS_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_client_settings(None, None) == ClientSettings(DEFAULT_URL, None)
    monkeypatch.setenv("DEEPAAS_URL", "https://models.example/base/")
    assert load_client_settings(None, None).url == "https://models.example/base"
    assert load_client_settings("http://[::1]:80", None).url == "http://[::1]:80"
    monkeypatch.setenv("DEEPAAS_URL", "")
    assert load_client_settings(None, None).url == DEFAULT_URL


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:5000",
        "ftp://x",
        "http://",
        "http://x:0",
        "http://x:y",
        "http://x?a",
        "http://[x",
        "http://x#a",
        "http://x/a b",
        "http://x/\n",
    ],
)
def test_what_is_no_address_is_named(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_client_settings(url, None)
    assert caught.value.message.startswith(f"--url is {url!r}; it must be")


def test_a_password_in_the_address_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEEPAAS_URL", "http://me:secret@x")
    with pytest.raises(ConfigurationError) as caught:
        load_client_settings(None, None)
    assert "secret" not in caught.value.message
    assert "DEEPAAS_URL" in caught.value.message


def test_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("first\n")
    two.write_text(" second ")
    monkeypatch.setenv("DEEPAAS_TOKEN_FILE", str(two))
    settings = load_client_settings(None, None)
    assert settings.token == "second"
    assert "second" not in repr(settings)
    monkeypatch.setenv("DEEPAAS_TOKEN", "third")
    assert load_client_settings(None, None).token == "third"
    assert load_client_settings(None, str(one)).token == "first"


@pytest.mark.parametrize("content", [None, b"", b"hush\nhush", b"\xff", "ä".encode()])
def test_a_token_that_is_none(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_client_settings(None, str(file))
    assert caught.value.message.startswith(f"--token-file: {str(file)!r} ")
    assert "hush\nhush" not in caught.value.message
    assert len(caught.value.message.splitlines()) == 1
