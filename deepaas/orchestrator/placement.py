# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Choose the site of a deployment: a policy of its template names the agreement with a provider.

The types are those of indigo-dc/tosca-types: ``tosca.policies.indigo.SlaPlacement`` has the
property ``sla_id``. Requirement DPD-106.
"""

from typing import Final

import yaml

from deepaas.errors import InvalidDocument
from deepaas.tosca.documents import parse_document

SLA_TYPE: Final = "tosca.policies.indigo.SlaPlacement"
_NAME: Final = "deploy_on_specific_site"
_STR: Final = "tag:yaml.org,2002:str"
_PLACEMENTS: Final = (
    "tosca.policies.Placement",
    "tosca.policies.indigo.Placement",
    "tosca.policies.indigo.CredentialsAwareSlaPlacement",
    SLA_TYPE,
)


def place(template: str, sla_id: str) -> str:
    """Return a template whose nodes are deployed where an agreement says.

    A policy of it that says another place is replaced; every other value stays as it is written.

    Args:
        template: YAML.
        sla_id: Of the service level agreement with the provider of the site.

    Raises:
        InvalidDocument: It is no template.
    """
    # Within limits first: what follows has none.
    document = parse_document(template, "template").table()
    topology = document.get("topology_template")
    nodes = topology.get("node_templates") if isinstance(topology, dict) else None
    if not isinstance(topology, dict) or not isinstance(nodes, dict) or not nodes:
        raise InvalidDocument("template: it has no node that could be placed.")
    policies = topology.get("policies") or []
    if not isinstance(policies, list):
        raise InvalidDocument("template: topology_template.policies is no list.")
    kept = [index for index, each in enumerate(policies) if not _is_placement(each)]
    root = yaml.compose(template, yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    part = _member(root, "topology_template")
    before = _member(part, "policies").value if policies else []
    written = [before[index] for index in kept]
    written.append(_policy(sla_id, [str(name) for name in nodes]))
    part.value = [pair for pair in part.value if pair[0].value != "policies"]
    part.value.append((_text("policies"), yaml.SequenceNode("tag:yaml.org,2002:seq", written)))
    # Nodes and not values are written: 22.10 stays 22.10, and an order what it was.
    text: str = yaml.serialize(root, Dumper=yaml.SafeDumper, width=1_000_000, allow_unicode=True)
    return text


def _is_placement(policy: object) -> bool:
    if not isinstance(policy, dict):
        return False
    return any(
        isinstance(body, dict) and body.get("type") in _PLACEMENTS for body in policy.values()
    )


def _member(mapping: yaml.MappingNode, name: str) -> yaml.MappingNode:
    found: yaml.MappingNode = next(value for key, value in mapping.value if key.value == name)
    return found


def _policy(sla_id: str, targets: list[str]) -> yaml.MappingNode:
    return _mapping(
        {
            _NAME: _mapping(
                {
                    "type": _text(SLA_TYPE),
                    "properties": _mapping({"sla_id": _text(sla_id, style='"')}),
                    "targets": yaml.SequenceNode(
                        "tag:yaml.org,2002:seq", [_text(name, style='"') for name in targets]
                    ),
                }
            )
        }
    )


def _mapping(members: dict[str, yaml.Node]) -> yaml.MappingNode:
    pairs = [(_text(name), value) for name, value in members.items()]
    return yaml.MappingNode("tag:yaml.org,2002:map", pairs)


def _text(text: str, style: str | None = None) -> yaml.ScalarNode:
    return yaml.ScalarNode(_STR, text, style=style)
