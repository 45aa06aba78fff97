# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What ``deepaas export docker`` writes is built for real, and answers."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepaas.cmd.main import main
from deepaas.export import plan
from deepaas.export.dockerfile import can_be_said, pairs, program
from deepaas.project import open_module
from tests.deployment.buildah import Buildah
from tests.integration.harness import Server
from tests.service import MARK, free_port
from tests.unit.export.every_field import HOSTILE

ROOT = Path(__file__).parents[2]
KEYS = "/run/secrets/deepaas_keys"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def test_a_builder_reads_hostile_values_as_they_are(buildah: Buildah, tmp_path: Path) -> None:
    values = {f"V{number}": text for number, text in enumerate(HOSTILE) if can_be_said(text)}
    text = "FROM scratch\n" + pairs("ENV", values) + pairs("LABEL", values)
    text += program("ENTRYPOINT", HOSTILE) + program("CMD", HOSTILE)
    (tmp_path / "Dockerfile").write_text(text, "utf-8")
    buildah.build("localhost/hostile", tmp_path, {})
    made = buildah.configuration("localhost/hostile")
    assert dict(each.split("=", 1) for each in made["Env"]).items() >= values.items()
    assert made["Labels"].items() >= values.items()
    assert made["Entrypoint"] == made["Cmd"] == list(HOSTILE)


def test_the_image_is_what_the_module_says(buildah: Buildah, image: str) -> None:
    made = buildah.configuration(image)
    deployment = plan(open_module("digits"))
    assert tuple(made["Cmd"]) == deployment.command
    assert sorted(made["ExposedPorts"]) == [f"{port}/tcp" for port in deployment.ports]
    environment = dict(each.split("=", 1) for each in made["Env"])
    assert environment.items() >= deployment.environment.items()
    assert made["User"] == "10001"
    assert made["Healthcheck"]["Test"][:2] == ["CMD", "python3"]
    assert list(made["Volumes"]) == ["/state"]


@pytest.fixture(scope="module")
def container(buildah: Buildah, image: str) -> Iterator[str]:
    name = buildah("from", image)
    yield name
    buildah("rm", name)


def run(buildah: Buildah, container: str, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        buildah.in_container(container, command),
        env=buildah.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_nothing_is_served_without_keys(buildah: Buildah, image: str, container: str) -> None:
    done = run(buildah, container, *buildah.configuration(image)["Cmd"])
    assert done.returncode != 0
    assert f"The file of keys '{KEYS}' cannot be read" in done.stderr


def test_the_container_predicts(
    buildah: Buildah, image: str, container: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = buildah.configuration(image)
    keys = tmp_path / "keys"
    assert main(["keys", "create", "--name=ada", "--role=predict", f"--file={keys}"]) == 0
    key = capsys.readouterr().out.strip()
    keys.chmod(0o644)
    port = free_port()
    # The network is this machine's, where 5000 may be taken.
    command = [str(port) if word == "5000" else word for word in made["Cmd"]]
    probe = made["Healthcheck"]["Test"][1:]
    probe[-1] = probe[-1].replace(":5000/", f":{port}/")
    mark = "served-in-a-container"
    with Server(
        buildah.in_container(
            container, command, "--volume", f"{keys}:{KEYS}:ro", "--env", f"{MARK}={mark}"
        ),
        port=port,
        folder=tmp_path,
        environment=buildah.environment,
        log=tmp_path / "log",
    ) as server:
        server.wait_ready(limit_s=120)
        picture = (ROOT / "examples" / "digits" / "samples" / "7.png").read_bytes()
        path, files = "/v2/models/digits/predict/", [("data", "7.png", picture)]
        assert server.upload(path, files).status == 401
        answer = server.upload(path, files, headers={"X-API-Key": key})
        assert answer.status == 200
        assert answer.json["predictions"]["digit"] == 7
        assert run(buildah, container, *probe).returncode == 0
        left = server.interrupt(limit_s=30)
    assert left == []
    assert run(buildah, container, *probe).returncode != 0
