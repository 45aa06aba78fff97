# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Little that becomes much: compressed, nested, or written with many digits."""

import gzip
import json
import tracemalloc
import zlib
from pathlib import Path
from typing import NamedTuple

import pytest
from marshmallow import fields

from deepaas.api.app import create_app
from deepaas.errors import MalformedBody
from deepaas.model import jsonform, lookup
from deepaas.model.arguments import ArgumentParser
from deepaas.model.nesting import MAX_DEPTH
from deepaas.records import CallInput, ModelSource, SourceKind
from deepaas.service.incoming import PARSE_HERE_BYTES
from tests.unit.api.client import PREDICT, TRAIN, Client, RawAnswer, echo_client, opened, raw
from tests.unit.parts import Elsewhere, echo_service

ANYTHING = ModelSource("anything", SourceKind.ENTRY_POINT, "tests.unit.attacks.takes_anything")
ASYNC = {"Prefer": "respond-async"}
MANY_BYTES = 100_000_000
LIMIT_BYTES = 1_000_000
GZIP = "Content-Encoding: gzip"
JSON = "Content-Type: application/json"


def bomb_of_zeros(before: bytes, after: bytes) -> bytes:
    """Return many zeros, compressed, between two texts; never whole in memory."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    pieces = [packer.compress(before)]
    pieces += [packer.compress(bytes(1_000_000)) for _ in range(MANY_BYTES // 1_000_000)]
    return b"".join([*pieces, packer.compress(after), packer.flush()])


async def post(client: Client, path: str, body: bytes, *headers: str) -> RawAnswer:
    length = f"Content-Length: {len(body)}"
    return await raw(client, f"POST {path} HTTP/1.1", length, *headers, body=body)


@pytest.fixture(scope="module")
def form() -> bytes:
    """Return a form with a file of many zeros, compressed."""
    head = b'--x\r\nContent-Disposition: form-data; name="data"; filename="a"\r\n\r\n'
    return bomb_of_zeros(head, b"\r\n--x--\r\n")


@pytest.mark.parametrize("guarded", [True, False])
async def test_a_compressed_file(tmp_path: Path, form: bytes, guarded: bool) -> None:
    """The limit counts what it becomes; and what it becomes is never in memory as a whole."""
    assert len(form) < LIMIT_BYTES
    async with echo_client(tmp_path, max_bytes=LIMIT_BYTES if guarded else 0) as client:
        tracemalloc.start()
        kind = "Content-Type: multipart/form-data; boundary=x"
        # The training would take the file; there is none, since its other argument is wrong.
        answer = await post(client, f"{TRAIN}?epochs=x", form, kind, GZIP)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert answer.status == (413 if guarded else 422)
    assert peak < MANY_BYTES / 2


@pytest.mark.parametrize("guarded", [True, False])
async def test_compressed_json(tmp_path: Path, guarded: bool) -> None:
    text = b'{"text": "' + b"x" * (2 * LIMIT_BYTES) + b'"}'
    body = gzip.compress(text)
    assert len(body) < LIMIT_BYTES / 100
    async with echo_client(tmp_path, max_bytes=LIMIT_BYTES if guarded else 0) as client:
        answer = await post(client, PREDICT, body, JSON, GZIP)
    assert answer.status == (413 if guarded else 200)


def nested(depth: int, *, is_object: bool) -> bytes:
    """Return JSON that goes so many levels deep."""
    if is_object:
        return b'{"value": ' + b'{"a":' * (depth - 1) + b"1" + b"}" * (depth - 1) + b"}"
    return b'{"value": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


class Deep(NamedTuple):
    """What comes of a deep value, for each kind of call."""

    direct: int
    back: int
    queued: int
    trained: int


async def outcome(tmp_path: Path, body: bytes) -> Deep:
    store = Elsewhere()  # nothing needs to run
    async with (
        echo_service(tmp_path, source=ANYTHING, store=store) as service,
        opened(create_app(service)) as client,
    ):
        paths = ("predict/", "predict/?back=1", "predict/", "train/")
        answers = [
            await client.post(
                f"/v2/models/anything/{path}",
                data=body,
                headers={"Content-Type": "application/json", **headers},
            )
            for path, headers in zip(paths, ({}, {}, ASYNC, {}), strict=True)
        ]
        # Whatever came of it, the next call is served.
        assert (await client.post("/v2/models/anything/predict/")).status == 200
        return Deep(*(answer.status for answer in answers))


@pytest.mark.parametrize("is_object", [True, False])
@pytest.mark.parametrize("depth", [200, 201, 500, 1_000, 100_000])
async def test_nested_json(tmp_path: Path, depth: int, is_object: bool) -> None:
    body = nested(depth, is_object=is_object)
    good, bad = Deep(200, 200, 202, 200), Deep(400, 400, 400, 400)
    assert await outcome(tmp_path, body) == (good if depth <= MAX_DEPTH else bad)


async def test_nested_json_that_the_worker_reads(tmp_path: Path) -> None:
    for depth, expected in ((200, (200, 200, 202, 200)), (201, (400, 400, 400, 400))):
        body = nested(depth, is_object=True)[:-1] + b', "x": "%s"}' % (b"y" * PARSE_HERE_BYTES)
        folder = tmp_path / str(depth)
        folder.mkdir()
        assert await outcome(folder, body) == expected


async def test_unguarded_nested_json_looks_like_a_fault_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "is_too_deep", lambda body: False)
    found = await outcome(tmp_path, nested(1000, is_object=False))
    # How deep a worker can go, and what becomes of it then, is another matter in each Python.
    assert found.back in (500, 503)
    assert found.queued == found.trained == 500


def test_python_s_own_reader_is_not_followed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = nested(100_000, is_object=False)
    with pytest.raises(RecursionError):
        json.loads(bomb)
    monkeypatch.setattr(jsonform, "_HAS_ORJSON", False)
    with pytest.raises(MalformedBody):
        ArgumentParser({"value": fields.Raw()}).parse(CallInput(body=bomb))


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ('{"number": ' + "9" * 5_000 + "}", 400),
        ('{"number": ' + "9" * 1_000_000 + "}", 400),
        ('{"number": 1e999}', 422),
        ('{"number": -1e999}', 422),
        ('{"number": 1e308}', 200),
        ('{"number": NaN}', 422),
        ('{"number": 1, "number": 2}', 200),
        ('{"number": "' + "9" * 5_000 + '"}', 422),
        ('{"values": [1e999]}', 422),
        ('{"values": ["1e999"]}', 422),
        ('{"text": "\\ud800"}', 400),
        ("\ufeff{}", 400),
    ],
)
async def test_numbers_and_names(tmp_path: Path, text: str, status: int) -> None:
    async with echo_client(tmp_path) as client:
        answer = await post(client, PREDICT, text.encode(), JSON)
        assert answer.status == status, answer.text[:300]
    if status == 200 and text.count("number") == 2:
        assert json.loads(answer.text)["predictions"] == {"number": 2}


def test_unguarded_python_itself_trips_over_many_digits() -> None:
    with pytest.raises(ValueError, match="digits"):
        json.loads("9" * 5_000)
