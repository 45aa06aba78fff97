# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What tells who calls is opened as the options say; what would leave a door open is told."""

from pathlib import Path

import pytest
from multidict import CIMultiDict

from deepaas.auth import Identity, NoSignIn, Policy
from deepaas.auth.keys import make_key
from deepaas.auth.signin import SignIn
from deepaas.config import load_settings
from deepaas.config.sign_in import KEYS_FILE_VARIABLE, KEYS_VARIABLE
from deepaas.errors import ConfigurationError, InvalidCredentials
from deepaas.wiring import open_sign_in

#: Set in existing images; it lets everybody in with flaat.
SWITCH = "DISABLE_AUTHENTICATION_AND_ASSUME_AUTHENTICATED_USER"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (KEYS_VARIABLE, KEYS_FILE_VARIABLE):
        monkeypatch.delenv(name, raising=False)


class Tokens:
    """An issuer that calls everybody ada."""

    async def identify(self, token: str) -> Identity | None:
        return Identity("ada@issuer")


@pytest.mark.parametrize(
    ("address", "is_told"),
    [
        *(("127.0.0.1", False), ("127.9.9.9", False), ("::1", False), ("localhost", False)),
        *(("0.0.0.0", True), ("::", True), ("192.0.2.1", True), ("gpu.example.org", True)),
    ],
)
async def test_where_nobody_signs_in_it_is_told_if_others_reach_it(
    address: str, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load_settings([f"--listen-ip={address}"])
    async with open_sign_in(settings, ["cat"]) as door:
        assert isinstance(door, NoSignIn)
    assert ("NOBODY SIGNS IN" in caplog.text) == is_told
    assert not is_told or "--auth-keys-file" in caplog.text


async def test_keys_of_file_and_environment_sign_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    in_file, in_variable = make_key("a", ["read"]), make_key("b")
    file = tmp_path / "keys"
    file.write_text(in_file[1].line)
    file.chmod(0o600)
    monkeypatch.setenv(KEYS_VARIABLE, f"b {in_variable[0]}")
    settings = load_settings(
        [f"--auth-keys-file={file}", "--allow-predict=cat=key:b", "--listen-ip=0.0.0.0"]
    )
    async with open_sign_in(settings, ["cat"]) as door:
        a = await door.authenticate(CIMultiDict({"X-API-Key": in_file[0]}))
        b = await door.authenticate(CIMultiDict({"X-API-Key": in_variable[0]}))
    assert (a.name, b.name) == ("key:a", "key:b")
    assert a.allowed == {Policy.READ}
    assert b.allowed == frozenset()
    assert b.may(Policy.PREDICT, "cat")
    assert caplog.text == ""


async def test_the_switch_of_a_library_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "yes")
    monkeypatch.setenv(KEYS_VARIABLE, make_key("a")[1].line)
    async with open_sign_in(load_settings([]), ["cat"]) as door:
        assert isinstance(door, SignIn)
        assert (await door.authenticate(CIMultiDict())).allowed == frozenset()
        with pytest.raises(InvalidCredentials):
            await door.authenticate(CIMultiDict({"Authorization": "Bearer x"}))


@pytest.mark.parametrize(
    ("rule", "is_told"), [("", True), ("key:a", True), ("signed-in", False), ("group:g", False)]
)
async def test_an_issuer_without_rules_is_told(
    rule: str, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load_settings([f"--allow-predict={rule}"])
    async with open_sign_in(settings, ["cat"], [Tokens()]) as door:
        ada = await door.authenticate(CIMultiDict(Authorization="Bearer x"))
    assert ada.may(Policy.PREDICT) == (rule == "signed-in")
    assert ("Nobody who signs in through an issuer" in caplog.text) == is_told


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--allow-predict=anonymous", "--allow-jobs=key:a"], "allow-predict, allow-jobs would"),
        (["--allow-predict=everybody"], "allow-predict: 'everybody' is no subject"),
        (["--allow-read=dog=key:a"], "allow-read has a rule for the model 'dog'"),
        (["--auth-keys-file=/nowhere/keys"], "'/nowhere/keys' cannot be read"),
    ],
)
async def test_what_cannot_be_meant_ends_the_start(options: list[str], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        async with open_sign_in(load_settings(options), ["cat"]):
            pass
