# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Batch scripts: shellcheck takes them, and they say what the module is, whatever stands in it."""

import dataclasses
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import ConfigurationError
from deepaas.export import Deployment, ExportOptions, check, plan
from deepaas.export.slurm import TARGET
from deepaas.project import Module, Resources
from tests.unit.export.modules import hostile, small
from tests.unit.export.test_tosca import trains

#: Each with what it can do.
CASES = [
    (module, flavour)
    for module in (hostile, small, trains)
    for flavour in TARGET.flavours
    if flavour != "train" or module is not small
]


def deployment_of(module: Module, flavour: str) -> Deployment:
    return plan(module, ExportOptions(flavour=flavour))


def script_of(module: Module, flavour: str) -> str:
    [text] = TARGET.write(deployment_of(module, flavour)).values()
    return text


@pytest.mark.parametrize(("module", "flavour"), CASES)
def test_bash_and_shellcheck_take_what_is_written(
    tmp_path: Path, module: Any, flavour: str
) -> None:
    deployment = deployment_of(module(), flavour)
    for name, text in TARGET.write(deployment).items():
        (tmp_path / name).write_text(text)
    assert check(TARGET, deployment, tmp_path).faults == ()


@pytest.mark.parametrize("flavour", TARGET.flavours)
def test_a_job_is_what_the_module_says(flavour: str) -> None:
    deployment = deployment_of(hostile(), flavour)
    view = TARGET.read(TARGET.write(deployment))
    assert view.image == hostile().image
    assert view.environment == deployment.environment
    assert view.resources == Resources(cpus=2, gpus=3, memory_mb=16_000)
    assert view.command is not None
    assert f"--model-name={hostile().name}" in view.command


def test_bash_reads_what_was_written() -> None:
    """The hostile texts are the same ones for the shell itself."""
    deployment = deployment_of(hostile(), "serve")
    [text] = TARGET.write(deployment).values()
    head = text[: text.index("# From here on")]
    show = 'printf "%s\\0" "$name" "$image" "${environment[@]}" "${command[@]}"'
    said = subprocess.run(["bash", "-c", head + show], capture_output=True, check=True).stdout
    variables = [f"--env={key}={value}" for key, value in deployment.environment.items()]
    command = TARGET.read({"a": text}).command
    assert command is not None
    words = ["a-home-rm-rf", deployment.image, *variables, *command]
    assert said.decode().split("\0")[:-1] == words


@pytest.mark.parametrize("megabytes", [1, 1000, 4000, 16_001, 999_999])
def test_slurm_gives_the_memory_that_the_module_needs(megabytes: int) -> None:
    resources = Resources(memory_mb=megabytes)
    files = TARGET.write(deployment_of(dataclasses.replace(small(), resources=resources), "serve"))
    [text] = files.values()
    found = re.search(r"^#SBATCH --mem=(\d+)K$", text, re.MULTILINE)
    assert found is not None
    assert megabytes * 1_000_000 <= int(found[1]) * 1024 < megabytes * 1_000_000 + 1024
    assert TARGET.read(files).resources == resources


def test_a_gpu_is_asked_for_only_where_it_is_needed() -> None:
    assert "--gres" not in script_of(small(), "serve")
    assert "#SBATCH --gres=gpu:3\n" in script_of(hostile(), "serve")


def test_what_each_job_runs() -> None:
    def run_by(flavour: str) -> list[str]:
        command = TARGET.read({"a": script_of(trains(), flavour)}).command
        assert command is not None
        return [each for each in command if not each.startswith("--")]

    assert run_by("train") == ["deepaas-cli", "/state/artifacts", "/state/result.json", "train"]
    assert run_by("predict") == ["deepaas", "function", "/state/predictions"]
    assert run_by("serve") == ["deepaas-run", "/state/deepaas"]


def test_a_service_asks_for_keys_and_listens_on_loopback() -> None:
    text = script_of(small(), "serve")
    assert "--listen-ip 127.0.0.1" in text
    assert "0.0.0.0" not in text
    assert '--auth-keys-file "/keys/$(basename -- "$keys")"' in text


def test_a_model_that_does_not_train_is_no_training() -> None:
    with pytest.raises(ConfigurationError, match=r"'small' has no train.*'train' is for trainings"):
        script_of(small(), "train")


def test_directives_end_where_slurm_stops_reading() -> None:
    """A text with a line like a directive changes nothing."""
    settings = dataclasses.replace(small().settings, environment={"A": "\n#SBATCH --mem=1K\n"})
    text = script_of(dataclasses.replace(small(), settings=settings), "serve")
    view = TARGET.read({"a": text})
    assert view.resources == small().resources
    assert view.environment is not None
    assert view.environment["A"] == "\n#SBATCH --mem=1K\n"


def test_what_no_longer_fits_is_named(tmp_path: Path) -> None:
    deployment = deployment_of(small(), "serve")
    [[name, text]] = TARGET.write(deployment).items()
    (tmp_path / name).write_text(text.replace("--cpus-per-task=1", "--cpus-per-task=2"))
    assert check(TARGET, deployment, tmp_path).faults == (
        "resources.cpus: the files say 2, the module 1",
    )
    (tmp_path / name).write_text(f"{text}if\n")
    assert check(TARGET, deployment, tmp_path).faults[0].startswith("bash: ")


def test_what_is_no_script_of_ours_is_no_traceback() -> None:
    for text in ("", "#SBATCH --mem=1K\n", "name='\n"):
        with pytest.raises(ConfigurationError, match="'a' is not built as it was exported"):
            TARGET.read({"a": text})
