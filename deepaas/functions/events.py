# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What platforms tell a function: objects that came into a storage, or a call that is waited for.

The kinds: Amazon S3 and MinIO, Onedata, dCache, Rucio, the envelope of OSCAR, CloudEvents in their
structured mode, API gateways, OpenWhisk, and OSCAR's synchronous call, which is the bare body.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import parse_qsl, unquote_plus

from deepaas.errors import InvalidInput

#: Events lie in events: an envelope, in the body of a request, in an envelope.
_MAX_DEPTH: Final = 8
_OPENWHISK: Final = "__ow_"
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that an event names; its content is elsewhere."""

    #: Decoded, with slashes.
    key: str
    #: Empty where the event says none.
    bucket: str = ""

    @property
    def name(self) -> str:
        """The last part of the key."""
        return PurePosixPath(self.key).name


@dataclass(frozen=True, slots=True)
class Call:
    """What a client sent, who waits for the answer; its ``repr`` shows nothing of it."""

    #: Arguments by name; ``None`` where :attr:`content` is a file as it is.
    arguments: Mapping[str, Any] | None = field(default=None, repr=False)
    content: bytes = field(default=b"", repr=False)
    #: Of the content, as the client stated it.
    content_type: str | None = None
    #: Arguments as texts, from the address.
    query: Mapping[str, str] = field(default_factory=dict, repr=False)


Event = Call | tuple[StoredObject, ...]


def read_event(data: bytes) -> Event:
    """Return what an event is about.

    Args:
        data: JSON; anything else is a file as it is, or in base64 as OSCAR sends one.

    Raises:
        InvalidInput: It is an event of a kind that is known, and wrong.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return Call(content=_from_base64(data))
    return _event_of(value, 0) if isinstance(value, dict) else Call(content=data)


def _event_of(value: Mapping[str, Any], depth: int) -> Event:
    if depth > _MAX_DEPTH:
        raise InvalidInput(f"The event holds events in more than {_MAX_DEPTH} layers.")
    inner = value.get("event")
    if _is_of_gateway(value):
        return _from_gateway(value, depth)
    if (parameters := _openwhisk_parameters(value)) is not None:
        return _from_openwhisk(parameters, depth)
    if "specversion" in value:
        return _from_cloud_event(value, depth)
    if "subscription" in value and isinstance(inner, dict):
        return (_stored(inner.get("name"), "name of the event of dCache"),)
    if "event_type" in value and isinstance(value.get("payload"), dict):
        return (_from_rucio(value["payload"]),)
    if isinstance(inner, dict) and value.keys() <= {"event", "storage_provider"}:
        return _event_of(inner, depth + 1)
    records = value.get("Records")
    if isinstance(records, list) and all(isinstance(each, dict) for each in records):
        return _from_records(value, records)
    return Call(arguments=value)


def _from_records(value: Mapping[str, Any], records: list[dict[str, Any]]) -> Event:
    found = tuple(_from_record(value, each) for each in records if not _is_removal(each))
    if not found:
        raise InvalidInput("The event names no object that has come.")
    return found


def _is_removal(record: Mapping[str, Any]) -> bool:
    name = str(record.get("eventName", ""))
    return "Removed" in name or "Delete" in name


def _from_record(value: Mapping[str, Any], record: Mapping[str, Any]) -> StoredObject:
    if record.get("eventSource") == "OneTrigger":
        name, whole = record.get("objectKey"), value.get("Key")
        is_of_record = isinstance(whole, str) and whole.endswith(f"/{name}")
        return _stored(whole if is_of_record else name, "objectKey of the event of Onedata")
    try:
        key, bucket = record["s3"]["object"]["key"], record["s3"]["bucket"]["name"]
        # As a form encodes it: S3 and MinIO write a space as a plus sign.
        decoded = unquote_plus(key, errors="strict")
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError) as exc:
        raise InvalidInput(
            "A record of the event names no object; it needs s3.bucket.name and s3.object.key,"
            " which is encoded as in an address."
        ) from exc
    return _stored(decoded, "s3.object.key of the event", bucket)


def _from_rucio(payload: Mapping[str, Any]) -> StoredObject:
    return _stored(payload.get("name"), "payload.name of the event of Rucio", payload.get("scope"))


def _stored(key: object, what: str, bucket: object = None) -> StoredObject:
    if not isinstance(key, str) or not _is_name(key):
        raise InvalidInput(f"The {what} is {key!r}, which is no name of an object.")
    if ".." in PurePosixPath(key).parts:
        raise InvalidInput(f"The {what} is {key!r}; a name that leads upwards is refused.")
    return StoredObject(key.lstrip("/"), bucket if isinstance(bucket, str) else "")


def _is_name(key: str) -> bool:
    """Tell whether a key ends in what a file can be called."""
    try:
        os.fsencode(key)
    except UnicodeEncodeError:
        return False
    return "\0" not in key and not key.endswith("/") and PurePosixPath(key).name != ""


def _from_cloud_event(value: Mapping[str, Any], depth: int) -> Event:
    """Read one in structured mode (CloudEvents 1.0, section 3 of its format in JSON)."""
    data = value.get("data")
    kind = str(value.get("datacontenttype") or _JSON)
    if isinstance(data, dict):
        if "Records" in data or "specversion" in data:
            return _event_of(data, depth + 1)
        key = data.get("key", data.get("name") if "bucket" in data else None)
        if key is not None:
            return (_stored(key, "data.key of the event", data.get("bucket")),)
        return Call(arguments=data)
    if "data_base64" in value:
        return _from_body(value["data_base64"], kind, depth, is_base64=True)
    if data is not None:
        text = data if isinstance(data, str) else json.dumps(data)
        return _from_body(text, kind, depth)
    return (_stored(value.get("subject"), "subject of the event"),)


def _is_of_gateway(value: Mapping[str, Any]) -> bool:
    """Tell an HTTP request by its method: in payload format 1.0 of AWS, or deeper in 2.0."""
    context = value.get("requestContext")
    http = context.get("http") if isinstance(context, dict) else None
    return "httpMethod" in value or (isinstance(http, dict) and "method" in http)


def _from_gateway(value: Mapping[str, Any], depth: int) -> Event:
    kind = _content_type(value.get("headers"))
    is_base64 = value.get("isBase64Encoded") is True
    event = _from_body(value.get("body") or "", kind or _JSON, depth, is_base64=is_base64)
    query = value.get("queryStringParameters") or {}
    if not isinstance(query, dict):
        raise InvalidInput("queryStringParameters of the event is no object.")
    return _with_query(event, query)


def _openwhisk_parameters(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for found in (value, value.get("value")):
        if isinstance(found, dict) and any(name.startswith(_OPENWHISK) for name in found):
            return found
    return None


def _from_openwhisk(parameters: Mapping[str, Any], depth: int) -> Event:
    """Read the parameters of a web action, raw or not."""
    named = {name: each for name, each in parameters.items() if not name.startswith(_OPENWHISK)}
    body = parameters.get("__ow_body")
    if not body:
        event: Event = Call(arguments=named)
    else:
        kind = _content_type(parameters.get("__ow_headers")) or _JSON
        event = _from_body(body, kind, depth, is_base64=not kind.startswith("text/"))
    return _with_query(event, dict(parse_qsl(str(parameters.get("__ow_query") or ""))))


def _with_query(event: Event, query: Mapping[str, Any]) -> Event:
    if not isinstance(event, Call):
        return event
    return replace(event, query={name: str(text) for name, text in query.items()})


def _content_type(headers: object) -> str | None:
    if isinstance(headers, dict):
        for name, text in headers.items():
            if str(name).lower() == "content-type" and isinstance(text, str):
                return text.strip()
    return None


def _from_body(body: object, kind: str, depth: int, *, is_base64: bool = False) -> Event:
    if isinstance(body, dict):
        return _event_of(body, depth + 1)
    if not isinstance(body, str):
        raise InvalidInput("The body of the event is no text.")
    if kind.lower().startswith("multipart/"):
        raise InvalidInput(
            f"The body of the event is {kind.partition(';')[0]}; send a file as it is, or JSON."
        )
    content = _decoded(body) if is_base64 else body.encode("utf-8", "surrogatepass")
    if not is_json(kind):
        return Call(content=content, content_type=kind)
    try:
        value = json.loads(content) if content.strip() else {}
    except (ValueError, RecursionError) as exc:
        raise InvalidInput("The body of the event is no JSON, though it says so.") from exc
    if isinstance(value, dict):
        return _event_of(value, depth + 1)
    return Call(content=content, content_type=kind)


def is_json(content_type: str) -> bool:
    """Tell whether a media type is JSON."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == _JSON or kind.endswith("+json")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidInput("The body of the event is no base64, though it says so.") from exc


def _from_base64(data: bytes) -> bytes:
    """Return what base64 stands for; anything else as it is."""
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error:
        return data
