# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Services of OSCAR: the schema of FDL takes them, and they say what the module is."""

import dataclasses
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from deepaas.errors import CheckerMissing, ConfigurationError
from deepaas.export import Deployment, ExportOptions, check, oscar, plan
from deepaas.export.oscar import TARGET
from deepaas.project import Module
from tests.unit.export.modules import ENVIRONMENT, hostile, small
from tests.unit.export.test_tosca import trains

MODULES = (hostile, small, trains)


def deployment_of(module: Module, flavour: str) -> Deployment:
    return plan(module, ExportOptions(flavour=flavour))


def service_of(module: Module, flavour: str) -> dict[str, Any]:
    definition, _ = TARGET.write(deployment_of(module, flavour)).values()
    [cluster] = yaml.safe_load(definition)["functions"]["oscar"]
    service: dict[str, Any] = cluster["oscar-cluster"]
    return service


@pytest.mark.parametrize("flavour", TARGET.flavours)
@pytest.mark.parametrize("module", MODULES, ids=lambda each: each.__name__)
def test_the_schema_and_shellcheck_take_what_is_written(
    tmp_path: Path, flavour: str, module: Any
) -> None:
    deployment = deployment_of(module(), flavour)
    for name, text in TARGET.write(deployment).items():
        (tmp_path / name).write_text(text)
    assert check(TARGET, deployment, tmp_path).faults == ()


@pytest.mark.parametrize("flavour", TARGET.flavours)
def test_a_service_is_what_the_module_says(flavour: str) -> None:
    view = TARGET.read(TARGET.write(deployment_of(hostile(), flavour)))
    assert view.image == hostile().image
    assert view.environment is not None
    assert view.environment.items() >= ENVIRONMENT.items()
    assert view.resources is not None
    assert (view.resources.cpus, view.resources.memory_mb) == (2, 16_000)
    # More than one cannot be said.
    assert view.resources.gpus == 1


def test_an_object_that_comes_in_is_a_call_of_the_function() -> None:
    view = TARGET.read(TARGET.write(deployment_of(hostile(), "event")))
    assert view.command == ("deepaas", "function", f"--model-name={hostile().name}")
    assert view.ports is None
    service = service_of(small(), "event")
    assert service["input"] == [{"storage_provider": "minio.default", "path": "small/inputs"}]
    assert service["output"] == [{"storage_provider": "minio.default", "path": "small/outputs"}]
    assert service["log_level"] == "CRITICAL"


def test_a_service_that_is_exposed_asks_who_calls_and_keeps_its_state() -> None:
    deployment = deployment_of(hostile(), "exposed")
    view = TARGET.read(TARGET.write(deployment))
    assert view.command is not None
    assert view.command[: len(deployment.command)] == deployment.command
    assert view.ports == (5000,)
    assert view.resources is not None
    assert view.resources.storage_mb == 50_000
    service = service_of(small(), "exposed")
    assert service["expose"]["set_auth"] is True
    assert service["expose"]["rewrite_target"] is True
    assert service["expose"]["max_scale"] == 1
    assert service["volume"]["mount_path"] == "/state"


@pytest.mark.parametrize("set_by_oscar", ["/system/services/x/exposed", None])
def test_the_service_knows_where_it_is(tmp_path: Path, set_by_oscar: str | None) -> None:
    """The script hands on the path that OSCAR names, or the one that it has always used."""
    _, script = TARGET.write(deployment_of(hostile(), "exposed")).values()
    (tmp_path / "deepaas-run").write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    (tmp_path / "deepaas-run").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    if set_by_oscar is not None:
        environment["OSCAR_SERVICE_BASE_PATH"] = set_by_oscar
    said = subprocess.run(
        ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stdout
    *words, _ = said.split("\0")
    assert tuple(words[:-3]) == deployment_of(hostile(), "exposed").command[1:]
    base = set_by_oscar or "/system/services/a-home-rm-rf-api/exposed"
    assert words[-3:] == ["--listen-early", "--base-path", base]


@pytest.mark.parametrize("flavour", TARGET.flavours)
@pytest.mark.parametrize("name", ["digits", '"; rm -rf /', "5", "a" * 60, "b-" * 30])
def test_names_are_in_the_alphabet_of_oscar(flavour: str, name: str) -> None:
    module = dataclasses.replace(small(), source=dataclasses.replace(small().source, name=name))
    service = service_of(module, flavour)
    for each in (service["name"], service.get("volume", service)["name"]):
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", each)
        assert len(each) <= 39


def test_two_services_of_a_module_have_two_names() -> None:
    assert service_of(small(), "event")["name"] != service_of(small(), "exposed")["name"]


def test_what_the_schema_does_not_take_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = deployment_of(small(), "event")
    files = TARGET.write(deployment)
    definition, script = files
    (tmp_path / script).write_text(files[script])
    (tmp_path / definition).write_text(files[definition].replace("visibility: private", "cpus: 1"))
    [fault] = check(TARGET, deployment, tmp_path).faults
    assert fault.startswith("oscar-event.yaml: functions.oscar.0.oscar-cluster: ")
    assert "'cpus' was unexpected" in fault
    (tmp_path / definition).write_text("")
    fault, other = check(TARGET, deployment, tmp_path).faults
    assert "None is not of type 'object'" in fault
    assert other.startswith("'oscar-event.yaml' is not built as it was exported: ")

    def missing(*_: object, **__: object) -> Sequence[str]:
        raise CheckerMissing("Not checked.")

    monkeypatch.setattr(oscar, "run_checker", missing)
    (tmp_path / definition).write_text(files[definition])
    assert check(TARGET, deployment, tmp_path).notes == ("Not checked.",)


def test_what_is_no_definition_is_no_traceback() -> None:
    for text in ("a: [\n", "functions: {oscar: []}\n", "functions: {oscar: [{a: {image: 1}}]}\n"):
        with pytest.raises(ConfigurationError, match=r"'oscar-event\.yaml' "):
            TARGET.read({"oscar-event.yaml": text, "oscar-event.sh": ""})
