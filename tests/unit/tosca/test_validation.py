# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A template is checked without a network, and a fault says where it stands."""

import logging
import socket
from pathlib import Path

import pytest

from deepaas.tosca.validation import validate_file, validate_text

TEMPLATE = """\
tosca_definitions_version: tosca_simple_yaml_1_0
imports:
  - indigo_custom_types: https://raw.githubusercontent.com/indigo-dc/tosca-types/master/custom_types.yaml
metadata: {template_name: m, template_version: 1.0.0, template_author: a}
topology_template:
  inputs:
    command: {type: string, default: deepaas-run}
    instances: {type: integer, default: 1}
  node_templates:
    Docker:
      type: tosca.nodes.indigo.Container.Runtime.Docker
      capabilities:
        host:
          properties: {num_cpus: 1.0, mem_size: 2 GB}
        scalable:
          properties: {min_instances: {get_input: instances}}
    marathon:
      type: tosca.nodes.indigo.Container.Application.Docker.Marathon
      properties:
        command: {get_input: command}
      requirements:
        - host: Docker
"""


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("it asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_a_valid_template_has_no_fault() -> None:
    assert validate_text(TEMPLATE) == ()


def test_the_types_of_the_infrastructure_manager_are_known() -> None:
    text = """\
tosca_definitions_version: tosca_simple_yaml_1_0
imports: [{grycap_custom_types: {file: https://example.org/grycap/tosca/main/custom_types.yaml}}]
topology_template:
  node_templates:
    node: {type: tosca.nodes.indigo.Compute, capabilities: {os: {properties: {type: linux}}}}
"""
    assert validate_text(text) == ()


@pytest.mark.parametrize(
    ("before", "after", "place", "said"),
    [
        ("get_input: command", "get_input: nothing", 20, 'Unknown input "nothing"'),
        ("Runtime.Docker", "Runtime.Dock", 11, "is not a valid type"),
        ("- host: Docker", "- host: Dock", 17, 'Node template "Dock" was not found'),
        ("num_cpus: 1.0", "num_cpus: x", 14, '"x" is not a float'),
        ("tosca_simple_yaml_1_0", "tosca_2_0", 1, 'template version "tosca_2_0" is invalid'),
        ("topology_template:", "topology:", 5, 'unknown field "topology"'),
        ("topology_template:", "topology_template: 3\nx:", 5, "is no mapping"),
        ("  node_templates:", "  node_templates: 3\n  x:", 1, "cannot be understood"),
        ("metadata:", "imports: 1\nx:", 4, "the key 'imports' stands in line 2 already"),
        ("min_instances: {get_input: instances}", "default_instances: a", 1, "understood"),
        (
            "min_instances: {get_input: instances}",
            "min_instances: 1, default_instances: 3, max_instances: 2",
            10,
            "is not between",
        ),
    ],
)
def test_a_fault_says_where_it_stands(before: str, after: str, place: int, said: str) -> None:
    faults = validate_text(TEMPLATE.replace(before, after, 1), "t.yml")
    assert f"t.yml:{place}" in [each.place for each in faults if said in str(each)], faults


@pytest.mark.parametrize(
    "numbers", ["{}", "{default_instances: 2}", "{max_instances: {get_input: instances}}"]
)
def test_numbers_of_instances_may_be_functions_or_left_out(numbers: str) -> None:
    assert validate_text(TEMPLATE.replace("{min_instances: {get_input: instances}}", numbers)) == ()


def test_the_lines_of_faults() -> None:
    (fault,) = validate_text(TEMPLATE.replace("get_input: command", "get_input: nothing"), "t.yml")
    assert fault.place == "t.yml:20"
    (fault,) = validate_text(TEMPLATE.replace("- host: Docker", "- host: Dock"), "t.yml")
    assert fault.place == "t.yml:17"
    fault = validate_text(TEMPLATE.replace("  command: {get", "  comand: {get"), "t.yml")[-1]
    assert fault.place == "t.yml:20"


def test_tosca_parser_keeps_quiet(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("tosca").setLevel(logging.NOTSET)
    with caplog.at_level(logging.DEBUG):
        validate_text(TEMPLATE.replace(", default: deepaas-run", ""))
    assert caplog.records == []
    assert logging.getLogger("tosca").level == logging.NOTSET


OWN = """\
tosca_definitions_version: tosca_simple_yaml_1_0
imports: [more/base.yaml]
node_types:
  own.Node: {derived_from: own.Base}
"""
BASE = """\
tosca_definitions_version: tosca_simple_yaml_1_0
imports: [../own.yaml]
node_types:
  own.Base: {derived_from: tosca.nodes.Root, properties: {size: {type: integer}}}
"""
USES = """\
tosca_definitions_version: tosca_simple_yaml_1_0
imports: [own.yaml]
topology_template: {node_templates: {n: {type: own.Node, properties: {size: 1}}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in" / "more").mkdir(parents=True)
    (tmp_path / "in" / "own.yaml").write_text(OWN)
    (tmp_path / "in" / "more" / "base.yaml").write_text(BASE)
    (tmp_path / "out.yaml").write_text(OWN)
    return tmp_path / "in"


def test_files_beside_a_template_are_imported_also_in_a_circle(folder: Path) -> None:
    file = folder / "t.yaml"
    file.write_text(USES)
    assert validate_file(file) == ()
    file.write_text(USES.replace("[own.yaml]", "[{file: own.yaml}, {own: {file: own.yaml}}]"))
    assert validate_file(file) == ()


@pytest.mark.parametrize(
    ("imports", "said"),
    [
        ("[../out.yaml]", "lies outside of the template's folder"),
        ("[nothing.yaml]", "put the file beside the template"),
        ("['https://example.org/types.yaml']", "'https://example.org/types.yaml' is not known"),
        ("[{a: own.yaml, b: own.yaml}]", "an import is a file, an address"),
        ("[[]]", "an import is a file"),
        ("[{}]", "an import is a file"),
        ("own.yaml", "imports must be a list"),
    ],
)
def test_imports_that_are_not_read(folder: Path, imports: str, said: str) -> None:
    (folder / "t.yaml").write_text(USES.replace("[own.yaml]", imports))
    (fault,) = validate_file(folder / "t.yaml")
    assert said in fault.text
    assert fault.place == f"{folder / 't.yaml'}:2"


def test_own_types_win(folder: Path) -> None:
    own = (
        "node_types: {own.Node: {derived_from: tosca.nodes.Root, properties: {x: {type: string}}}}"
    )
    (folder / "t.yaml").write_text(f"{USES}{own}\n".replace("size: 1", "x: a"))
    assert validate_file(folder / "t.yaml") == ()
    (folder / "own.yaml").write_text(f"{OWN}data_types: [a]\n")
    (fault,) = validate_file(folder / "t.yaml")
    assert str(fault) == f"{folder / 'own.yaml'}:5: data_types must be a mapping."


def test_a_text_from_elsewhere_reads_no_files(folder: Path) -> None:
    (fault,) = validate_text(USES.replace("own.yaml", str(folder / "own.yaml")))
    assert "import indigo_custom_types or grycap_custom_types" in fault.text


def test_an_endless_chain_of_imports_ends(folder: Path) -> None:
    for number in range(40):
        (folder / f"c{number}.yaml").write_text(OWN.replace("more/base", f"c{number + 1}"))
    (folder / "t.yaml").write_text(USES.replace("own.yaml", "c0.yaml"))
    (fault,) = validate_file(folder / "t.yaml")
    assert "more than 30 files" in fault.text


def test_what_is_no_template_is_a_fault(tmp_path: Path) -> None:
    (fault,) = validate_file(tmp_path / "missing.yaml")
    assert fault.text == "No such file or directory."
    (fault,) = validate_text("- a")
    assert "no mapping" in fault.text
    (fault,) = validate_text("a: [")
    assert fault.place == "template:1"
    assert validate_text("a: 1")[0].text.startswith("Template is missing required field")
