# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Parameters of our own routes are read as they are documented."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from deepaas.api import parameters
from deepaas.api.parameters import cursor_of, place_of, read, read_key
from deepaas.errors import InvalidArguments
from deepaas.records import JobPlace


def request(path: str = "/", *headers: tuple[str, str]) -> Any:
    return make_mocked_request("GET", path, headers=CIMultiDict(headers))


def pattern(name: str) -> str:
    """Return the documented form of a parameter of a list."""
    (argument,) = (each for each in parameters.jobs().arguments if each.wire_name == name)
    return str(argument.schema["pattern"])


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    st.from_regex("[0-9a-f]{32}", fullmatch=True),
)
def test_a_place_survives_the_way_to_a_client_and_back(moment: datetime, job: str) -> None:
    cursor = cursor_of(JobPlace(moment, job))
    assert re.search(pattern("cursor"), cursor)
    assert place_of(cursor) == JobPlace(moment, job)


@given(st.from_regex(r"\A[0-9]{1,16}-[0-9a-f]{32}\Z"))
def test_every_cursor_of_the_documented_form_is_a_place(cursor: str) -> None:
    assert place_of(cursor).created - datetime(1970, 1, 1, tzinfo=UTC) >= timedelta(0)


def test_what_is_not_given_has_its_default() -> None:
    assert read(request(), parameters.jobs()) == {"order": "newest", "limit": 100}
    assert read(request(), parameters.log()) == {"follow": False}
    assert read(request(), parameters.events()) == {}
    assert read_key(request()) is None


@pytest.mark.parametrize("key", ["a", '"8e03978e-40d5"', "a b", "~" * 255])
def test_a_key(key: str) -> None:
    assert read_key(request("/", ("Idempotency-Key", key))) == key


@pytest.mark.parametrize("keys", [[""], [" "], ["a" * 256], ["a\tb"], ["é"], ["a", "a"]])
def test_what_is_no_key(keys: list[str]) -> None:
    with pytest.raises(InvalidArguments) as caught:
        read_key(request("/", *(("Idempotency-Key", key) for key in keys)))
    assert list(caught.value.messages) == ["Idempotency-Key"]
