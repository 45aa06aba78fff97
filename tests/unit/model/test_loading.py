# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is loaded without marshmallow's detours is what marshmallow loads, value for value."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError, fields, validate

from deepaas.errors import InvalidArguments
from deepaas.model.arguments import ArgumentParser
from deepaas.records import CallInput

_FIELDS = st.sampled_from(
    [
        lambda: fields.Int(),
        lambda: fields.Int(required=True),
        lambda: fields.Int(strict=True),
        lambda: fields.Int(load_default=7, validate=validate.Range(max=100)),
        lambda: fields.Float(),
        lambda: fields.Float(allow_nan=True),
        lambda: fields.Float(load_default=None, allow_none=True),
        lambda: fields.Str(),
        lambda: fields.Str(data_key="other", attribute="renamed"),
        lambda: fields.Str(validate=validate.OneOf(["a", "b"])),
        lambda: fields.Bool(load_default=False),
        lambda: fields.Raw(),
        lambda: fields.List(fields.Int(), load_default=list),
        lambda: fields.Dict(),
        lambda: _Shouting(),
    ]
)
_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=4),
    st.sampled_from(["0", "-1", " 3", "1_0", "٣", "1e3", "nan", "inf", "true", "a", "9" * 5000]),
    st.lists(st.integers(), max_size=2),
)


class _Shouting(fields.String):
    """A field of an author's own, which must be asked."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value, attr, data, **kwargs).upper()


def _judged(parser: ArgumentParser, data: dict[str, Any]) -> Any:
    try:
        return parser._load(data)
    except InvalidArguments as exc:
        return exc.messages


@given(
    st.lists(_FIELDS, min_size=1, max_size=3), st.lists(_VALUES, min_size=3, max_size=3), st.data()
)
def test_the_short_way_gives_what_the_long_one_gives(
    makers: list[Any], values: list[Any], data: st.DataObject
) -> None:
    made = {f"x{number}": make() for number, make in enumerate(makers)}
    # One at most may have the other name.
    named = [name for name, field in made.items() if field.data_key is not None]
    declared = {name: field for name, field in made.items() if name not in named[1:]}
    short, long = ArgumentParser(declared), ArgumentParser(declared)
    long._plain = None
    given_data = {
        name if field.data_key is None else field.data_key: value
        for (name, field), value in zip(declared.items(), values, strict=False)
        if data.draw(st.booleans())
    }
    quick, slow = _judged(short, given_data), _judged(long, given_data)
    assert repr(quick) == repr(slow)
    assert list(quick) == list(slow)


def test_a_field_with_a_function_of_the_authors_is_asked() -> None:
    field = fields.Str()
    field._deserialize = lambda value, attr, data, **kwargs: "asked"  # type: ignore[method-assign]
    parser = ArgumentParser({"x": field})
    assert parser.parse(CallInput(query=(("x", "a"),))) == {"x": "asked"}


def test_a_dotted_attribute_makes_an_object() -> None:
    parser = ArgumentParser({"x": fields.Int(attribute="a.b")})
    assert parser.parse(CallInput(query=(("x", "3"),))) == {"a": {"b": 3}}


def test_a_validator_is_asked() -> None:
    def refuse(value: Any) -> None:
        raise ValidationError("no")

    parser = ArgumentParser({"x": fields.Int(validate=refuse)})
    with pytest.raises(InvalidArguments, match="no"):
        parser.parse(CallInput(query=(("x", "3"),)))
