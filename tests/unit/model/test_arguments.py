# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""From a call to keyword arguments."""

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate
from marshmallow.warnings import ChangedInMarshmallow4Warning, RemovedInMarshmallow4Warning
from webargs import fields as webargs_fields

from deepaas.errors import InvalidArguments, MalformedBody
from deepaas.model.arguments import ArgumentParser, display
from deepaas.records import MISSING, Argument, CallInput, UploadedFile

JSON, PNG = "application/json", "image/png"
CAT = UploadedFile("data", "/tmp/1.png", PNG, "cat.png")
DOG = UploadedFile("data", "/tmp/2.png", PNG, "dog.png")


class Upper(fields.Str):
    """A field of an author's own."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        return str(super()._deserialize(value, *args, **kwargs)).upper()


def call(body: Any = None, **places: Any) -> CallInput:
    pairs = {
        place: tuple(sent.items()) if isinstance(sent, dict) else tuple(sent)
        for place, sent in places.items()
    }
    return CallInput(body=None if body is None else json.dumps(body).encode(), **pairs)


def parse(declared: Mapping[str, fields.Field], sent: CallInput) -> dict[str, Any]:
    """Parse here and, where the fields can be carried, as the server would: with one outcome."""
    parser = ArgumentParser(declared)
    parsers = [parser]
    if (data := parser.dump()) is not None:
        parsers.append(ArgumentParser.load(data))
    outcomes: list[Any] = []
    for each in parsers:
        try:
            outcomes.append(each.parse(sent))
        except InvalidArguments as exc:
            outcomes.append(exc)
    if isinstance(outcomes[0], InvalidArguments):
        assert all(outcome.messages == outcomes[0].messages for outcome in outcomes)
        raise outcomes[0]
    assert all(outcome == outcomes[0] for outcome in outcomes)
    return outcomes[0]  # type: ignore[no-any-return]


def messages(declared: Mapping[str, fields.Field], sent: CallInput) -> dict[str, Any]:
    with pytest.raises(InvalidArguments) as caught:
        parse(declared, sent)
    return caught.value.messages


def file_field(**metadata: Any) -> fields.Raw:
    return fields.Raw(metadata={"type": "file", "location": "form", **metadata})


# What is wrong with a call


def test_a_missing_argument_is_named_as_on_the_wire() -> None:
    assert messages({"a": fields.Int(required=True, data_key="A-1")}, call()) == {
        "A-1": ["Missing data for required field."]
    }


def test_messages_of_lists_are_nested_by_index() -> None:
    declared = {"bbox": fields.List(fields.Float())}

    assert messages(declared, call(query=[("bbox", "1"), ("bbox", "x")])) == {
        "bbox": {1: ["Not a valid number."]}
    }


@pytest.mark.parametrize("body", [b"{", b"nan", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json(body: bytes) -> None:
    with pytest.raises(MalformedBody, match=r"^Invalid JSON body\.$") as caught:
        ArgumentParser({"a": fields.Int()}).parse(CallInput(body=body))
    assert caught.value.kind == "json"


@pytest.mark.parametrize("body", [[], [1], 5, "a", None, True])
def test_a_body_that_is_no_object_counts_as_missing(body: Any) -> None:
    assert parse({"a": fields.Int()}, call(body)) == {}
    assert "a" in messages({"a": fields.Int(required=True)}, call(body))


def test_null_is_refused_unless_declared() -> None:
    assert messages({"a": fields.Int()}, call({"a": None})) == {"a": ["Field may not be null."]}
    assert parse({"a": fields.Int(allow_none=True)}, call({"a": None})) == {"a": None}
    assert "a" in messages({"a": fields.List(fields.Int())}, call({"a": None}))


@pytest.mark.parametrize(
    ("validator", "value"),
    [
        (validate.Range(min=1), "x"),
        (validate.Length(min=1), 5),
        (validate.Regexp("a"), 5),
        (validate.Range(max=Decimal(1)), float("1e300")),
        (lambda value: 1 // int(value), 0),
    ],
)
def test_a_value_that_a_validator_cannot_digest_is_the_clients_mistake(
    validator: Callable[[Any], Any], value: Any
) -> None:
    declared = {
        "good": fields.Int(),
        "absent": fields.Int(),
        "bad": fields.Int(),
        "odd": fields.Raw(validate=validator),
    }

    found = messages(declared, call({"odd": value, "good": 1, "bad": "x"}))

    assert set(found) == {"odd", "bad"}


def quoting(value: Any) -> None:
    """Quote what was given, as Python itself does."""
    float(value)


@pytest.mark.parametrize("is_secret", [True, False])
@pytest.mark.parametrize(
    ("validator", "value"),
    [
        (validate.OneOf(["s3cret-a"], error="{input} is none of {choices}"), "s3cret"),
        (validate.Equal("s3cret-a"), "s3cret"),
        (quoting, "s3cret"),
    ],
)
def test_of_a_secret_value_only_that_it_is_wrong_is_told(
    validator: Callable[[Any], Any], value: Any, is_secret: bool, caplog: pytest.LogCaptureFixture
) -> None:
    metadata = {"secret": is_secret}
    declared = {
        "plain": fields.Int(),
        "odd": fields.Str(validate=validator, metadata=metadata),
    }
    with caplog.at_level("DEBUG"):
        found = messages(declared, call({"odd": value, "plain": "x"}))
    if is_secret:
        assert found == {"plain": ["Not a valid integer."], "odd": ["Invalid value."]}
        assert "s3cret" not in caplog.text
    else:
        assert "s3cret" in f"{found}{caplog.text}"


def test_of_a_secret_that_is_missing_that_is_told() -> None:
    declared = {"key": fields.Str(required=True, metadata={"secret": True})}
    assert messages(declared, call()) == {"key": ["Missing data for required field."]}


def test_a_mistake_of_the_authors_is_not_blamed_on_the_client() -> None:
    def broken(value: Any) -> None:
        raise AttributeError("mistake")

    with pytest.raises(AttributeError, match="mistake"):
        ArgumentParser({"a": fields.Raw(validate=broken)}).parse(call({"a": 1}))


def test_a_default_that_cannot_be_made_is_not_blamed_on_the_client() -> None:
    def broken() -> Any:
        raise ValueError("mistake")

    with pytest.raises(ValueError, match="mistake"):
        ArgumentParser({"a": fields.Raw(load_default=broken)}).parse(call())


def test_two_arguments_of_one_wire_name_are_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="data_key"):
        ArgumentParser({"a": fields.Int(data_key="x"), "b": fields.Int(data_key="x")})


# Where values come from


def test_nothing_declared_is_nothing_parsed() -> None:
    parser = ArgumentParser({})

    assert parser.parse(CallInput(query=(("a", "1"),), body=b"broken")) == {}
    assert parser.arguments == ()


def test_the_first_hit_wins() -> None:
    declared = {"a": fields.Str(), "b": fields.Str(), "c": fields.Str(), "d": fields.Str()}
    sent = call(
        {"a": "j", "b": "j", "c": "j", "e": "j"},
        query={"a": "q"},
        form={"a": "f", "b": "f"},
    )

    assert parse(declared, sent) == {"a": "q", "b": "f", "c": "j"}


def test_an_empty_text_is_a_hit() -> None:
    assert parse({"a": fields.Str()}, call({"a": "j"}, query={"a": ""})) == {"a": ""}


def test_the_first_of_repeated_values_wins() -> None:
    assert parse({"a": fields.Str()}, call(query=[("a", "1"), ("a", "2")])) == {"a": "1"}


@pytest.mark.parametrize("place", ["query", "form", "headers", "cookies"])
def test_a_location_restricts(place: str) -> None:
    declared = {"a": fields.Str(metadata={"location": place})}
    everywhere = call({"a": "json"}, **{p: {"a": p} for p in ("query", "form", "cookies")})
    everywhere = CallInput(
        everywhere.query,
        everywhere.form,
        (),
        everywhere.body,
        (("A", "headers"),),
        everywhere.cookies,
    )

    assert parse(declared, everywhere) == {"a": place}
    assert parse(declared, call({"a": "json"})) == {}


def test_a_location_json_restricts() -> None:
    declared = {"a": fields.Str(metadata={"location": "json"})}

    assert parse(declared, call({"a": "j"}, query={"a": "q"})) == {"a": "j"}


def test_headers_know_no_case() -> None:
    declared = {
        "key": fields.Str(data_key="X-Key", metadata={"location": "headers"}),
        "many": fields.List(fields.Int(), data_key="X-Many", metadata={"location": "headers"}),
    }
    sent = call(headers=[("x-key", "1"), ("X-MANY", "1"), ("x-many", "2")])

    assert parse(declared, sent) == {"key": "1", "many": [1, 2]}


def test_undeclared_arguments_are_ignored() -> None:
    assert parse({"a": fields.Int()}, call({"z": 1}, query={"y": "2"}, form={"x": "3"})) == {}


def test_a_body_that_nothing_can_come_from_is_not_decoded() -> None:
    declared: dict[str, fields.Field] = {
        "a": fields.Int(),
        "b": fields.Str(metadata={"location": "query"}),
    }

    assert ArgumentParser(declared).parse(CallInput(query=(("a", "1"),), body=b"broken")) == {
        "a": 1
    }


@pytest.mark.parametrize("body", [b"", None])
def test_an_empty_body_is_none(body: bytes | None) -> None:
    assert ArgumentParser({"a": fields.Int()}).parse(CallInput(body=body)) == {}


def test_a_body_in_shared_memory() -> None:
    sent = CallInput(body=memoryview(b'{"a": 1}'))

    assert ArgumentParser({"a": fields.Int()}).parse(sent) == {"a": 1}


def test_large_integers_are_exact() -> None:
    declared: dict[str, fields.Field] = {
        "a": fields.Int(),
        "b": fields.Int(),
        "c": fields.Float(),
    }
    body = f'{{"a": {2**70 + 1}, "b": {-(2**65) - 1}, "c": 1e300}}'.encode()

    assert ArgumentParser(declared).parse(CallInput(body=body)) == {
        "a": 2**70 + 1,
        "b": -(2**65) - 1,
        "c": 1e300,
    }


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)
EVERYTHING = ArgumentParser(
    {
        "accept": fields.Str(validate=validate.OneOf([JSON, PNG])),
        "bool": fields.Bool(),
        "date": fields.DateTime(),
        "decimal": fields.Decimal(validate=validate.Range(min=1)),
        "delimited": webargs_fields.DelimitedList(fields.Int()),
        "dict": fields.Dict(fields.Str(), fields.Float()),
        "email": fields.Email(),
        "float": fields.Float(validate=validate.Range(max=5)),
        "header": fields.Str(metadata={"location": "headers"}),
        "int": fields.Int(validate=validate.OneOf([1, 2])),
        "list": fields.List(fields.Int(), validate=validate.Length(max=2)),
        "raw": fields.Raw(validate=[validate.Range(1), validate.Length(1)]),
        "time": fields.Time(),
        "timedelta": fields.TimeDelta(),
        "tuple": fields.Tuple((fields.Int(), fields.Str())),
        "url": fields.Url(),
        "uuid": fields.UUID(),
    }
)
names = st.sampled_from([argument.name for argument in EVERYTHING.arguments])
pairs = st.lists(st.tuples(names, st.text()), max_size=4).map(tuple)


@given(st.dictionaries(names, values, max_size=4), pairs, pairs, pairs)
def test_whatever_a_client_sends_is_taken_or_refused(
    body: Any, query: Any, form: Any, headers: Any
) -> None:
    given_call = CallInput(query=query, form=form, headers=headers, body=json.dumps(body).encode())
    with contextlib.suppress(InvalidArguments, MalformedBody):
        EVERYTHING.parse(given_call)


# What becomes of them


def test_names_on_the_wire_and_odd_names() -> None:
    declared = {
        "rate": fields.Float(data_key="learning-rate"),
        "bbox(N,W,S,E)": fields.Str(),
        "load": fields.Int(),
        "fields": fields.Int(),
    }
    sent = call(query={"learning-rate": "0.5", "bbox(N,W,S,E)": "1", "load": "1", "fields": "2"})

    assert parse(declared, sent) == {"rate": 0.5, "bbox(N,W,S,E)": "1", "load": 1, "fields": 2}


def test_one_value_makes_a_list_of_one() -> None:
    declared = {"a": fields.List(fields.Int()), "b": fields.Tuple((fields.Int(), fields.Int()))}

    assert parse(declared, call({"b": [1, 2]}, query={"a": "1"})) == {"a": [1], "b": (1, 2)}
    assert parse(declared, call({"a": 5})) == {"a": [5]}
    assert parse(declared, call({"a": []})) == {"a": []}


def test_delimited_lists() -> None:
    declared = {"a": webargs_fields.DelimitedList(fields.Int())}

    assert parse(declared, call(query={"a": "1,2"})) == {"a": [1, 2]}
    assert parse(declared, call({"a": "1,2"})) == {"a": [1, 2]}
    assert parse(declared, call({"a": [1, 2]})) == {"a": [1, 2]}
    assert "a" in messages(declared, call({"a": [1, [2]]}))
    assert "a" in messages(declared, call({"a": ["1,2"]}))
    assert "a" in messages(declared, call({"a": True}))


def test_a_dict_comes_from_json_only() -> None:
    declared = {"a": fields.Dict()}

    assert parse(declared, call({"a": {"b": 1}})) == {"a": {"b": 1}}
    assert messages(declared, call(query={"a": "{}"})) == {"a": ["Not a valid mapping type."]}


def test_optional_arguments_without_default_are_absent() -> None:
    declared = {
        "a": fields.Int(),
        "b": fields.Int(load_default=None),
        "c": fields.List(fields.Int(), load_default=list),
    }

    assert parse(declared, call()) == {"b": None, "c": []}


def test_a_documentary_enum_does_not_validate() -> None:
    assert parse({"a": fields.Str(metadata={"enum": ["x"]})}, call({"a": "y"})) == {"a": "y"}


def test_the_legacy_dialect_parses() -> None:
    with pytest.warns(RemovedInMarshmallow4Warning):
        declared = {
            "a": fields.Int(missing=3, description="Number", enum=[1]),
            "b": fields.Str(location="headers"),
        }
    with pytest.warns((RemovedInMarshmallow4Warning, ChangedInMarshmallow4Warning)):
        declared["data"] = fields.Field(type="file", location="form")

    sent = call(query={"b": "q"}, files={"data": CAT})

    assert parse(declared, sent) == {"a": 3, "data": CAT}


def test_an_authors_field_works_where_the_author_is() -> None:
    declared: dict[str, fields.Field] = {"a": Upper(), "b": fields.List(Upper())}
    parser = ArgumentParser(declared)

    assert parser.parse(call({"a": "x", "b": ["y"]})) == {"a": "X", "b": ["Y"]}
    assert parser.dump() is None


def test_fields_of_an_authors_schema() -> None:
    class Author(Schema):
        class Meta:
            unknown = EXCLUDE

        b = fields.Nested({"c": fields.Int(required=True)})
        d = fields.Str(dump_only=True)

    declared = Author().fields

    assert ArgumentParser(declared).parse(call({"b": {"c": "1"}, "d": "x"})) == {"b": {"c": 1}}
    assert messages(declared, call({"b": {}})) == {"b": {"c": ["Missing data for required field."]}}


def test_an_attribute_names_the_keyword() -> None:
    declared = {"a": fields.List(fields.Int(), attribute="b", load_default=[1])}

    assert parse(declared, call()) == {"b": [1]}
    assert parse(declared, call({"a": [2]})) == {"b": [2]}


def test_the_declaration_is_not_changed() -> None:
    accept = fields.Str(validate=validate.OneOf([PNG, JSON]), load_default=JSON)
    items = fields.List(fields.Int())
    ArgumentParser({"accept": accept, "items": items})

    assert accept.load_default == JSON
    assert accept.parent is None
    assert items.inner.parent is None


# Uploads


def test_uploads_and_texts_of_one_name() -> None:
    declared = {"data": file_field()}

    assert parse(declared, call(files=[("data", CAT), ("data", DOG)])) == {"data": CAT}
    assert parse(declared, call(form={"data": "plain"})) == {"data": "plain"}
    assert parse(declared, call(form={"data": "plain"}, files={"data": CAT})) == {"data": CAT}
    assert parse(declared, call({"data": "json"}, query={"data": "query"})) == {}
    assert messages({"data": fields.Raw(required=True)}, call(files={"other": CAT}))


def test_a_location_decides_and_not_a_type() -> None:
    declared = {"a": fields.Raw(metadata={"location": "form"}), "b": fields.Raw()}

    assert parse(declared, call(files={"a": CAT, "b": DOG})) == {"a": CAT, "b": DOG}


def test_a_file_where_a_text_is_declared() -> None:
    declared = {"a": fields.Str()}

    assert messages(declared, call(files={"a": CAT})) == {"a": ["Not a valid string."]}
    assert parse(declared, call(form={"a": "x"}, files={"a": CAT})) == {"a": "x"}


def test_the_location_files_takes_no_text() -> None:
    declared = {"a": fields.Raw(metadata={"location": "files"})}

    assert parse(declared, call(files={"a": CAT})) == {"a": CAT}
    assert parse(declared, call(form={"a": "x"})) == {}


@pytest.mark.parametrize(
    "field",
    [
        fields.List(fields.Raw(metadata={"type": "file"}), metadata={"location": "form"}),
        fields.List(fields.Raw(), metadata={"type": "file", "location": "form"}),
        fields.List(fields.Raw(), metadata={"location": "files"}),
    ],
)
def test_a_list_of_files(field: fields.Field) -> None:
    sent = call(files=[("data", CAT), ("other", CAT), ("data", DOG)])

    assert parse({"data": field}, sent) == {"data": [CAT, DOG]}
    assert ArgumentParser({"data": field}).arguments[0].is_file


# accept


def accept_field(**options: Any) -> fields.Field:
    return fields.Str(**{"validate": validate.OneOf([JSON, PNG]), **options})


def test_accept_is_described_with_anything_and_its_first_choice() -> None:
    (argument,) = ArgumentParser({"accept": accept_field(load_default=PNG)}).arguments

    assert argument.choices == (JSON, PNG, "*/*")
    assert argument.default == JSON


def test_accept_of_a_set_has_the_same_default_in_each_process() -> None:
    offered = {f"image/x-{number}" for number in range(20)}
    accept = fields.Str(validate=validate.OneOf(offered), metadata={"location": "headers"})
    (argument,) = ArgumentParser({"accept": accept}).arguments
    assert argument.default == min(offered)
    assert argument.choices == (*sorted(offered), "*/*")


def test_accept_that_offers_anything_itself() -> None:
    field = fields.Str(validate=validate.OneOf([PNG, "*/*"]))

    assert ArgumentParser({"accept": field}).arguments[0].choices == (PNG, "*/*")
    assert parse({"accept": field}, call(query={"accept": "*/*"})) == {"accept": PNG}


def test_accept_as_an_ordinary_argument_ignores_the_header() -> None:
    declared = {"accept": accept_field(load_default=PNG)}

    assert parse(declared, call(headers={"Accept": PNG})) == {"accept": JSON}
    assert parse(declared, call(query={"accept": PNG})) == {"accept": PNG}
    assert parse(declared, call(query={"accept": "*/*"})) == {"accept": JSON}
    assert messages(declared, call(query={"accept": f"{JSON}, {PNG}"})) == {
        "accept": [f"Must be one of: {JSON}, {PNG}."]
    }


def test_accept_as_a_header_is_negotiated() -> None:
    declared = {"accept": accept_field(metadata={"location": "headers"})}

    assert parse(declared, call()) == {"accept": JSON}
    assert parse(declared, call(query={"accept": PNG})) == {"accept": JSON}
    assert parse(declared, call(headers={"Accept": f"text/html, {PNG};q=0.9"})) == {"accept": PNG}
    assert parse(declared, call(headers={"Accept": "*/*;q=0.8"})) == {"accept": JSON}
    assert parse(declared, call(headers=[("Accept", "text/html"), ("accept", PNG)])) == {
        "accept": PNG
    }
    assert "accept" in messages(declared, call(headers={"Accept": "audio/*"}))


def test_an_empty_accept_header_says_nothing() -> None:
    declared = {"accept": accept_field(metadata={"location": "headers"})}

    assert parse(declared, call(headers={"Accept": ""})) == {"accept": JSON}


def test_accept_without_choices_takes_anything() -> None:
    declared = {"accept": fields.Str(load_default=PNG, data_key="format")}

    assert ArgumentParser(declared).arguments[0].default == PNG
    assert parse(declared, call()) == {"accept": PNG}
    assert parse(declared, call(query={"format": "a/b"})) == {"accept": "a/b"}
    assert parse(declared, call(query={"format": "*/*"})) == {"accept": PNG}


def test_a_required_accept_stays_required() -> None:
    assert "accept" in messages({"accept": accept_field(required=True)}, call())


# Nothing is shared


def test_a_changed_default_does_not_reach_the_next_call() -> None:
    declared = {
        "a": fields.List(fields.Int(), load_default=[1]),
        "b": fields.Dict(load_default={"x": [1]}),
    }
    parser = ArgumentParser(declared)
    first = parser.parse(call())
    first["a"].append(2)
    first["b"]["x"].append(2)

    assert parser.parse(call()) == {"a": [1], "b": {"x": [1]}}


def test_calls_at_the_same_time_do_not_mix() -> None:
    parser = ArgumentParser({"a": fields.Int(), "b": fields.List(fields.Int())})
    wrong: list[Any] = []

    def work(number: int) -> None:
        for _ in range(200):
            got = parser.parse(call({"b": [number]}, form={"a": str(number)}))
            if got != {"a": number, "b": [number]}:
                wrong.append(got)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


# Carried to the server


def test_what_is_carried_says_the_same() -> None:
    parser = ArgumentParser(
        {
            "a": fields.Int(required=True, metadata={"description": "Number"}),
            "accept": accept_field(load_default=PNG, metadata={"location": "headers"}),
            "data": file_field(),
        }
    )

    data = parser.dump()

    assert data is not None
    assert ArgumentParser.load(data).arguments == parser.arguments


def test_what_would_say_something_else_is_not_carried() -> None:
    class Odd:
        def __repr__(self) -> str:
            return "odd"

    field = fields.Int(metadata={"example": Odd()})

    assert ArgumentParser({"a": field}).dump() is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        b'{"x": 5}',
        b'{"x": {"kind": "fields.Integer", "value": {}}}',
        b"\x80\x04cposix\nsystem\n(S'true'\ntR.",
    ],
)
def test_bytes_from_elsewhere_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no portable fields"):
        ArgumentParser.load(data)


def test_no_arguments_are_carried_too() -> None:
    data = ArgumentParser({}).dump()

    assert data is not None
    assert ArgumentParser.load(data).parse(call()) == {}


def test_an_error_of_the_whole_has_a_name_too() -> None:
    class Author(fields.Field):
        def deserialize(self, *args: Any, **kwargs: Any) -> Any:
            raise ValidationError("Both or none.", field_name="_schema")

    assert messages({"a": Author()}, call({"a": 1})) == {"a": ["Both or none."]}


# Shown


@pytest.mark.parametrize("attribute", ["other", "account.password"])
def test_display_masks_a_secret_that_the_model_gets_by_another_name(attribute: str) -> None:
    field = fields.Str(attribute=attribute, metadata={"secret": True})
    parser = ArgumentParser({"key": field})
    given = parser.parse(call({"key": "hush"}))
    assert "hush" in str(given)
    assert display(parser.arguments, given) == {attribute.partition(".")[0]: "***"}


def test_display_masks_secrets_and_shortens_files() -> None:
    arguments = (
        Argument("key", "key", "String", is_secret=True),
        Argument("data", "data", "Raw", is_file=True),
    )
    kwargs = {
        "key": "hush",
        "data": CAT,
        "many": [CAT, "x"],
        "when": date(2026, 1, 2),
        "at": {"now": datetime(2026, 1, 2)},
        "odd": MISSING,
        "kind": int,
    }

    assert display(arguments, kwargs) == {
        "key": "***",
        "data": ["data", PNG, "cat.png"],
        "many": [["data", PNG, "cat.png"], "x"],
        "when": "2026-01-02",
        "at": {"now": "2026-01-02T00:00:00"},
        "odd": "missing",
        "kind": "<class 'int'>",
    }
    assert display((), {}) == {}
