# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A template names the agreement with the provider of the site, and else stays what it was."""

import pytest
import yaml

from deepaas.errors import InvalidDocument
from deepaas.orchestrator.placement import place
from deepaas.tosca.validation import validate_text
from tests.unit.orchestrator.paas import TEMPLATE


def test_a_template_is_placed_and_stays_valid() -> None:
    hostile = "\"; rm -rf /\"\n{{ }} $(id): 'x' #"
    placed = place(TEMPLATE, hostile)
    before, after = yaml.safe_load(TEMPLATE), yaml.safe_load(placed)
    (policy,) = after["topology_template"].pop("policies")
    assert policy == {
        "deploy_on_specific_site": {
            "type": "tosca.policies.indigo.SlaPlacement",
            "properties": {"sla_id": hostile},
            "targets": ["docker", "app"],
        }
    }
    assert after == before
    assert list(after["topology_template"]) == list(before["topology_template"])
    assert validate_text(placed) == ()


def test_another_placement_is_replaced_and_other_policies_stay() -> None:
    text = """
topology_template:
  policies:
    - old: {type: tosca.policies.indigo.SlaPlacement, properties: {sla_id: a}}
    - kept: {type: tosca.policies.Scaling, version: 22.10}
    - nonsense
  node_templates: {n: {type: x, version: 2.10, text: "no", when: 2020-01-01}}
"""
    placed = place(text, "b")
    for written in ("22.10", "2.10", '"no"', "2020-01-01"):
        assert written in placed
    kept, nonsense, new = yaml.safe_load(placed)["topology_template"]["policies"]
    assert (list(kept), nonsense) == (["kept"], "nonsense")
    assert new["deploy_on_specific_site"]["properties"] == {"sla_id": "b"}
    # Placed again, it is placed once.
    assert place(placed, "b") == placed


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        "topology_template: 1",
        "topology_template: {node_templates: {}}",
        "topology_template: {node_templates: {n: {}}, policies: {}, x: 1}",
        "topology_template: {node_templates: {n: {}}, policies: x}",
        "a: &a [*a]",
    ],
)
def test_what_has_no_node_cannot_be_placed(text: str) -> None:
    if "policies: {}" in text:
        assert "sla_id" in place(text, "x")
    else:
        with pytest.raises(InvalidDocument):
            place(text, "x")
