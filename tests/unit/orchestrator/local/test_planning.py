# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A template says what to run: which program, which model, with which variables."""

from typing import Any

import pytest
import yaml

from deepaas.errors import InvalidDocument
from deepaas.orchestrator.local.endpoints import outputs_of
from deepaas.orchestrator.local.planning import Rules, Template, programs_of
from deepaas.orchestrator.local.records import CannotDeploy, Program, Running

DOCKER = "tosca.nodes.indigo.Container.Application.Docker"
RULES = Rules({"x/model": "mapped", "x/other:gpu": "other"}, frozenset({"MINE"}), ["one", "two"])


def template(nodes: dict[str, Any], **parts: Any) -> Template:
    text = yaml.safe_dump({"topology_template": {"node_templates": nodes}, **parts})
    return Template(text, {})


def application(kind: str = f"{DOCKER}.Marathon", image: Any = "x/model:cpu", **given: Any) -> Any:
    return {"type": kind, "properties": given, "artifacts": {"image": image}}


def program(node: dict[str, Any], **parts: Any) -> Program:
    (made,) = programs_of(
        template({"app": node, "disk": {"type": "tosca.nodes.X"}}, **parts), RULES
    )
    return made


def model_of(made: Program) -> str:
    return next((word for word in made.argv if word.startswith("--model-name=")), "")


def test_a_service_without_a_command_is_deepaas_run() -> None:
    made = program(application(environment_variables={"MINE": 1, "PATH": "/x"}))
    assert (made.is_job, made.port, made.has_address) == (False, 5000, False)
    assert made.environment == {"MINE": "1"}
    assert made.notes == ("The variable PATH is not passed; --pass-variable PATH would do it.",)


@pytest.mark.parametrize(
    ("given", "image", "model"),
    [
        ({"command": "deepaas-run --model-name=one,two"}, "x/model", "one,two"),
        ({"environment_variables": {"DEEPAAS_V2_MODEL": "two"}}, "x/model", "two"),
        ({"environment_variables": {"OS_DEFAULT__MODEL_NAME": "two"}}, "x/model", "two"),
        ({}, {"file": "x/model:cpu"}, "mapped"),
        ({}, "x/other:gpu", "other"),
        ({}, "x/other:cpu", ""),
        ({}, "localhost:5000/x", ""),
        ({}, None, ""),
    ],
)
def test_the_command_names_the_model_or_a_variable_or_the_image(
    given: dict[str, Any], image: Any, model: str
) -> None:
    made = program(application(image=image, **given))
    assert model_of(made) == (f"--model-name={model}" if model else "")
    assert not {"DEEPAAS_V2_MODEL", "OS_DEFAULT__MODEL_NAME"} & set(made.environment)


@pytest.mark.parametrize("model", ["/tmp/evil.py", "./evil.py", "os:system", "one,evil"])
def test_a_template_names_installed_models_only(model: str) -> None:
    with pytest.raises(CannotDeploy, match="is not installed here; installed: one, two"):
        program(application(command=f"deepaas-run --model-name={model}"))
    with pytest.raises(CannotDeploy, match="is not installed here"):
        program(application(environment_variables={"DEEPAAS_V2_MODEL": model}))


def test_a_job_is_one_of_chronos_and_a_service_is_not() -> None:
    assert program(application(f"{DOCKER}.Chronos", command="deepaas-cli train")).is_job
    with pytest.raises(CannotDeploy, match="deepaas-cli serves nothing"):
        program(application(command="deepaas-cli train"))
    with pytest.raises(CannotDeploy, match="deepaas-run does not end"):
        program(application(f"{DOCKER}.Chronos", command="deepaas-run"))


def test_a_type_of_the_template_stands_for_what_it_is_derived_from() -> None:
    types = {"mine.A": {"derived_from": "mine.B"}, "mine.B": {"derived_from": f"{DOCKER}.Chronos"}}
    made = program(application("mine.A", command="deepaas-cli train"), node_types=types)
    assert made.is_job
    loop = {"mine.A": {"derived_from": "mine.A"}}
    with pytest.raises(CannotDeploy, match="No node of the template runs DEEPaaS"):
        program(application("mine.A"), node_types=loop)


def test_a_machine_with_a_container_gets_an_address_and_its_storage() -> None:
    properties = {
        "dockerhub_img": "x/model",
        "rclone_url": "https://x",
        "rclone_user": "u",
        "rclone_password": "p",
    }
    made = program({"type": "tosca.nodes.indigo.DEEPaaScont", "properties": properties})
    assert made.has_address
    assert model_of(made) == "--model-name=mapped"
    assert made.environment == {
        "RCLONE_CONFIG_RSHARE_TYPE": "webdav",
        "RCLONE_CONFIG_RSHARE_URL": "https://x",
        "RCLONE_CONFIG_RSHARE_USER": "u",
        "RCLONE_CONFIG_RSHARE_PASS": "p",
    }


def test_an_application_of_the_infrastructure_manager_names_its_image_in_an_interface() -> None:
    inputs = {"ai4eosc_model_image": "x/model:latest"}
    node = {
        "type": "tosca.nodes.ec3.Application",
        "interfaces": {"Standard": {"configure": {"implementation": "x.yml", "inputs": inputs}}},
    }
    assert model_of(program(node)) == "--model-name=mapped"
    with pytest.raises(CannotDeploy, match="'app' names no image of a model"):
        program({"type": "tosca.nodes.ec3.Application"})


def test_a_job_of_qcg_is_not_run_here() -> None:
    made = template({"job": {"type": "tosca.nodes.indigo.Qcg.Job"}})
    assert made.providers == {"QCG"}
    with pytest.raises(CannotDeploy, match="is a job of QCG"):
        programs_of(made, RULES)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{}", "there is no topology_template"),
        ("topology_template: {node_templates: []}", "node_templates is no mapping"),
        ("topology_template: {node_templates: {a: 1}}", "node_templates.a is no mapping"),
    ],
)
def test_what_is_no_template_is_refused(text: str, fault: str) -> None:
    with pytest.raises(InvalidDocument, match=fault):
        Template(text, {})


def test_variables_that_are_no_mapping_are_refused() -> None:
    with pytest.raises(InvalidDocument, match="environment_variables of the node 'app'"):
        program(application(environment_variables=[1]))


def test_parts_of_a_node_that_are_something_else_are_refused() -> None:
    node = {"type": "tosca.nodes.indigo.DEEPaaScont", "properties": [1]}
    with pytest.raises(InvalidDocument, match="properties of the node 'app' is no mapping"):
        program(node)
    with pytest.raises(CannotDeploy, match="No node of the template runs DEEPaaS"):
        program({"type": {}}, node_types={"{}": {"derived_from": []}})


def test_a_template_without_nodes_runs_nothing() -> None:
    with pytest.raises(CannotDeploy, match="No node of the template runs DEEPaaS"):
        programs_of(Template("topology_template: {}", {}), RULES)


def test_outputs_know_ports_addresses_and_nothing_else() -> None:
    nodes = {
        "app": {**application(), "requirements": [{"host": "docker"}]},
        "docker": {
            "type": "tosca.nodes.indigo.Container.Runtime.Docker",
            "capabilities": {"host": {"properties": {"publish_ports": [1, {"source": 5000}]}}},
        },
    }
    outputs = {
        "port": {"value": {"get_attribute": ["docker", "host", "publish_ports", 0, "target"]}},
        "address": {"value": {"get_attribute": ["docker", "public_address", 0]}},
        "log": {"value": {"get_attribute": ["docker", "ctxt_log"]}},
    }
    text = yaml.safe_dump({"topology_template": {"node_templates": nodes, "outputs": outputs}})
    made = Template(text, {})
    programs = programs_of(made, RULES)
    assert outputs_of(made, programs, [Running("app", 1, "", "127.0.0.1", 4711)]) == {
        "port": 4711,
        "address": "127.0.0.1",
        "log": None,
        "deepaas_endpoint": "http://127.0.0.1:4711",
    }
    alone = template({"app": application()})
    found = outputs_of(alone, programs, [Running("app", 1, "", "127.0.0.1", 4711)])
    assert found == {"deepaas_endpoint": "http://127.0.0.1:4711"}
