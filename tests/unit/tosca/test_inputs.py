# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The inputs of a template are known, and values that do not fit them are told."""

from typing import Any

import pytest

from deepaas.errors import InvalidDocument, InvalidInputs
from deepaas.tosca.documents import parse_document
from deepaas.tosca.inputs import (
    Input,
    check_inputs,
    declared_inputs,
    fill_inputs,
    scalar,
    unknown_inputs,
)


def declare(text: str) -> tuple[Input, ...]:
    """Return the inputs that a template with this mapping of inputs declares."""
    return declared_inputs(parse_document(f"topology_template:\n  inputs:\n    {text}", "t.yml"))


def test_an_input_is_a_record() -> None:
    (made,) = declare("a: {type: float, required: false, default: 1.5, description: how many}")
    assert made == Input("a", "float", False, True, 1.5, (), "how many", "t.yml:3")
    (made,) = declare("a: {type: integer}")
    assert (made.is_required, made.has_default, made.default) == (True, False, None)


@pytest.mark.parametrize("text", ["a: 1", "topology_template: 3", "topology_template: {inputs: }"])
def test_a_template_may_have_none(text: str) -> None:
    assert declared_inputs(parse_document(text, "t.yml")) == ()


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("integer", "3", 3),
        ("integer", 3, 3),
        ("float", "1.5", 1.5),
        ("float", 2, 2.0),
        ("string", 5, "5"),
        ("string", True, "true"),
        ("string", "no\n{{ x }}", "no\n{{ x }}"),
        ("boolean", "no", False),
        ("boolean", "True", True),
        ("boolean", True, True),
        ("list", [1], [1]),
        ("map", {"a": 1}, {"a": 1}),
        ("scalar-unit.size", "4096 MB", "4096 MB"),
        ("tosca.datatypes.Credential", {"token": "x"}, {"token": "x"}),
    ],
)
def test_a_value_is_taken_as_its_type(kind: str, given: Any, value: Any) -> None:
    found = check_inputs(declare(f"a: {{type: {kind}}}"), {"a": given})["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("integer", "x"),
        ("integer", 1.5),
        ("integer", True),
        ("float", "nan"),
        ("float", [1]),
        ("string", {"a": 1}),
        ("boolean", "maybe"),
        ("boolean", 1),
        ("list", "a"),
        ("map", []),
        ("scalar-unit.size", "4096"),
        ("scalar-unit.size", "4 lightyears"),
        ("scalar-unit.time", 5),
    ],
)
def test_a_value_of_another_type_is_told(kind: str, given: Any) -> None:
    with pytest.raises(InvalidInputs) as caught:
        check_inputs(declare(f"a: {{type: {kind}}}"), {"a": given})
    assert caught.value.faults == (f"Input <a> is {given!r}; it must be {kind}",)


@pytest.mark.parametrize(
    ("kind", "constraint", "good", "bad", "said"),
    [
        ("string", 'valid_values: ["no", "yes"]', "no", "maybe", "be one of ['no', 'yes']"),
        ("string", "pattern: '[a-z]+'", "abc", "abc1", "match '[a-z]+'"),
        ("string", "min_length: 2", "ab", "a", "have at least the length 2"),
        ("string", "max_length: 2", "ab", "abc", "have at most the length 2"),
        ("string", "length: 2", "ab", "abc", "have the length 2"),
        ("list", "max_length: 1", [1], [1, 2], "have at most the length 1"),
        ("integer", "equal: 2", 2, 3, "be 2"),
        ("integer", "in_range: [1, 4]", 4, 5, "be in the range [1, 4]"),
        ("integer", "in_range: [1, UNBOUNDED]", 99, 0, "be in the range [1, 'UNBOUNDED']"),
        ("integer", "in_range: [UNBOUNDED, 1]", -9, 2, "be in the range ['UNBOUNDED', 1]"),
        ("float", "greater_than: 0", 0.1, 0, "be greater than 0"),
        ("float", "less_than: 1", 0.9, 1, "be less than 1"),
        ("scalar-unit.size", "greater_or_equal: 1 GB", "1000 MB", "0.9 GB", "be at least '1 GB'"),
        ("scalar-unit.time", "less_or_equal: 1 h", "60 m", "61 m", "be at most '1 h'"),
    ],
)
def test_constraints_are_kept(kind: str, constraint: str, good: Any, bad: Any, said: str) -> None:
    declared = declare(f"a: {{type: {kind}, constraints: [{{{constraint}}}]}}")
    assert check_inputs(declared, {"a": good})["a"] == good
    with pytest.raises(InvalidInputs) as caught:
        check_inputs(declared, {"a": bad})
    assert caught.value.faults == (f"Input <a> is {bad!r}; it must {said}",)


def test_a_constraint_that_cannot_apply_is_not_kept() -> None:
    with pytest.raises(InvalidInputs, match="have at least the length 1"):
        check_inputs(declare("a: {type: integer, constraints: [{min_length: 1}]}"), {"a": 5})


def test_what_is_missing_is_said_as_the_orchestrator_says_it() -> None:
    declared = declare("{a: {type: string}, b: {default: x}, c: {required: false}}")
    assert check_inputs(declared, {"a": "1", "z": 1}) == {"a": "1", "b": "x"}
    with pytest.raises(InvalidInputs) as caught:
        check_inputs(declared, {"c": 5, "a": None})
    assert caught.value.message == (
        "Input <a> is required and is not present in the user's input list, nor has a default value"
    )
    assert unknown_inputs(declared, {"z": 1, "y": 2, "a": 1}) == ("y", "z")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]", "inputs must be a mapping"),
        ("a: string", "the input 'a' must be a mapping with a type"),
        ("a: {constraints: {length: 1}}", "must be a list of one each"),
        ("a: {constraints: [{length: 1, equal: a}]}", "must be a list of one each"),
        ("a: {constraints: [{longer: 1}]}", "has the constraint 'longer', unknown here"),
        ("a: {constraints: [{length: a}]}", "the constraint length of 'a' cannot be 'a'"),
        ("a: {constraints: [{pattern: '['}]}", "the constraint pattern of 'a' cannot be '['"),
        ("a: {constraints: [{in_range: 1}]}", "the constraint in_range of 'a' cannot be 1"),
        ("a: {type: scalar-unit.size, constraints: [{equal: 1}]}", "cannot be 1"),
    ],
)
def test_a_wrong_declaration_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        declare(text)
    assert said in caught.value.message
    assert caught.value.message.startswith(("t.yml:3: ", "t.yml:2: "))


def test_values_take_the_place_of_the_function() -> None:
    data = {"a": [{"get_input": "x"}, {"get_input": ["m", "k", 0]}], "b": {"get_input": "none"}}
    values = {"x": "{ get_input: x }", "m": {"k": [7]}}
    assert fill_inputs(data, values) == {"a": ["{ get_input: x }", 7], "b": None}
    with pytest.raises(InvalidInputs, match="Input <x> has no part"):
        fill_inputs({"get_input": ["x", "k"]}, values)
    mixed = {"get_input": "x", "other": 1}
    assert fill_inputs(mixed, values) == mixed


def test_units_are_those_of_tosca() -> None:
    assert scalar("scalar-unit.size", "2 GiB") == 2 * 1024**3
    assert scalar("scalar-unit.size", " 1.5kB ") == 1500
    assert scalar("scalar-unit.frequency", "2.4 GHz") == 2.4e9
