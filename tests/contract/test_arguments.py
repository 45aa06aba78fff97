# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Where arguments are looked up, and what the model gets."""

import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

import pytest

from tests.integration.harness import Answer, Server

CURRENT, OLD = "takes_arguments", "takes_arguments_of_old"
REQUIRED = ["Missing data for required field."]


def post(
    server: Server,
    model: str = CURRENT,
    *,
    query: Any = (),
    form: Any = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    kind = "application/json" if form is None else "application/x-www-form-urlencoded"
    if form is not None:
        body = urllib.parse.urlencode(form).encode()
    path = f"/v2/models/{model}/predict/?{urllib.parse.urlencode(query)}"
    named = {"Content-Type": kind} if body is not None else {}
    return server.request("POST", path, body=body, headers={**named, **(headers or {})})


def got(answer: Answer, *, number: int = 3) -> Any:
    """Return the keyword arguments, that of a default apart."""
    assert answer.status == 200, answer.text
    given = answer.json["predictions"]
    assert given.pop("number") == number
    return given


@pytest.mark.row("C18", "C31")
def test_fields_of_every_origin(server: Server) -> None:
    query = {"text": "a", "float": "0.5", "own": "abc", "number": "4"}
    assert got(post(server, query=query), number=4) == {"text": "a", "float": 0.5, "own": "cba"}
    answer = post(server, "takes_a_schema", query={"text": "a"})
    assert answer.json["predictions"] == {"number": 1, "text": "a"}


@pytest.mark.row("C19", "C24")
def test_names(server: Server) -> None:
    query = {"name-with-dash": "d", "bbox(N,W,S,E)": "1,2,3,4", "on-the-wire": "w", "keyword": "k"}
    assert got(post(server, query=query)) == {
        "name-with-dash": "d",
        "bbox(N,W,S,E)": "1,2,3,4",
        "keyword": "w",
    }


@pytest.mark.row("C20")
def test_the_first_place_wins(server: Server) -> None:
    both = {"text": "other", "own": "o"}
    answer = post(server, query={"text": "query"}, form=both)
    assert got(answer) == {"text": "query", "own": "o"}
    answer = post(server, query={"text": "query"}, body=json.dumps(both).encode())
    assert got(answer) == {"text": "query", "own": "o"}
    assert got(post(server, form={"text": "form"})) == {"text": "form"}
    assert got(post(server, body=b'{"text": "json"}')) == {"text": "json"}


@pytest.mark.row("C21", "C31")
def test_a_location_restricts(server: Server) -> None:
    places = ("query", "querystring", "form", "json", "headers", "cookies")
    everything = {f"of-{place}": "x" for place in places}
    elsewhere = {
        "headers": everything,
        "query": everything,
    }
    cookie = "; ".join(f"of-{place}=c" for place in places)
    headers = {**elsewhere["headers"], "Cookie": cookie}
    found = {"of-query": "x", "of-querystring": "x", "of-headers": "x", "of-cookies": "c"}
    form = dict.fromkeys(everything, "f")
    answer = post(server, query=everything, form=form, headers=headers)
    assert got(answer) == {**found, "of-form": "f"}
    body = json.dumps(dict.fromkeys(everything, "j")).encode()
    answer = post(server, query=everything, body=body, headers=headers)
    assert got(answer) == {**found, "of-json": "j"}


@pytest.mark.row("C23")
def test_what_is_not_declared_is_ignored(server: Server) -> None:
    assert got(post(server, query={"none": "1"}, form={"other": "2"})) == {}
    assert got(post(server, body=b'{"none": 1}')) == {}


@pytest.mark.row("C25")
def test_lists_are_repeated_keys(server: Server) -> None:
    assert got(post(server, query=[("list", "1"), ("list", "2")])) == {"list": [1, 2]}
    assert got(post(server, query={"list": "1"})) == {"list": [1]}
    assert got(post(server, form=[("list", "1"), ("list", "2")])) == {"list": [1, 2]}
    assert got(post(server, body=b'{"list": [1, 2]}')) == {"list": [1, 2]}
    assert got(post(server, body=b'{"list": 1}')) == {"list": [1]}


@pytest.mark.row("C26")
def test_delimited_lists(server: Server) -> None:
    assert got(post(server, query={"delimited": "1,2"})) == {"delimited": [1, 2]}
    assert got(post(server, form={"delimited": "1,2"})) == {"delimited": [1, 2]}


@pytest.mark.row("C27")
def test_dicts_come_from_json(server: Server) -> None:
    assert got(post(server, body=b'{"dict": {"a": [1]}}')) == {"dict": {"a": [1]}}
    answer = post(server, query={"dict": "{}"})
    assert (answer.status, answer.json) == (422, {"dict": ["Not a valid mapping type."]})


@pytest.mark.row("C28", "C53")
@pytest.mark.parametrize("body", [b"[]", b'"text"', b"5", b"null"])
def test_a_body_that_is_no_object_counts_as_missing(server: Server, body: bytes) -> None:
    assert got(post(server, body=body)) == {}
    answer = post(server, "takes_a_schema", body=body)
    assert (answer.status, answer.json) == (422, {"text": REQUIRED})
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.row("C29")
def test_what_is_optional_and_not_given_is_absent(server: Server) -> None:
    assert got(post(server)) == {}


@pytest.mark.row("C18", "C30", "C21")
def test_the_legacy_dialect(server: Server) -> None:
    defaults = {"number": 3, "text": "x"}
    assert post(server, OLD).json["predictions"] == defaults
    answer = post(server, OLD, query={"number": "5", "header": "q"}, headers={"Header": "h"})
    assert answer.json["predictions"] == {"number": 5, "text": "x", "header": "h"}
    assert post(server, OLD, form={"text": "form"}).json["predictions"] == defaults
    answer = server.upload(f"/v2/models/{OLD}/predict/", [("data", "a.png", b"1")])
    assert answer.json["predictions"] == {**defaults, "data": "a.png"}


@pytest.mark.row("C32")
@pytest.mark.parametrize(("model", "choices"), [(CURRENT, "a, b"), (OLD, "a")])
def test_an_enum_documents_and_a_validator_validates(
    server: Server, model: str, choices: str
) -> None:
    free = {CURRENT: {"free": "zzz"}, OLD: {"number": "2"}}[model]
    assert post(server, model, query=free).status == 200
    answer = post(server, model, query={"checked": "zzz"})
    assert (answer.status, answer.json) == (422, {"checked": [f"Must be one of: {choices}."]})
    assert post(server, model, query={"checked": "a"}).status == 200


@pytest.mark.row("C54")
def test_messages_of_lists_are_nested_by_index(server: Server) -> None:
    answer = post(server, query=[("list", "1"), ("list", "x"), ("list", "y")])
    wrong = ["Not a valid integer."]
    assert (answer.status, answer.json) == (422, {"list": {"1": wrong, "2": wrong}})


@pytest.mark.row("C27")
def test_numbers_that_python_writes_and_json_lacks(server: Server) -> None:
    """They come, as ever; fields of numbers refuse them."""
    answer = post(server, body=b'{"dict": {"a": [NaN, -Infinity, 1.5]}}')
    assert (answer.status, answer.json["predictions"]["dict"]) == (200, {"a": [None, None, 1.5]})
    answer = post(server, body=b'{"float": NaN}')
    assert (answer.status, list(answer.json)) == (422, ["float"])


@pytest.mark.row("C55")
@pytest.mark.parametrize("body", [b"{", b"text", b'{"a": nan}', b"\xff"])
def test_a_body_that_is_no_json(server: Server, body: bytes) -> None:
    answer = post(server, body=body)
    assert (answer.status, answer.json) == (400, {"json": ["Invalid JSON body."]})
    assert answer.headers["Content-Type"] == "application/json"
