# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An object of JSON alone is read at once, with the outcome of looking everywhere."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepaas.errors import MalformedBody
from deepaas.model.lookup import ANYWHERE, Lookup, Rule
from deepaas.records import CallInput

NAMES = ("a", "b", "c")
PLAIN = [Rule(name, ANYWHERE, is_list=False, is_file=False, delimiter=None) for name in NAMES]
#: Nobody sends it, and with it a call is looked at place by place.
ODD = Rule("odd", ("headers",), is_list=False, is_file=False, delimiter=None)

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.lists(st.integers(), max_size=3),
)
BODIES = st.one_of(
    st.dictionaries(st.sampled_from([*NAMES, "other"]), VALUES), st.lists(VALUES), VALUES
)


@given(BODIES)
def test_an_object_alone_is_found_as_anywhere_else(body: object) -> None:
    call = CallInput(body=json.dumps(body).encode("utf-8", "surrogatepass"))
    assert Lookup(PLAIN).find(call) == Lookup([*PLAIN, ODD]).find(call)


@pytest.mark.parametrize("place", ["query", "form"])
def test_another_place_wins_over_the_body(place: str) -> None:
    call = CallInput(body=b'{"a": 1, "b": 2}', **{place: (("a", "there"),)})  # type: ignore[arg-type]
    assert Lookup(PLAIN).find(call) == {"a": "there", "b": 2}


def test_an_integer_of_any_size_is_exact() -> None:
    call = CallInput(body=b'{"a": 123456789012345678901234567890}')
    assert Lookup(PLAIN).find(call) == {"a": 123456789012345678901234567890}


def test_a_body_that_is_no_json() -> None:
    with pytest.raises(MalformedBody, match="Invalid JSON body"):
        Lookup(PLAIN).find(CallInput(body=b"{"))


def test_without_a_body_there_is_nothing() -> None:
    assert Lookup(PLAIN).find(CallInput()) == {}


def test_where_nothing_is_declared_no_body_is_read() -> None:
    assert Lookup(()).find(CallInput(body=b"{")) == {}
