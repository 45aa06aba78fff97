# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Lists of numbers are read as marshmallow reads them: the same values, types and messages."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from marshmallow import ValidationError, fields, validate
from webargs import fields as webargs_fields

from deepaas.errors import InvalidArguments, MalformedBody
from deepaas.model.arguments import ArgumentParser
from deepaas.model.numberlists import NumberList, speed_up
from deepaas.records import CallInput

LEAVES: list[Callable[[], fields.Field]] = [
    fields.Float,
    fields.Integer,
    lambda: fields.Float(allow_nan=True, allow_none=True),
    lambda: fields.Integer(strict=True, error_messages={"invalid": "No."}),
]

numbers = st.one_of(
    st.floats(),
    st.integers(),
    st.sampled_from([2**1024, -(2**1024), 10**308, 1e308, -1e308, 2**63, 0.1 + 0.2, -0.0]),
)
others = st.sampled_from(
    [None, True, False, "", "1", "1.5", "x", "nan", "1e999", {}, {"1": 2}, b"3"]
)
rows = st.lists(numbers, max_size=4) | st.lists(numbers | others, max_size=4)
lists = st.recursive(rows, lambda inner: st.lists(inner | numbers, max_size=4), max_leaves=6)


def nested(depth: int, leaf: Callable[[], fields.Field], **options: Any) -> fields.List:
    """Return a list of lists … of the leaf; the options are those of the outermost."""
    field = leaf()
    for _ in range(depth - 1):
        field = fields.List(field)
    return fields.List(field, **options)


def outcome(field: fields.Field, value: Any) -> Any:
    """Return what a field makes of a value, with the types of all that is in it."""
    try:
        return typed(field.deserialize(value))
    except ValidationError as exc:
        return "refused", exc.messages, typed(exc.valid_data)


def typed(value: Any) -> Any:
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value), repr(value)


@given(st.integers(1, 3), st.sampled_from(LEAVES), lists | others | numbers)
@example(2, LEAVES[0], [[1.5, 2.5], [], [3.5]])
@example(2, LEAVES[0], [[1.5, 2], [3]])
@example(1, LEAVES[0], [1e308, 1e308])
@example(1, LEAVES[0], [1e308, 1e308, math.inf, -math.inf])
@example(1, LEAVES[0], [math.nan])
@example(1, LEAVES[0], [1, math.nan])
@example(1, LEAVES[0], [1.0, 2**1024])
@example(1, LEAVES[0], [10**308] * 20)
@example(1, LEAVES[0], [True, 1.0])
@example(1, LEAVES[1], [True, 1])
@example(1, LEAVES[1], [1, 1.5])
@example(2, LEAVES[0], [[1.0], {}])
@example(2, LEAVES[0], [[1.0], ""])
@example(2, LEAVES[0], [[1.0], None, 5, (1.0,)])
def test_it_is_as_marshmallow_does(
    depth: int, leaf: Callable[[], fields.Field], value: Any
) -> None:
    fast, plain = nested(depth, leaf), nested(depth, leaf)
    speed_up([fast])
    assert type(fast) is NumberList
    assert outcome(fast, value) == outcome(plain, value)


@given(st.integers(1, 3), st.sampled_from(LEAVES), lists | others.filter(lambda x: x != b"3"))
def test_calls_are_answered_as_marshmallow_would(
    depth: int, leaf: Callable[[], fields.Field], value: Any
) -> None:
    class Slow(fields.List):
        """Is not the class that is made fast."""

    try:
        body = json.dumps({"a": value}, allow_nan=False).encode()
    except (TypeError, ValueError):
        return  # cannot be sent
    outcomes: list[Any] = []
    for kind in (fields.List, Slow):
        field = nested(depth, leaf)
        parser = ArgumentParser({"a": kind(field.inner, data_key="a")})
        try:
            outcomes.append(typed(parser.parse(CallInput(body=body))["a"]))
        except InvalidArguments as exc:
            outcomes.append(exc.messages)
        except MalformedBody as exc:
            outcomes.append(exc.message)  # an integer beyond all floats
    assert outcomes[0] == outcomes[1]


def test_texts_of_a_query_are_read_by_marshmallow() -> None:
    parser = ArgumentParser({"a": fields.List(fields.Float())})
    assert parser.parse(CallInput(query=(("a", "1"), ("a", "2.5")))) == {"a": [1.0, 2.5]}


def test_a_validator_of_the_whole_list_still_runs() -> None:
    parser = ArgumentParser({"a": nested(2, fields.Float, validate=validate.Length(max=1))})
    assert parser.parse(CallInput(body=b'{"a": [[1, 2.5]]}')) == {"a": [[1.0, 2.5]]}
    with pytest.raises(InvalidArguments, match="Longer than maximum length"):
        parser.parse(CallInput(body=b'{"a": [[1.5], [2.5]]}'))


class MyList(fields.List):
    """An author's own."""


class MyFloat(fields.Float):
    """An author's own."""


def patched() -> fields.Float:
    field = fields.Float()
    field._validated = lambda value: 7.0  # type: ignore[method-assign]
    return field


@pytest.mark.parametrize(
    "field",
    [
        fields.Float(),
        fields.List(fields.Str()),
        fields.List(fields.Decimal()),
        fields.List(fields.Bool()),
        fields.List(fields.Raw()),
        fields.List(fields.Float(validate=validate.Range(min=0))),
        fields.List(fields.List(fields.Float(), validate=validate.Length(max=2))),
        fields.List(MyFloat()),
        fields.List(MyList(fields.Float())),
        fields.List(patched()),
        MyList(fields.Float()),
        fields.Tuple((fields.Float(),)),
        webargs_fields.DelimitedList(fields.Float()),
    ],
)
def test_what_is_something_else_stays_as_it_is(field: fields.Field) -> None:
    kind = type(field)
    speed_up([field])
    assert type(field) is kind


def test_the_author_s_own_field_is_not_changed() -> None:
    declared = fields.List(fields.List(fields.Float()))
    parser = ArgumentParser({"a": declared})
    assert type(declared) is fields.List
    assert parser.arguments[0].type_name == "List"
    assert parser.dump() is not None
