# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas-run`` serves until it is told to stop, or says why it cannot."""

import asyncio
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deepaas.cmd.run import AddressError, _new_event_loop, bind, main
from deepaas.config import load_settings
from tests.unit.parts import PATIENCE_S, wait_for

MODELS = {
    "run_good": "def predict(): return 1",
    "run_raises": "raise ValueError('not today')",
    "run_warms": "import time\ndef predict(): pass\ndef warm():\n    open('warming', 'w')\n"
    "    time.sleep(600)",
}


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let no file or variable of this machine take part."""
    for name in os.environ:
        if name.startswith("OS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def model(tmp_path: Path, name: str) -> str:
    """Write a model and return the option that names it."""
    path = tmp_path / f"{name}.py"
    path.write_text(MODELS[name])
    return f"--model-name={path}"


# Not at all


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--workers=-1"], "workers"),
        (["--base-path=x"], "base-path is 'x'"),
        (["--model-name=none-such"], "No model named 'none-such' is installed"),
        (["--model-name=/nowhere/x.py"], "/nowhere/x.py"),
    ],
)
def test_a_wrong_option(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("deepaas-run: ")
    assert message in printed


def test_what_cannot_be_pulled_ends_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RCLONE_CONFIG_HERE_TYPE", "local")
    pull = f"--storage-pull=here:{tmp_path}/nothing={tmp_path}/here"
    assert main([model(tmp_path, "run_good"), "--listen-port=0", pull]) == 4
    assert "No such file" in capfd.readouterr().err


def test_a_model_that_cannot_be_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([model(tmp_path, "run_raises"), "--listen-port=0"]) == 1
    printed = capsys.readouterr().err
    assert "ValueError: not today" in printed
    assert "run_raises.py" in printed


@pytest.mark.parametrize("address", ["192.0.2.1", "none.invalid", "x" * 300, "..", "::g"])
def test_an_address_that_is_not_of_this_machine(
    tmp_path: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [model(tmp_path, "run_good"), "--listen-ip", address, "--listen-port=0"]
    assert main(argv) == 3
    assert f"cannot listen on {address} port 0" in capsys.readouterr().err


def test_a_port_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main([model(tmp_path, "run_good"), f"--listen-port={port}"]) == 3
    printed = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in printed
    assert "--listen-port" in printed


def test_a_socket_that_cannot_be_bound_is_closed() -> None:
    settings = load_settings(["--listen-ip=192.0.2.1"])
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(AddressError):
        bind(settings)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.row("C99")
def test_the_port_opens_later(tmp_path: Path) -> None:
    settings = load_settings(["--listen-port=0"])
    with bind(settings) as sock, socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(sock.getsockname())


# Serving


@contextmanager
def serving(tmp_path: Path, name: str, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """Run the command; what it logs can be read from its standard error."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "deepaas.cmd.run"),
            model(tmp_path, name),
            "--listen-port=0",
            *options,
        ],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def url_of(process: "subprocess.Popen[str]") -> tuple[str, int, str]:
    """Wait until it serves, and return where."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"Serving run_good at http://(.*):(\d+)(/.*)\.$", line):
            return found[1], int(found[2]), found[3]
    raise AssertionError("it ended without serving")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_model_that_warms_for_ever_does_not_hold_up_the_end(
    tmp_path: Path, number: signal.Signals
) -> None:
    with serving(tmp_path, "run_warms") as process:
        wait_for((tmp_path / "warming").exists)
        process.send_signal(number)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1"])
def test_it_serves_until_it_is_told_to_stop(tmp_path: Path, ip: str) -> None:
    if ip == "::1" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with serving(tmp_path, "run_good", f"--listen-ip={ip}", "--base-path=/x") as process:
        host, port, path = url_of(process)
        assert (host.strip("[]"), path) == (ip, "/x/")
        connection = http.client.HTTPConnection(ip, port, timeout=PATIENCE_S)
        connection.request("POST", "/x/v2/models/run_good/predict/")
        assert connection.getresponse().read() == b'{"status":"OK","predictions":1}'
        connection.close()
        process.terminate()
        _, logged = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert "Stopping." in logged
        assert "Traceback" not in logged
    assert (tmp_path / "deepaas" / "jobs.sqlite").exists()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_it_can_be_run_from_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And be stopped by a signal."""
    killer = threading.Thread(target=stop_when_serving, args=(tmp_path,))
    killer.start()
    assert main([model(tmp_path, "run_good"), "--listen-port=0"]) == 0
    killer.join()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def stop_when_serving(tmp_path: Path) -> None:
    wait_for((tmp_path / "deepaas" / "jobs").exists)
    os.kill(os.getpid(), signal.SIGTERM)


def test_the_event_loop_is_uvloop_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = _new_event_loop()
    assert type(loop).__module__.startswith("uvloop")
    loop.close()
    monkeypatch.setitem(sys.modules, "uvloop", None)
    loop = _new_event_loop()
    assert isinstance(loop, asyncio.SelectorEventLoop)
    loop.close()
