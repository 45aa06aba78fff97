# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""``deepaas image check`` looks at images and at services, and says by its status how they are."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from deepaas.cmd.main import main
from deepaas.errors import ConfigurationError
from deepaas.images import running
from tests.service import free_port
from tests.unit.images.stand import (
    CONFIG,
    Reply,
    docker_files,
    image_of,
    layout_files,
    serving,
    write_archive,
    write_folder,
)
from tests.unit.images.test_service import ROUTES, answering


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEEPAAS_URL", "DEEPAAS_TOKEN", "DEEPAAS_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_an_image_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_folder(tmp_path / "layout", layout_files(image_of()))
    assert main(["image", "check", f"oci:{folder}"]) == 0
    out = capsys.readouterr().out
    assert "good  ports: 5000 6006 8888\n" in out
    assert "BAD" not in out
    config = {**CONFIG, "config": {**CONFIG["config"], "User": "root"}}
    archive = write_archive(tmp_path / "x.tar", docker_files(config))
    assert main(["image", "check", "--json", str(archive)]) == 1
    found = {each["check"]: each["is_good"] for each in json.loads(capsys.readouterr().out)}
    assert found.pop("user") is False
    assert all(found.values())


def test_a_service_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = tmp_path / "token"
    token.write_text("t0k3n\n")
    with serving(answering(ROUTES)) as stand:
        assert main(["image", "check", stand.url, f"--token-file={token}", "--tries=1"]) == 0
        assert "good  leaves: prediction" in capsys.readouterr().out
        monkeypatch.setenv("DEEPAAS_TOKEN", "0ther")
        assert main(["image", "check", stand.url, "--input=x=1"]) == 1
        assert "no argument 'x'" in capsys.readouterr().out
    tokens = [each.headers["authorization"] for each in stand.asked]
    assert set(tokens) == {"Bearer t0k3n", "Bearer 0ther"}


@pytest.mark.parametrize(
    "argv",
    [
        ["http://ada:secret@127.0.0.1"],
        ["leaves", "--input=x"],
        ["leaves", "--input=x=@/no/such/file"],
        ["leaves", "--token-file=/no/such/file"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "check", *argv]) == 2
    err = capsys.readouterr().err
    assert err.startswith("deepaas image: ")
    assert "secret" not in err


@pytest.mark.parametrize("tries", ["0", "x", "-1"])
def test_tries_are_counted_from_1(tries: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["image", "check", "leaves", f"--tries={tries}"])
    assert caught.value.code == 2


def test_what_is_no_image_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "check", "Not An Image"]) == 1
    assert "is no reference of an image" in capsys.readouterr().err


def test_running_needs_udocker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_folder(tmp_path / "layout", layout_files(image_of()))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["image", "check", "--run", str(folder)]) == 1
    assert "pip install udocker" in capsys.readouterr().err


#: In the place of udocker, whose images need layers: notes what it is asked for, and serves.
PROGRAM = """\
#!{python}
import os, signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
with open("{folder}/asked", "a") as log:
    print(*sys.argv[1:], file=log)
if os.path.exists("{folder}/fails") and "run" not in sys.argv:
    sys.exit("reading\\nError: no layers")
if "images" in sys.argv and not os.path.exists("{folder}/empty"):
    print(open("{folder}/asked").readline().split()[-1] + ":1.0    P .")
if "run" in sys.argv:
    if child := os.fork():
        os.waitpid(child, 0)
        sys.exit()
    # As the first process of a container: in a session of its own, and deaf.
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(401)
            self.end_headers()
        def log_message(self, *args):
            pass
    HTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    port = free_port()
    path = folder / "udocker"
    path.write_text(PROGRAM.format(python=sys.executable, folder=folder, port=port))
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(running, "API_PORT", port)
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    return folder


def test_an_image_of_an_archive_is_run_and_removed(
    program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = write_archive(tmp_path / "x.tar", layout_files(image_of()))
    assert main(["image", "check", "--run", f"oci-archive:{archive}"]) == 1
    assert "sign in with the variable DEEPAAS_TOKEN" in capsys.readouterr().out
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", running.API_PORT)) != 0  # type: ignore[attr-defined]  # imported
    load, _, create, run, *removed = (program / "asked").read_text().splitlines()
    name = load.rpartition(" ")[2]
    assert load == f"load -i {archive} {name}"
    assert create == f"create --name={name} {name}:1.0"
    assert run == f"run {name}"
    assert removed == [f"rm -f {name}", f"rmi -f {name}:1.0"]


def test_an_image_of_a_registry_is_pulled_and_run(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    with running.running("group/leaves:1.0", None) as url:
        assert url.startswith("http://127.0.0.1:")
    pull, create, *_, removed = (program / "asked").read_text().splitlines()
    name = removed.rpartition(" ")[2]
    assert pull == "--allow-root pull group/leaves:1.0"
    assert create == f"--allow-root create --name={name} group/leaves:1.0"
    assert removed == f"--allow-root rm -f {name}"


def test_an_image_that_udocker_cannot_read_is_told(
    program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = write_archive(tmp_path / "x.tar", layout_files(image_of()))
    (program / "fails").touch()
    assert main(["image", "check", "--run", str(archive)]) == 1
    assert "udocker fails: Error: no layers" in capsys.readouterr().err


def test_an_archive_that_holds_nothing_for_udocker_is_told(
    program: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = write_archive(tmp_path / "x.tar", docker_files())
    (program / "empty").touch()
    assert main(["image", "check", "--run", str(archive)]) == 1
    assert "udocker finds no image" in capsys.readouterr().err


def test_a_process_that_has_gone_is_not_held() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with ExitStack() as stack:
        assert running._handle(gone.pid, stack) is None


def test_a_port_that_is_taken_is_told(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: Reply()) as stand:
        monkeypatch.setattr(running, "API_PORT", int(stand.host.partition(":")[2]))
        with pytest.raises(ConfigurationError, match="is taken"), running.running("x", None):
            pass


def test_what_takes_too_long_is_told(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_LOADS_S", 0)
    with pytest.raises(ConfigurationError, match="longer than 0 s"), running.running("x", None):
        pass
