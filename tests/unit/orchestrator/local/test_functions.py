# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Functions of TOSCA come to what they say, or are refused."""

from typing import Any

import pytest

from deepaas.errors import InvalidDocument
from deepaas.orchestrator.local.functions import Evaluation, host_of

NODES: dict[str, dict[str, Any]] = {
    "app": {
        "properties": {"a": {"get_input": "text"}, "loop": {"get_property": ["SELF", "loop"]}},
        "capabilities": {"web": {"properties": {"port": 80}}},
        "requirements": [{"log": "other"}, {"host": {"node": "machine"}}],
    },
    "machine": {"properties": {"size": 3}, "requirements": "nonsense"},
}
INPUTS = {"text": "x", "list": [1, {"k": 2}], "none": None}
ATTRIBUTES = {"machine": {"ips": ["127.0.0.1"]}}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (5, 5),
        ({"get_input": "text"}, "x"),
        ({"get_input": ["list", 1, "k"]}, 2),
        ({"get_input": ["list", 7]}, None),
        ({"get_input": ["list", 1, {}]}, None),
        ({"a": [{"get_input": "text"}], "b": 1}, {"a": ["x"], "b": 1}),
        ({"other": 1}, {"other": 1}),
        ({"get_property": ["SELF", "a"]}, "x"),
        ({"get_property": ["HOST", "size"]}, 3),
        ({"get_property": ["app", "web", "port"]}, 80),
        ({"get_property": ["app", "nothing"]}, None),
        ({"get_attribute": ["machine", "ips", 0]}, "127.0.0.1"),
        ({"get_attribute": ["app", "ips", 0]}, None),
        ({"concat": ["a", 1, True, {"get_input": "text"}]}, "a1truex"),
        ({"concat": ["a", {"get_input": "none"}]}, None),
        ({"join": [["a", "b"], ","]}, "a,b"),
        ({"join": [["a", "b"]]}, "ab"),
        ({"token": ["a.b,c", ".,", 2]}, "c"),
        ({"token": [{"get_input": "none"}, ".", 0]}, None),
    ],
)
def test_a_function_comes_to_its_value(expression: Any, value: Any) -> None:
    assert Evaluation(NODES, INPUTS, ATTRIBUTES).value(expression, "app") == value


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ({"get_input": "missing"}, "'missing', which is no input"),
        ({"get_input": [[]]}, "which is no input"),
        ({"get_input": []}, "which is no input"),
        ({"get_property": ["nowhere", "x"]}, "'nowhere', which is no node"),
        ({"get_property": "x"}, "get_property needs"),
        ({"get_attribute": ["x"]}, "get_attribute needs"),
        ({"get_property": ["SELF", "loop"]}, "lead back to themselves"),
        ({"concat": "x"}, "concat needs a list"),
        ({"join": ["a"]}, "join needs a list of texts"),
        ({"token": ["a", "", 0]}, "token needs"),
    ],
)
def test_what_is_no_function_is_refused(expression: Any, fault: str) -> None:
    with pytest.raises(InvalidDocument, match=fault):
        Evaluation(NODES, INPUTS).value(expression, "app")


def test_a_node_may_have_no_host() -> None:
    assert host_of(NODES, "app") == "machine"
    assert host_of({"x": {"requirements": ["y", {"host": 1}]}}, "x") == ""
    assert host_of(NODES, "machine") == host_of(NODES, "nowhere") == ""
