# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is to be fetched for a call, and where it goes."""

from typing import Any

import pytest
from webargs import fields

from deepaas.errors import InvalidArguments
from deepaas.model.arguments import ArgumentParser
from deepaas.model.fetched import fetched_of, wanted_files
from deepaas.model.schema import describe_field
from deepaas.records import CallInput, UploadedFile

FETCH = {"fetch": True}


@pytest.mark.parametrize(
    ("field", "is_fetched", "media_types"),
    [
        (fields.Url(), False, ()),
        (fields.Url(metadata={"content_types": ["image/*"]}), False, ()),
        (fields.Url(metadata={"fetch": False}), False, ()),
        (fields.Url(metadata=FETCH), True, ()),
        (fields.Url(metadata={**FETCH, "content_types": "image/*"}), True, ("image/*",)),
        (fields.Url(metadata={**FETCH, "content_types": ["a/b", "c/d"]}), True, ("a/b", "c/d")),
        (fields.List(fields.Url(metadata=FETCH)), True, ()),
        (fields.List(fields.Url(), metadata={**FETCH, "content_types": ["a/b"]}), True, ("a/b",)),
        (fields.DelimitedList(fields.Url(metadata=FETCH)), True, ()),
        (fields.List(fields.Str(metadata=FETCH)), False, ()),
        (fields.Bool(metadata=FETCH), False, ()),
        (fields.Url(metadata={**FETCH, "type": "file", "location": "form"}), False, ()),
    ],
)
def test_declarations(field: Any, is_fetched: bool, media_types: tuple[str, ...]) -> None:
    argument = describe_field("x", field)
    assert (argument.is_fetched, argument.media_types) == (is_fetched, media_types)
    parser = ArgumentParser({"x": field})
    data = parser.dump()
    assert data is not None
    assert ArgumentParser.load(data).arguments == parser.arguments


@pytest.mark.parametrize(
    ("field", "call", "urls"),
    [
        (fields.Url(), CallInput(), None),
        (fields.Url(), CallInput(query=(("x", "a"), ("x", "b"))), ("a",)),
        (fields.Url(), CallInput(body=b'{"x": null}'), None),
        (fields.Url(), CallInput(body=b'{"x": ["a"]}'), ("a",)),
        (fields.Url(load_default="d"), CallInput(), ("d",)),
        (fields.Url(load_default="d"), CallInput(body=b'{"x": null}'), None),
        (fields.List(fields.Url()), CallInput(query=(("x", "a"), ("x", "b"))), ("a", "b")),
        (fields.List(fields.Url()), CallInput(body=b'{"x": ["a", 1]}'), ("a",)),
        (fields.List(fields.Url(), load_default=["d", "e"]), CallInput(), ("d", "e")),
        (fields.DelimitedList(fields.Url()), CallInput(query=(("x", "a,b"),)), ("a", "b")),
        (fields.DelimitedList(fields.Url()), CallInput(body=b'{"x": ["a", "b"]}'), ("a", "b")),
    ],
)
def test_what_is_wanted(field: Any, call: CallInput, urls: tuple[str, ...] | None) -> None:
    field.metadata.update(FETCH)
    fetched = fetched_of([describe_field("x", field), describe_field("y", fields.Str())])
    assert [each.urls for each in wanted_files(call, fetched)] == ([] if urls is None else [urls])


def test_where_files_go() -> None:
    parser = ArgumentParser(
        {
            "one": fields.Url(data_key="two", attribute="three", metadata=FETCH),
            "none": fields.Url(allow_none=True, load_default=None, metadata=FETCH),
        }
    )
    file = UploadedFile("two", "/x")
    query = (("two", "http://a.example/"),)
    given = CallInput(query=query, files=(("two", file), ("two", UploadedFile("other"))))
    assert parser.parse(given) == {"three": file, "none": None}
    assert parser.parse_texts(given)["three"] == "http://a.example/"
    with pytest.raises(InvalidArguments, match="not fetched here"):
        parser.parse(CallInput(query=query))
    assert parser.parse(CallInput()) == {"none": None}
