# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Fields that travel, and bytes that must not be trusted."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import marshmallow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, fields, validate
from webargs import fields as webargs_fields

from deepaas.model.portable import NotPortable, pack, unpack


class Own(fields.Str):
    """A field of an author's own."""


class OwnText(str):
    """A text of an author's own."""


class Size(Enum):
    SMALL = 1


class Inner(Schema):
    a = fields.Int()


def only_even(value: int) -> None: ...


def field_bytes(kind: Any, **state: Any) -> bytes:
    return json.dumps({"x": {"kind": kind, "value": state}}).encode()


@pytest.mark.parametrize(
    "field",
    [
        Own(),
        fields.List(Own()),
        fields.Int(validate=only_even),
        fields.Int(validate=lambda value: None),
        fields.Int(validate=[validate.And(only_even)]),
        fields.Str(validate=validate.Regexp("(a+)+b")),
        fields.Str(validate=validate.Predicate("isalpha")),
        fields.Str(load_default=lambda: "x"),
        fields.Str(load_default=OwnText("x")),
        fields.DateTime(load_default=datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Madrid"))),
        fields.Raw(validate=validate.OneOf({"a": 1}.keys())),
        fields.Raw(load_default=b"x"),
        fields.Enum(Size),
        fields.Nested(Inner),
        webargs_fields.Nested({"a": fields.Int()}),
        fields.Function(deserialize=only_even),
    ],
)
def test_what_needs_the_authors_code_is_not_carried(field: fields.Field) -> None:
    with pytest.raises(NotPortable):
        pack({"x": field})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"5",
        b"null",
        b"\x80\x04cposix\nsystem\n(S'true'\ntR.",
        b'{"x": 5}',
        b'{"x": {}}',
        b'{"x": {"kind": "fields.Integer"}}',
        b'{"x": {"kind": [], "value": {}}}',
        b'{"x": {"kind": "callable", "value": "int"}}',
        b'{"x": {"kind": "callable", "value": "eval"}}',
        b'{"x": {"kind": "range", "value": [1, 2, 0]}}',
        b'{"x": {"kind": "Decimal", "value": "x"}}',
        b'{"x": {"kind": "set", "value": [[]]}}',
        b'{"x": ' + b'{"kind": "tuple", "value": [' * 50_000 + b"]}" * 50_000 + b"}",
        b'{"x": ' + b"9" * 5000 + b"}",
        field_bytes("os.system"),
        field_bytes("builtins.eval"),
        field_bytes("functools.partial"),
        field_bytes("fields.Function"),
        field_bytes("fields.Method"),
        field_bytes("fields.Nested"),
        field_bytes("fields.os"),
        field_bytes("fields.Integer.num_type"),
        field_bytes("fields.__builtins__"),
        field_bytes("validate.Predicate", method="__reduce__"),
        field_bytes("validate.Range", min=1),
        field_bytes("webargs.__builtins__"),
        field_bytes("webargs.Nested"),
        field_bytes("fields.Integer", deserialize=5),
        field_bytes("fields.Integer", _deserialize={"kind": "callable", "value": "int"}),
        field_bytes("fields.Integer", __class__={"kind": "callable", "value": "int"}),
        field_bytes("fields.Integer", error="{input.__class__}"),
        field_bytes("fields.Integer", error="{input:>99999999999}"),
        field_bytes("fields.Integer", error_messages={"kind": "dict", "value": [["a", "{a!r}"]]}),
        field_bytes("fields.Integer", message_min="{min[0]}"),
    ],
)
def test_hostile_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(NotPortable):
        unpack(data)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(), inner)
        | st.fixed_dictionaries(
            {
                "kind": st.sampled_from(
                    ["dict", "set", "range", "timedelta", "callable", "fields.List", "validate.And"]
                ),
                "value": inner,
            }
        )
    ),
    max_leaves=8,
)


@given(anything)
def test_whatever_the_bytes_are_they_are_fields_or_refused(content: Any) -> None:
    try:
        made = unpack(json.dumps(content).encode())
    except NotPortable:
        return
    assert all(isinstance(field, fields.Field) for field in made.values())


def test_refused_bytes_leave_the_classes_alone() -> None:
    """A pickle could set attributes of a class that it may only name."""
    before = {name: dict(vars(getattr(fields, name))) for name in fields.__all__}
    for kind in ("fields.Integer", "fields.String", "validate.Range"):
        with pytest.raises(NotPortable):
            unpack(field_bytes(kind, num_type=5, __init__=5, default_error_messages={}))

    assert {name: dict(vars(getattr(fields, name))) for name in fields.__all__} == before


@pytest.mark.parametrize(
    "default",
    [
        None,
        True,
        2**80,
        float("inf"),
        "é",
        [1, [2]],
        (1, (2,)),
        {1, 2},
        frozenset({1}),
        {"a": {1: (2,)}},
        range(1, 9, 2),
        Decimal("1.50"),
        UUID(int=5),
        datetime(2026, 1, 1, 2, 3, 4, 5, UTC),
        datetime(2026, 1, 1),
        date(2026, 1, 1),
        time(1, 2, 3),
        timedelta(-1, 2, 3),
        list,
        uuid4,
        marshmallow.missing,
    ],
)
def test_values_come_back_as_they_were(default: Any) -> None:
    field = unpack(pack({"x": fields.Raw(load_default=default)}))["x"]

    assert field.load_default == default
    assert type(field.load_default) is type(default)


def test_missing_is_the_one_that_marshmallow_knows() -> None:
    field = unpack(pack({"x": fields.Int()}))["x"]

    assert field.load_default is marshmallow.missing
    assert field.dump_default is marshmallow.missing


@pytest.mark.parametrize(
    ("make", "good", "bad"),
    [
        (lambda: fields.Int(validate=validate.Range(1, 5)), "3", "9"),
        (lambda: fields.Decimal(places=1), "1.55", "x"),
        (lambda: fields.Str(validate=[validate.Length(max=2)]), "ab", "abc"),
        (lambda: fields.Email(), "a@b.org", "a"),
        (lambda: fields.Url(), "https://a.org", "a"),
        (lambda: fields.Bool(truthy={"on"}, falsy={"off"}), "on", "true"),
        (lambda: fields.DateTime(format="%Y"), "2026", "x"),
        (lambda: fields.List(fields.List(fields.Int())), [["1"]], [["x"]]),
        (lambda: fields.Tuple((fields.Int(), fields.Str())), ["1", "a"], ["1"]),
        (lambda: fields.Dict(fields.Str(), fields.Int()), {"a": "1"}, {"a": "x"}),
        (lambda: webargs_fields.DelimitedList(fields.Int(), delimiter=";"), "1;2", "1,2"),
        (lambda: webargs_fields.DelimitedTuple((fields.Int(),)), "1", "1,2"),
        (lambda: fields.Raw(validate=validate.And(validate.OneOf(range(3)))), 2, 3),
        (fields.IPv4, "1.2.3.4", "1.2"),
        (lambda: fields.AwareDateTime(), "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00"),
        (lambda: fields.Int(error_messages={"invalid": "No {input}!"}), "1", "x"),
    ],
)
def test_fields_check_as_before(make: Callable[[], fields.Field], good: Any, bad: Any) -> None:
    here = Schema.from_dict({"x": make()})()
    there = Schema.from_dict(unpack(pack({"x": make()})))()

    assert there.load({"x": good}) == here.load({"x": good})
    assert there.validate({"x": bad}) == here.validate({"x": bad})
    assert there.validate({"x": bad})


def test_fields_of_a_schema_are_carried_without_it() -> None:
    class Author(Schema):
        a = fields.List(fields.Int())

    field = unpack(pack(Author().fields))["a"]

    assert field.parent is None
    assert field.name is None


def test_metadata_that_cannot_be_carried_is_left_out() -> None:
    metadata: dict[Any, Any] = {"location": "form", "hint": Size.SMALL, Size.SMALL: 1}
    field = fields.Str(metadata=metadata)

    assert unpack(pack({"x": field}))["x"].metadata == {"location": "form"}
