# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How a server starts, what it says when it cannot, and what it serves of several models."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.integration.harness import MODELS, PATIENCE_S, serve, together
from tests.integration.signals import serve_signalling
from tests.service import free_port


def start(
    tmp_path: Path, *options: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a server that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "deepaas.cmd.run", f"--state-dir={tmp_path / 'state'}", *options],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def install(folder: Path, package: str, version: str, code: str) -> None:
    """Install a package with one model, of the same name, as pip would with ``--target``."""
    (folder / f"{package}.py").write_text(code)
    info = folder / f"{package}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[deepaas.v2.model]\n{package} = {package}\n")


@pytest.fixture
def installed(tmp_path: Path) -> Mapping[str, str]:
    """The environment of a server that finds three installed packages."""
    folder = tmp_path / "packages"
    folder.mkdir()
    install(folder, "well_made", "1.2", "def predict():\n    return 'well'\n")
    install(folder, "also_well", "0.1", "def predict():\n    return 'also'\n")
    install(folder, "ill_made", "3.4", "import well_made\n\nimport a_missing_library\n")
    return {**os.environ, "PYTHONPATH": str(folder)}


@pytest.mark.row("C83", "C86")
def test_an_installed_model_that_cannot_be_loaded_is_left_out_and_readiness_says_so(
    tmp_path: Path, installed: Mapping[str, str]
) -> None:
    with serve("", tmp_path, environment=installed, wait=False) as server:
        server.wait_live()
        names = [model["name"] for model in server.get("/v2/models/").json["models"]]
        assert {"well_made", "also_well"} <= set(names)
        assert "ill_made" not in names
        assert server.predict("well_made").json["predictions"] == "well"
        assert server.predict("also_well").json["predictions"] == "also"
        assert server.predict("ill_made").status == 404
        ready = server.get("/v2/health/ready")
        assert ready.status == 503
        [told] = [model for model in ready.json["models"] if model["reason"]]
        assert told["name"] == "ill_made"
        assert "ill_made 3.4" in told["reason"]
        assert "No module named 'a_missing_library'" in told["reason"]
        assert "import a_missing_library" in server.output()


@pytest.mark.row("C83", "C87", "C101")
def test_a_named_model_that_cannot_be_loaded_ends_the_start_with_the_authors_traceback(
    tmp_path: Path, installed: Mapping[str, str]
) -> None:
    ended = start(
        tmp_path,
        "--model-name=well_made,ill_made",
        f"--listen-port={free_port()}",
        environment=installed,
    )
    assert ended.returncode == 1
    assert "entry point 'ill_made = ill_made' of package ill_made 3.4" in ended.stderr
    assert "ModuleNotFoundError: No module named 'a_missing_library'" in ended.stderr
    assert f'File "{tmp_path / "packages" / "ill_made.py"}", line 3' in ended.stderr
    # The traceback begins with the author's code.
    assert "importlib" not in ended.stderr.partition("Traceback")[2]


@pytest.mark.row("C83")
@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("raises_on_import", "RuntimeError: libcuda is missing"),
        ("killed_in_warm", "signal 9"),
    ],
)
def test_a_model_file_that_cannot_be_loaded_ends_the_start_with_status_1(
    model: str, words: str, tmp_path: Path
) -> None:
    path = MODELS / f"{model}.py"
    ended = start(tmp_path, f"--model-name={path}", f"--listen-port={free_port()}")
    assert ended.returncode == 1
    assert words in ended.stderr
    assert f"file '{path.name}'" in ended.stderr


@pytest.mark.row("C101")
def test_several_models_are_served_at_once_each_by_its_own_workers(tmp_path: Path) -> None:
    models = f"{MODELS}/waits_in_predict.py,{MODELS}/forks_in_predict.py"
    with serve_signalling(models, tmp_path) as (server, signals):
        slow = server.in_background(
            partial(server.predict, "waits_in_predict", call="slow", until="go")
        )
        signals.wait_note("begins slow")
        others = together([partial(server.predict, "forks_in_predict") for _ in range(5)])
        assert [answer.status for answer in others] == [200] * 5
        assert not slow.done()
        signals.allow("go")
        assert slow.result().json["predictions"]["pid"] != others[0].json["predictions"]


def test_a_taken_port_ends_the_start_with_status_3(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = start(tmp_path, f"--model-name={MODELS}/keeps_state.py", f"--listen-port={port}")
    assert ended.returncode == 3
    assert f"cannot listen on 127.0.0.1 port {port}" in ended.stderr
    assert "--listen-port" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.row("C16")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--base-path=x"], "base-path is 'x'; it must start with a slash"),
        (["--no-such-option"], "--no-such-option"),
        (["--model-name=nobody"], "No model named 'nobody' is installed"),
        (["--model-name=/nowhere/model.py"], "'/nowhere/model.py' does not exist"),
    ],
)
def test_an_option_that_cannot_be_used_ends_the_start_with_status_2(
    options: list[str], words: str, tmp_path: Path
) -> None:
    model = [f"--model-name={MODELS}/keeps_state.py"]
    ended = start(tmp_path, *model, f"--listen-port={free_port()}", *options)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.row("C15")
def test_a_base_path_is_before_every_route_and_link(tmp_path: Path) -> None:
    with serve("keeps_state", tmp_path, "--base-path=/x", wait=False) as server:
        server.wait_live(prefix="/x")
        [version] = server.get("/x/").json["versions"]
        assert version["links"][0]["href"] == "/x/v2/"
        answer = server.request("POST", "/x/v2/models/keeps_state/predict/")
        assert answer.status == 501
        assert server.get("/v2/").status == 404
