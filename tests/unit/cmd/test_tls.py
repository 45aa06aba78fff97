# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""HTTPS is served with what the files hold now, or a message says why it is not."""

import logging
import os
import signal
import socket
import ssl
import threading
from pathlib import Path

import pytest

from deepaas.cmd.run import main
from deepaas.cmd.tls import Certificate
from deepaas.config import load_settings
from deepaas.config.guards import TlsSettings
from deepaas.errors import ConfigurationError
from tests.certificates import trusting, write_certificate
from tests.unit.api.guards.serving import LIVE, Place, exchange, request, serving, status_of
from tests.unit.parts import until, wait_for


def files(folder: Path) -> tuple[Path, Path]:
    return folder / "cert.pem", folder / "key.pem"


def made(folder: Path, password: str | None = None) -> Certificate:
    cert, key = files(folder)
    write_certificate(cert, key, password=password)
    return Certificate(TlsSettings(cert, key, password))


async def served(place: Place, tls: ssl.SSLContext, name: str = "localhost") -> int:
    return status_of(await exchange(place, request("GET", LIVE, place.authority), tls, name))


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "[::1]", "::"])
async def test_https_is_served(tmp_path: Path, ip: str) -> None:
    if ":" in ip and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    certificate = made(tmp_path)
    trust = trusting(tmp_path / "cert.pem")
    async with serving(tmp_path, f"--listen-ip={ip}", certificate=certificate) as place:
        assert await served(place._replace(host="::1" if ":" in ip else ip), trust) == 200
        if ip == "::":
            assert await served(place._replace(host="127.0.0.1"), trust) == 200


async def test_who_does_not_speak_it_is_not_answered(tmp_path: Path) -> None:
    certificate = made(tmp_path)
    async with serving(tmp_path, certificate=certificate) as place:
        assert await exchange(place, request("GET", LIVE, place.authority)) == b""
        with pytest.raises(ssl.SSLCertVerificationError):
            await served(place, ssl.create_default_context())


def test_only_what_is_safe_is_spoken(tmp_path: Path) -> None:
    context = made(tmp_path).context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_COMPRESSION
    weak = ("NULL", "RC4", "3DES", "MD5", "EXPORT")
    assert not [
        each["name"] for each in context.get_ciphers() if any(w in each["name"] for w in weak)
    ]


async def test_a_certificate_that_changes_is_served_without_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    certificate = made(tmp_path)
    cert, key = files(tmp_path)
    old = trusting(cert)
    async with serving(tmp_path, certificate=certificate) as place:
        assert not certificate.refresh()
        write_certificate(cert, key)
        assert certificate.refresh()
        with pytest.raises(ssl.SSLCertVerificationError):
            await served(place, old)
        new = trusting(cert)
        assert await served(place, new) == 200
        assert await served(place, new, "127.0.0.1") == 200  # clients send no address as a name
        # What cannot be used changes nothing, and is said once.
        cert.write_text("nothing")
        assert not certificate.refresh()
        assert not certificate.refresh()
        assert await served(place, new) == 200
        cert.unlink()
        assert not certificate.refresh()
        assert await served(place, new) == 200
    said = [each.message for each in caplog.records if "certificate" in each.message]
    assert [text for text in said if "cannot be used" in text and "cert.pem" in text][1:] == []
    assert "which cannot be read: No such file or directory." in said[-1]


async def test_somebody_looks_whether_it_has_changed(tmp_path: Path) -> None:
    certificate = made(tmp_path)
    cert, key = files(tmp_path)
    async with serving(tmp_path, certificate=certificate) as place, certificate.kept_fresh(0.01):
        write_certificate(cert, key)
        trust = trusting(cert)

        async def is_served() -> bool:
            try:
                return await served(place, trust) == 200
            except ssl.SSLCertVerificationError:
                return False

        while not await is_served():
            await until(lambda: True)


def test_certificate_and_key_may_stand_in_one_file(tmp_path: Path) -> None:
    file = tmp_path / "both.pem"
    write_certificate(file, file)
    settings = load_settings([f"--tls-cert={file}"])
    assert settings.guards.tls is not None
    assert isinstance(Certificate(settings.guards.tls).context, ssl.SSLContext)


@pytest.mark.parametrize("way", ["variable", "file"])
def test_the_password_of_the_key_is_in_the_environment(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = files(tmp_path)
    write_certificate(cert, key, password="hunter2")
    if way == "variable":
        monkeypatch.setenv("DEEPAAS_TLS_KEY_PASSWORD", "hunter2")
    else:
        (tmp_path / "password").write_text("hunter2\n")
        monkeypatch.setenv("DEEPAAS_TLS_KEY_PASSWORD_FILE", str(tmp_path / "password"))
    settings = load_settings([f"--tls-cert={cert}", f"--tls-key={key}"])
    assert settings.guards.tls is not None
    assert isinstance(Certificate(settings.guards.tls).context, ssl.SSLContext)
    assert "hunter2" not in repr(settings)


def test_a_file_with_a_password_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPAAS_TLS_KEY_PASSWORD_FILE", "/nowhere")
    with pytest.raises(ConfigurationError, match="DEEPAAS_TLS_KEY_PASSWORD_FILE is '/nowhere'"):
        load_settings([f"--tls-cert={tmp_path}"])


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no certificate", "tls-cert is '.*cert.pem', which cannot be read: No such file"),
        ("no key", "tls-key is '.*key.pem', which cannot be read: No such file"),
        ("a folder", "tls-cert is '.*', which cannot be read: Is a directory"),
        ("garbage", "cert.pem' and the key .* cannot be used: they are not PEM"),
        ("another key", "the key is not that of the certificate"),
        ("a password", "DEEPAAS_TLS_KEY_PASSWORD"),
        ("another password", "DEEPAAS_TLS_KEY_PASSWORD"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, fault: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cert, key = files(tmp_path)
    password = "hunter2" if "password" in fault else None
    write_certificate(cert, key, password=password)
    match fault:
        case "no certificate":
            cert.unlink()
        case "no key":
            key.unlink()
        case "a folder":
            cert = tmp_path
        case "garbage":
            cert.write_bytes(b"\xff nothing")
        case "another key":
            write_certificate(tmp_path / "other.pem", key)
    given = "wrong" if fault == "another password" else None
    with pytest.raises(ConfigurationError, match=message):
        Certificate(TlsSettings(cert, key, given))
    if fault == "no key":
        (tmp_path / "model.py").write_text("def predict(): pass")
        argv = [
            f"--model-name={tmp_path}/model.py",
            "--listen-port=0",
            f"--tls-cert={cert}",
            f"--tls-key={key}",
        ]
        assert main(argv) == 2
        assert "tls-key is" in capsys.readouterr().err


def test_the_command_says_that_it_serves_https(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = tmp_path / "both.pem"
    write_certificate(file, file)
    (tmp_path / "model.py").write_text("def predict(): pass")
    said: list[str] = []

    def stop_when_it_serves() -> None:
        said.append(wait_for(lambda: next((t for t in caplog.messages if "Serving" in t), "")))
        os.kill(os.getpid(), signal.SIGTERM)

    stopping = threading.Thread(target=stop_when_it_serves)
    stopping.start()
    argv = [f"--model-name={tmp_path}/model.py", "--listen-port=0", f"--tls-cert={file}"]
    assert main(argv) == 0
    stopping.join()
    assert said[0].startswith("Serving model at https://127.0.0.1:")
