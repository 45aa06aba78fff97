# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Each kind of event tells what it is about; a wrong one says what is wrong."""

import copy
import json
from typing import Any

import pytest

from deepaas.errors import InvalidInput
from deepaas.functions.events import Call, Event, StoredObject, read_event
from tests.unit.functions import samples

P1 = (StoredObject("inputs/p1.json", "demo"),)


def read(value: object) -> Event:
    return read_event(json.dumps(value).encode())


def call(value: object) -> Call:
    found = read(value)
    assert isinstance(found, Call)
    return found


def with_key(key: object) -> dict[str, Any]:
    event = copy.deepcopy(samples.MINIO)
    event["Records"][0]["s3"]["object"]["key"] = key
    return event


@pytest.mark.parametrize(
    ("event", "found"),
    [
        (samples.MINIO, P1),
        (samples.S3, (StoredObject("audio/input/file one.wav", "scar-deepaas"),)),
        (samples.ONEDATA, (StoredObject("my-onedata-space/files/file.txt"),)),
        (samples.DCACHE, (StoredObject("image2.jpg"),)),
        (samples.RUCIO, (StoredObject("dataset_name", "username"),)),
        (samples.DELEGATED, P1),
        ({"event": samples.MINIO}, P1),
        (samples.CLOUD, P1),
        ({**samples.CLOUD, "data": samples.MINIO}, P1),
        ({**samples.CLOUD, "data": {"bucket": "demo", "name": "inputs/p1.json"}}, P1),
        ({**samples.CLOUD, "data": None}, (StoredObject("inputs/p1.json"),)),
        ({**samples.GATEWAY, "body": json.dumps(samples.MINIO)}, P1),
        (with_key("gr%C3%B6%C3%9Fe%2B1+%252F.json"), (StoredObject("größe+1 %2F.json", "demo"),)),
        ({"Records": samples.MINIO["Records"] * 2}, P1 * 2),
    ],
)
def test_a_storage_names_its_objects(event: object, found: Event) -> None:
    assert read(event) == found


def test_a_trigger_that_names_another_object_names_that_of_its_record() -> None:
    event = {**samples.ONEDATA, "Key": "/space/other.txt"}
    assert read(event) == (StoredObject("file.txt"),)


def test_an_object_has_the_name_that_its_key_ends_in() -> None:
    assert [each.name for each in P1] == ["p1.json"]


def test_what_was_removed_is_no_object() -> None:
    gone = {**samples.MINIO["Records"][0], "eventName": "s3:ObjectRemoved:Delete"}
    assert read({"Records": [gone, *samples.MINIO["Records"]]}) == P1
    with pytest.raises(InvalidInput, match="names no object that has come"):
        read({"Records": [gone]})


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"Records": [{"eventSource": "minio:s3"}]}, "names no object; it needs"),
        (with_key(None), "names no object; it needs"),
        (with_key("%FF"), "names no object; it needs"),
        (with_key("inputs/"), "no name of an object"),
        (with_key("a%00b"), "no name of an object"),
        (with_key("a\ud800"), "no name of an object"),
        ({**samples.GATEWAY, "body": "\ud800"}, "no JSON, though it says so"),
        (with_key("../../etc/passwd"), "leads upwards"),
        ({**samples.DCACHE, "event": {"mask": []}}, "event of dCache is None"),
        ({**samples.RUCIO, "payload": {}}, "event of Rucio is None"),
        ({**samples.CLOUD, "data": None, "subject": ""}, "subject of the event is ''"),
        ({**samples.CLOUD, "data": "no JSON"}, "no JSON, though it says so"),
        ({**samples.GATEWAY, "body": "no JSON"}, "no JSON, though it says so"),
        ({**samples.GATEWAY, "body": ["a"]}, "is no text"),
        ({**samples.GATEWAY, "queryStringParameters": "k=v"}, "is no object"),
        ({**samples.GATEWAY, "body": "?", "isBase64Encoded": True}, "no base64"),
        (
            {**samples.GATEWAY, "headers": {"content-type": "multipart/form-data; boundary=x"}},
            "is multipart/form-data; send a file as it is",
        ),
    ],
)
def test_a_wrong_event_says_what_is_wrong(event: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read(event)


def test_events_in_events_have_an_end() -> None:
    event: dict[str, Any] = samples.MINIO
    for _ in range(9):
        event = {"event": event}
    with pytest.raises(InvalidInput, match="more than 8 layers"):
        read(event)


@pytest.mark.parametrize("event", [samples.GATEWAY, samples.GATEWAY_2])
def test_a_call_through_a_gateway_has_a_query_too(event: dict[str, Any]) -> None:
    found = call(event)
    assert (found.arguments, found.query) == ({"n": 1}, {"k": "v"})


@pytest.mark.parametrize("context", [None, "x", {"http": "x"}, {"http": {}}])
def test_an_argument_may_be_called_as_a_part_of_a_request_is(context: object) -> None:
    assert read({"requestContext": context}) == Call(arguments={"requestContext": context})


def test_a_call_through_a_gateway_may_be_a_file() -> None:
    found = call(samples.GATEWAY)
    assert repr(found) == "Call(content_type=None)"
    assert call({"httpMethod": "GET"}) == Call(arguments={})
    headers = {"Accept": "*/*", "content-TYPE": " image/png "}
    event = {**samples.GATEWAY, "headers": headers, "body": "eA==", "isBase64Encoded": True}
    found = call(event)
    assert (found.content, found.content_type) == (b"x", "image/png")


def test_a_synchronous_call_is_its_body() -> None:
    assert read(samples.SYNCHRONOUS) == Call(arguments=samples.SYNCHRONOUS)
    assert read_event(b"[1]") == Call(content=b"[1]")
    assert read_event(b"eHl6\neHl6\n") == Call(content=b"xyzxyz")
    assert read_event(b"\x89PNG") == Call(content=b"\x89PNG")


def test_an_argument_may_be_called_event() -> None:
    body = {"event": {"n": 1}, "size": 2}
    assert read(body) == Call(arguments=body)


def test_openwhisk_sends_a_body_or_parameters() -> None:
    found = call(samples.OPENWHISK)
    assert (found.content, found.content_type) == (b"\x89PNG", "image/png")
    assert found.query == {"k": "v"}
    assert call({"__ow_method": "post", "n": 3}).arguments == {"n": 3}
    body = {"__ow_headers": {"content-type": "text/plain"}, "__ow_body": "a b"}
    assert call({"value": body}).content == b"a b"
    for headers in (None, {"accept": "*/*"}):
        json_body = {"__ow_headers": headers, "__ow_body": "eyJuIjogMX0="}
        assert call({"value": json_body}).arguments == {"n": 1}


def test_a_cloud_event_may_carry_what_the_function_needs() -> None:
    assert call({**samples.CLOUD, "data": {"n": 1}}).arguments == {"n": 1}
    assert call({**samples.CLOUD, "data": '{"n": 1}'}).arguments == {"n": 1}
    assert call({**samples.CLOUD, "data": [1]}).content == b"[1]"
    image = {**samples.CLOUD, "datacontenttype": "image/png", "data_base64": "eA=="}
    del image["data"]
    assert call(image) == Call(content=b"x", content_type="image/png")


def test_a_body_may_be_an_object_already() -> None:
    assert call({**samples.GATEWAY, "body": {"n": 1}}).arguments == {"n": 1}
