# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Templates of TOSCA: tosca-parser takes them, and they say what the module is."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from deepaas.errors import ConfigurationError
from deepaas.export import ExportOptions, View, check, plan
from deepaas.export.tosca import TARGET
from deepaas.project import Module, Package, Resources
from deepaas.tosca.documents import Document, parse_document
from deepaas.tosca.inputs import declared_inputs
from tests.unit.export.modules import ENVIRONMENT, hostile, small


def trains() -> Module:
    """Return a small module that trains, and whose package is of an odd version."""
    description = dataclasses.replace(small().description, can_train=True)
    package = Package(name="trains", version="v3", authors=("Ada", "Bob"))
    return dataclasses.replace(small(), description=description, package=package)


#: One for GPUs with hostile texts, a small one, and one that trains.
MODULES = (hostile, small, trains)
CONTAINERS = ("marathon", "chronos")
MACHINES = ("vm", "im")


def text_of(module: Module, flavour: str) -> str:
    [text] = TARGET.write(plan(module, ExportOptions(flavour=flavour))).values()
    return text


def document_of(module: Module, flavour: str) -> Document:
    return parse_document(text_of(module, flavour), flavour)


def view_of(module: Module, flavour: str) -> View:
    return TARGET.read({flavour: text_of(module, flavour)})


def inputs_of(flavour: str, module: Module) -> dict[str, Any]:
    return {each.name: each for each in declared_inputs(document_of(module, flavour))}


@pytest.mark.parametrize(
    ("module", "flavour"),
    [
        (module, flavour)
        for module in MODULES
        for flavour in TARGET.flavours
        if flavour != "chronos" or module is not small  # which does not train
    ],
)
def test_tosca_parser_takes_what_is_written(tmp_path: Path, module: Any, flavour: str) -> None:
    deployment = plan(module(), ExportOptions(flavour=flavour))
    for name, text in TARGET.write(deployment).items():
        (tmp_path / name).write_text(text)
    assert check(TARGET, deployment, tmp_path).faults == ()


@pytest.mark.parametrize("flavour", CONTAINERS)
def test_a_container_is_what_the_module_says(flavour: str) -> None:
    view = view_of(hostile(), flavour)
    assert view.image == hostile().image
    assert view.resources == Resources(2, 3, 16_000, 50_000)
    assert view.environment is not None
    assert view.environment.items() >= ENVIRONMENT.items()


def test_a_service_runs_the_command_of_every_target() -> None:
    view = view_of(hostile(), "marathon")
    assert view.command == plan(hostile()).command
    assert view.ports == (5000, 6006, 8888)


def test_a_job_trains_and_leaves_all_on_the_volume() -> None:
    command = view_of(trains(), "chronos").command
    assert command is not None
    assert command[0] == "deepaas-cli"
    assert command[-1] == "train"
    assert [each for each in command if each.startswith("/")] == [
        "/state/artifacts",
        "/state/result.json",
    ]


def test_a_model_that_does_not_train_is_no_job() -> None:
    with pytest.raises(ConfigurationError, match="'small' has no train"):
        text_of(small(), "chronos")


@pytest.mark.parametrize(("flavour", "port"), [("vm", 5000), ("im", 443)])
def test_a_machine_is_what_the_module_says(flavour: str, port: int) -> None:
    view = view_of(hostile(), flavour)
    assert view.image == hostile().image
    assert view.resources == Resources(2, 3, 16_000, 50_000)
    assert view.ports is not None
    assert port in view.ports


@pytest.mark.parametrize("flavour", MACHINES)
def test_nobody_else_may_call_a_machine_unless_who_deploys_says_so(flavour: str) -> None:
    assert inputs_of(flavour, small())["allowed_network"].default == "127.0.0.1/32"
    document = document_of(small(), flavour)
    text = str(document.at("topology_template", "node_templates"))
    assert "'remote_cidr': {'get_input': 'allowed_network'}" in text


def test_callers_of_a_service_sign_in() -> None:
    inputs = inputs_of("marathon", small())
    assert inputs["deepaas_api_keys"].is_required
    assert not inputs["deepaas_api_keys"].has_default
    assert inputs["flaat_disable"].default == "no"
    properties = document_of(small(), "marathon").at(
        "topology_template", "node_templates", "marathon", "properties"
    )
    variables = properties["environment_variables"]
    assert variables["DEEPAAS_API_KEYS"] == {"get_input": "deepaas_api_keys"}
    # The image names a file, which nothing mounts here.
    assert variables["DEEPAAS_API_KEYS_FILE"] == "/dev/null"


def test_platforms_find_the_inputs_that_they_fill_in() -> None:
    common = {"docker_image", "num_cpus", "num_gpus", "mem_size", "run_command"}
    common |= {f"rclone_{part}" for part in ("conf", "url", "vendor", "user", "password")}
    inputs = inputs_of("marathon", small())
    assert inputs.keys() >= common | {"docker_privileged", "jupyter_password", "flaat_disable"}
    assert inputs_of("chronos", trains()).keys() >= common
    assert inputs_of("vm", small()).keys() >= {"dockerhub_img", "cpus", "mem", "rclone_password"}
    assert inputs_of("im", small()).keys() >= {"ai4eosc_model_image", "ai4eosc_gpu_support"}


@pytest.mark.parametrize("flavour", TARGET.flavours)
def test_no_secret_has_a_value(flavour: str) -> None:
    for name, each in inputs_of(flavour, hostile()).items():
        if "password" in name or "keys" in name:
            assert not each.default
        if name == "rclone_password":
            assert "OBSCURED" in each.description
    assert "hunter2" not in text_of(hostile(), flavour)


def test_literals_have_the_types_of_their_inputs() -> None:
    for flavour, kinds in {"marathon": float, "im": int}.items():
        inputs = inputs_of(flavour, small())
        assert isinstance(inputs["num_cpus"].default, kinds)
        assert inputs["mem_size"].default == "4000 MB"
        assert "disk_size" not in inputs


def test_a_variable_of_the_module_is_the_default_of_its_input() -> None:
    settings = dataclasses.replace(
        small().settings, environment={"RCLONE_CONFIG_RSHARE_VENDOR": "owncloud"}
    )
    module = dataclasses.replace(small(), settings=settings)
    assert inputs_of("marathon", module)["rclone_vendor"].default == "owncloud"


@pytest.mark.parametrize("flavour", TARGET.flavours)
def test_types_come_from_where_it_is_said(flavour: str, tmp_path: Path) -> None:
    for types in (None, "https://types.example.org/deepaas_im_types.yaml", "own.yaml"):
        deployment = plan(trains(), ExportOptions(flavour=flavour, types=types))
        [[name, text]] = TARGET.write(deployment).items()
        (tmp_path / name).write_text(text)
        [[kind, address]] = parse_document(text, name).at("imports", 0).items()
        assert kind == ("grycap_custom_types" if flavour == "im" else "indigo_custom_types")
        assert address == types or (types is None and address.startswith("https://raw."))
        assert check(TARGET, deployment, tmp_path).faults == ()


def test_state_is_on_a_volume_that_who_deploys_may_choose() -> None:
    volume = inputs_of("marathon", small())["state_volume"].default
    assert volume == "deepaas-small:/state:rw:dvdi:rexray"


@pytest.mark.parametrize(
    ("module", "version", "author"),
    [(hostile, "1.0", None), (small, "1.0", "unknown"), (trains, "0", "Ada, Bob")],
)
def test_an_archive_can_be_made_of_it(module: Any, version: str, author: str | None) -> None:
    metadata = document_of(module(), "marathon").at("metadata")
    assert re.fullmatch(r"[a-z0-9-]+", metadata["template_name"])
    assert metadata["template_version"] == version
    assert metadata["template_author"] == (author or ", ".join(hostile().package.authors))
    assert metadata["display_name"] == module().title


@pytest.mark.parametrize("flavour", TARGET.flavours)
def test_nodes_have_names_that_marathon_and_alien4cloud_take(flavour: str) -> None:
    topology = document_of(trains(), flavour).at("topology_template")
    for name, node in topology["node_templates"].items():
        assert re.fullmatch(r"[a-z0-9_]+", name)
        if node["type"].endswith("Marathon"):
            assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)


def test_the_endpoint_is_an_output_of_every_service() -> None:
    for flavour in ("marathon", *MACHINES):
        assert "deepaas_endpoint" in document_of(small(), flavour).at(
            "topology_template", "outputs"
        )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [\n", "t:2: "),
        ("a: 1\n", "t:1: it has no nodes"),
        ("topology_template: {node_templates: []}\n", "t:1: it has no nodes"),
        ("topology_template: {inputs: 1, node_templates: {}}\n", "inputs must be a mapping"),
        (
            "topology_template: {node_templates: {a: {capabilities: {host: {properties:"
            " {publish_ports: [1]}}}}}}\n",
            "'t' is not built as it was exported: TypeError",
        ),
    ],
)
def test_what_is_no_template_is_no_traceback(text: str, fault: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        TARGET.read({"t": text})
    assert fault in raised.value.message


def test_what_no_longer_fits_is_named(tmp_path: Path) -> None:
    deployment = plan(small(), ExportOptions(flavour="marathon"))
    [[name, text]] = TARGET.write(deployment).items()
    changed = text.replace("4000 MB", "4 GiB").replace(small().image, "small:9")
    (tmp_path / name).write_text(changed)
    assert check(TARGET, deployment, tmp_path).faults == (
        f'image: the files say "small:9", the module "{small().image}"',
        "resources.memory_mb: the files say 4294, the module 4000",
    )
    (tmp_path / name).write_text(text.replace("default: 1.0", "default: one"))
    faults = check(TARGET, deployment, tmp_path).faults
    assert any(fault.startswith(f"{tmp_path / name}:") for fault in faults)
