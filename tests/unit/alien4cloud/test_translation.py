# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Topologies of Alien4Cloud become the orchestrator's templates, and come back unchanged."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deepaas.alien4cloud.from_alien import Deployment, from_alien, request_body
from deepaas.alien4cloud.to_alien import to_alien
from deepaas.alien4cloud.translation import KEPT, put_back, rename_nodes
from deepaas.errors import InvalidDocument
from deepaas.tosca.documents import Document, parse_document, read_document, write_document
from deepaas.tosca.imports import INDIGO_TYPES_URL

GOLDEN = Path(__file__).parent / "golden"
TOPOLOGIES = sorted((Path(__file__).parent / "topologies").glob("*.yaml"))
#: Of the plugin's tests.
DEPLOYMENT = Deployment(
    topology_id="a4c-deployment-topology-id",
    id="a4c-id",
    paas_id="a4c-paas-id",
    orchestrator_id="a4c-orchestrator-id",
    orchestrator_deployment_id="a4c-deployment-orchestrator-deployment-id",
    location_ids=("a4c-location-id1", "a4c-location-id2"),
    version_id="a4c-version-id",
)


def golden(name: str) -> Document:
    return read_document(GOLDEN / f"{name}.yaml")


def again(data: Any) -> Document:
    """Return data as it comes back from a file."""
    return parse_document(write_document(data), "t.yaml")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("compute_a4c", "compute_indigodc"),
        ("empty_null_property_rm_a4c", "empty_null_property_rm_orchestrator"),
        (
            "empty_null_property_rm_properties_rm_a4c",
            "empty_null_property_rm_properties_rm_orchestrator",
        ),
    ],
)
def test_the_pairs_of_the_plugin_are_reproduced(before: str, after: str) -> None:
    made = from_alien(golden(before), deployment=DEPLOYMENT)
    assert made.data == golden(after).data
    assert again(made.data).data == golden(after).data
    assert next(iter(made.data)) == "tosca_definitions_version"


def test_the_request_of_the_plugin_is_reproduced() -> None:
    expected = json.loads((GOLDEN / "compute_request.json").read_text())
    template = from_alien(golden("compute_a4c"), deployment=DEPLOYMENT).data
    body = request_body(template, {"min_instances": "3"}, "http://localhost")
    assert {**body, "template": None} == {**expected, "template": None}
    assert (
        parse_document(body["template"], "t").data == parse_document(expected["template"], "t").data
    )
    assert request_body(template, {}, None).keys() == {"template", "parameters"}


def test_functions_survive() -> None:
    before = golden("quote_tosca_methods_in")
    properties = again(from_alien(before).data).data["topology_template"]["node_templates"][
        "Compute"
    ]["properties"]
    assert properties == before.data["topology_template"]["node_templates"]["Compute"]["properties"]
    assert properties["p2"] == {"get_attribute": ["mesos_master_server", "public_address"]}
    assert properties["p5"] == " { get_attribute : [ mesos_master_server, public_address ] } "


ALIEN = """\
tosca_definitions_version: alien_dsl_1_4_0
description: words
imports: [tosca-normative-types:1.0.0-ALIEN14]
topology_template:
  node_templates:
    app:
      type: t
      metadata: {a4c_edit_x: 1}
      properties: {a: {b: null}, c: null}
      requirements:
        - appHost: {type_requirement: host, node: machine, capability: c}
        - plain: {node: machine}
        - short: machine
    machine: {type: t, properties: }
  workflows: {install: {}}
"""


def test_what_the_rules_change() -> None:
    document = parse_document(ALIEN, "t.yaml")
    made = from_alien(document, types_url="https://example.org/types.yaml")
    assert document.data == parse_document(ALIEN, "t.yaml").data
    assert made.data == {
        "tosca_definitions_version": "tosca_simple_yaml_1_0",
        "description": "words",
        "imports": [{"indigo_custom_types": "https://example.org/types.yaml"}],
        "topology_template": {
            "node_templates": {
                "app": {
                    "type": "t",
                    "properties": {"a": {"b": None}},
                    "requirements": [
                        {"host": {"node": "machine", "capability": "c"}},
                        {"plain": {"node": "machine"}},
                        {"short": "machine"},
                    ],
                },
                "machine": {"type": "t"},
            }
        },
    }
    assert made.warnings == ("t.yaml:15: workflows are left out: the orchestrator runs its own.",)


@pytest.mark.parametrize("file", TOPOLOGIES, ids=lambda file: file.stem)
def test_there_and_back_nothing_changes(file: Path) -> None:
    before = read_document(file)
    there = again(to_alien(before).data)
    back = from_alien(there)
    assert back.data == read_document(file).data
    assert back.warnings == ()
    # And from the other side.
    assert again(to_alien(again(back.data)).data).data == there.data


@pytest.mark.parametrize("file", TOPOLOGIES, ids=lambda file: file.stem)
def test_alien_gets_what_it_can_open(file: Path) -> None:
    data = again(to_alien(read_document(file)).data).data
    assert data["tosca_definitions_version"] == "alien_dsl_2_0_0"
    assert data["imports"][0] == "normative-types:1.0.0"
    assert data["imports"][1] in ("indigo_custom_types:5.0.0", "grycap_custom_types:1.0.0")
    for name, body in data["topology_template"]["node_templates"].items():
        assert name.isascii()
        assert name.replace("_", "").isalnum()
        names = [key for item in body.get("requirements", []) for key in item]
        assert len(names) == len(set(names))
    # Nothing still calls a node by a name that is gone.
    kept = data.get("metadata", {}).pop(KEPT, "{}")
    for gone in yaml.safe_load(kept).get("node_names", {}).values():
        assert gone not in json.dumps(data, ensure_ascii=False)


def test_what_gets_lost_is_said() -> None:
    said = "\n".join(to_alien(read_document(TOPOLOGIES[1], "service.yaml")).warnings)
    assert "service.yaml:42: Alien4Cloud's editor drops the output 'endpoint'" in said
    assert "'plain'" not in said
    assert "cannot change the artifacts of 'my-service'" in said
    assert "cannot change the properties of policies" in said
    assert "The node 'docker-runtime' is called 'docker_runtime_2' in Alien4Cloud." in said
    said = "\n".join(to_alien(read_document(TOPOLOGIES[2], "training.yaml")).warnings)
    assert "get_attribute, of which the property 'description' of 'second' is made" in said


def test_what_was_removed_meanwhile_stays_removed() -> None:
    document = again(to_alien(read_document(TOPOLOGIES[0])).data)
    nodes = document.data["topology_template"]["node_templates"]
    del nodes["front_end"]
    del nodes["application"]["requirements"]
    back = from_alien(document)
    assert "front.end" not in back.data["topology_template"]["node_templates"]
    assert back.data["topology_template"]["groups"]["machines"]["members"][0] == "front.end"
    assert any("front_end.metadata was kept and has no place" in each for each in back.warnings)
    assert any("application.requirements.2.dependency was kept" in each for each in back.warnings)


def test_nothing_is_kept_where_nothing_would_be_lost() -> None:
    text = f"{MINIMAL}imports: [{{indigo_custom_types: '{INDIGO_TYPES_URL}'}}]\n"
    assert to_alien(parse_document(text, "t.yaml")).data == {
        "tosca_definitions_version": "alien_dsl_2_0_0",
        "imports": ["normative-types:1.0.0", "indigo_custom_types:5.0.0"],
    }
    named = parse_document(f"{text}metadata: {{template_name: x}}", "t.yaml")
    assert to_alien(named).data["metadata"] == {"template_name": "x"}


def test_parts_go_back_only_where_there_is_a_place() -> None:
    data = {"a": [1, {"b": 2}]}
    assert put_back(data, ["a", 1, "c"], 3)
    assert put_back(data, ["a", 0], 4)
    assert data == {"a": [4, {"b": 2, "c": 3}]}
    for path in (["a", 2], ["a", 2, "c"], ["x", "y"], ["a", 0, "b"], ["a", "b"]):
        assert not put_back(data, path, 5)
    assert data == {"a": [4, {"b": 2, "c": 3}]}
    names: dict[str, Any] = {"substitution_mappings": {"requirements": {"r": "x", "s": ["a", "b"]}}}
    rename_nodes(names, str.upper)
    assert names == {"substitution_mappings": {"requirements": {"r": "x", "s": ["A", "b"]}}}


def test_other_types_win_over_those_that_were_kept() -> None:
    there = again(to_alien(read_document(TOPOLOGIES[2])).data)
    back = from_alien(there, types_url="https://example.org/t.yaml")
    assert back.data["imports"] == [{"indigo_custom_types": "https://example.org/t.yaml"}]


MINIMAL = "tosca_definitions_version: tosca_simple_yaml_1_0\n"


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "description:\n",
        "imports:\n",
        "imports: []\n",
        "topology_template: {policies: [{p: {type: t}}, x], node_templates: {a-b: {type: t}}}\n",
        "topology_template: {node_templates: {a: {type: t, metadata: {1: 2, no: [1.5]}}}}\n",
        "topology_template: {node_templates: {a: {properties: {1.5: , ~: , true: , k: 1}}}}\n",
        "metadata: {v: 1.10, h: 0x10, o: 010, n: 1e3, t: '1.10', l: [{get_input: [x, 0]}, {}]}\n",
        "topology_template:\n",
        "topology_template: {node_templates: }\n",
        "topology_template: {policies: {p: {targets: [a-b]}}, node_templates: {a-b: {type: t}}}\n",
        "topology_template: {node_templates: {'': {type: t}, 'é': {requirements: [{host: }]}}}\n",
        "metadata: {icon: x}\nimports: [{indigo_custom_types: a}, {grycap_custom_types: b}]\n",
    ],
)
def test_little_templates_come_back_too(rest: str) -> None:
    before = parse_document(MINIMAL + rest, "t.yaml")
    assert from_alien(again(to_alien(before).data)).data == before.data


NAMES = st.sampled_from(["a", "a-b", "a_b", "a.b", "é", "a b", "no", "SELF", "1e3", '"; x', "\n"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | NAMES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["k", "get_input", "get_attribute"]), inner, max_size=2)
    ),
    max_leaves=6,
)
NODES = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {"type": st.just("t")},
        optional={
            "properties": st.dictionaries(NAMES, VALUES, max_size=3),
            "metadata": st.dictionaries(NAMES, VALUES, max_size=2),
            "requirements": st.lists(
                st.sampled_from(["host", "host_2", "dep"]).flatmap(
                    lambda name: st.fixed_dictionaries(
                        {name: NAMES | st.fixed_dictionaries({"node": NAMES})}
                    )
                ),
                max_size=4,
            ),
        },
    ),
    max_size=4,
)


@given(NODES, st.dictionaries(NAMES, st.fixed_dictionaries({"value": VALUES}), max_size=2))
@settings(max_examples=40, deadline=None)
def test_whatever_a_template_says_comes_back(
    nodes: dict[str, Any], outputs: dict[str, Any]
) -> None:
    template = {
        "tosca_definitions_version": "tosca_simple_yaml_1_0",
        "imports": ["deepaas_indigo_types.yaml"],
        "topology_template": {"node_templates": nodes, "outputs": outputs},
    }
    there = again(to_alien(again(template)).data)
    assert from_alien(there).data == template


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ALIEN, "t.yaml:1: 'alien_dsl_1_4_0' is no version of the orchestrator's templates"),
        ("a: 1", "t.yaml:1: None is no version"),
        (f"{MINIMAL}imports: [other.yaml]", "t.yaml:2: Alien4Cloud has no archive for the import"),
        (f"{MINIMAL}metadata: {{{KEPT}: x}}", "t.yaml:2: metadata is no mapping without"),
        (f"{MINIMAL}metadata: 1", "t.yaml:2: metadata is no mapping without"),
        (f"{MINIMAL}topology_template: 1", "t.yaml:2: topology_template must be a mapping"),
        (
            f"{MINIMAL}topology_template: {{node_templates: [a]}}",
            "node_templates must be a mapping",
        ),
        (f"{MINIMAL}topology_template: {{node_templates: {{a: b}}}}", "'a' must be a mapping"),
        (
            f"{MINIMAL}topology_template: {{node_templates: {{a: {{properties: 1}}}}}}",
            "the properties of 'a' have the wrong form",
        ),
        (
            f"{MINIMAL}topology_template: {{node_templates: {{a: {{requirements: [b]}}}}}}",
            "the requirement 'b' is not one name",
        ),
        (
            f"{MINIMAL}topology_template: {{node_templates: {{a: {{requirements:"
            " [{b: {type_requirement: c}}]}}}",
            "the requirement 'b' has a type_requirement, which Alien4Cloud alone knows",
        ),
    ],
)
def test_what_is_not_translated_to_alien(text: str, said: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        to_alien(parse_document(text, "t.yaml"))
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "t.yaml:1: this is no mapping"),
        ("metadata: 1", "t.yaml:1: metadata must be a mapping"),
        (f"metadata: {{{KEPT}: x}}", f"t.yaml:1: {KEPT} is not as"),
        (f"metadata: {{{KEPT}: 1}}", f"t.yaml:1: {KEPT} is not as"),
        (f"metadata: {{{KEPT}: '{{}}'}}", f"t.yaml:1: {KEPT} is not as"),
        (f"""metadata: {{{KEPT}: '{{"node_names": {{}}, "parts": [[[], 1]]}}'}}""", "is not as"),
        (f"""metadata: {{{KEPT}: '{{"node_names": {{}}, "parts": [[[[1]], 1]]}}'}}""", "is not as"),
        (
            "topology_template: {node_templates: {a: {requirements: [b]}}}",
            "a requirement is a name with a node, and not 'b'",
        ),
        (
            "topology_template: {node_templates: {a: {requirements:"
            " [{b: {type_requirement: [c]}}]}}}",
            "t.yaml:1: type_requirement is a name, and not ['c']",
        ),
    ],
)
def test_what_is_not_translated_from_alien(text: str, said: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        from_alien(parse_document(text, "t.yaml"))
    assert said in caught.value.message
