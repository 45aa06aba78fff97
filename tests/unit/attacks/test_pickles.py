# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""No byte of a client's is ever unpickled, wherever it stands."""

import base64
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from aiohttp import web

from deepaas.records import JobState
from deepaas.testing import InMemoryJobStore
from tests.unit.api.client import PREDICT, TRAIN, Client, echo_client, opened
from tests.unit.parts import ROOT, until

MEDIA_TYPES = [
    "application/x-pickle",
    "application/x-python-pickle",
    "application/vnd.python.pickle",
    "application/octet-stream",
    "application/json",
    "application/json; charset=latin-1",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
]


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "went off"


@pytest.mark.parametrize("protocol", [0, pickle.HIGHEST_PROTOCOL])
async def test_unguarded_it_goes_off(marker: Path, protocol: int) -> None:
    async def take(request: web.Request) -> web.Response:
        pickle.loads(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    async with opened(app) as client:
        await client.post("/", data=pickle.dumps(Bomb(marker), protocol))
    assert marker.exists()


async def send(client: Client, bomb: bytes, path: str, headers: Mapping[str, str]) -> None:
    """Send a pickle in every place that there is."""
    text = quote_from_bytes(bomb)
    for media_type in MEDIA_TYPES:
        await client.post(path, data=bomb, headers={**headers, "Content-Type": media_type})
    form = "application/x-www-form-urlencoded"
    await client.post(f"{path}?text={text}&values={text}", headers=headers)
    for field in ("text", "data", "token", "how"):
        await client.post(path, data=f"{field}={text}", headers={**headers, "Content-Type": form})
        part = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="a.pkl"\r\n\r\n'
        await client.post(
            path,
            data=part.encode() + bomb + b"\r\n--x--\r\n",
            headers={**headers, "Content-Type": "multipart/form-data; boundary=x"},
        )
    encoded = base64.b64encode(bomb).decode()
    for name in ("Cookie", "Accept", "X-Request-ID", "Authorization", "Idempotency-Key"):
        await client.post(path, headers={**headers, name: encoded})
    await client.post(path, json={"text": encoded, "how": bomb.decode("latin-1")}, headers=headers)


@pytest.mark.parametrize("protocol", [0, pickle.HIGHEST_PROTOCOL])
async def test_predictions_direct_and_queued(tmp_path: Path, marker: Path, protocol: int) -> None:
    store = InMemoryJobStore()
    async with echo_client(tmp_path, store=store) as client:
        bomb = pickle.dumps(Bomb(marker), protocol)
        await send(client, bomb, PREDICT, {})
        await send(client, bomb, PREDICT, {"Prefer": "respond-async"})

        async def are_ended() -> bool:
            counts = await store.count_by_state("echo", kind="predict")
            return not counts[JobState.QUEUED] and not counts[JobState.RUNNING]

        while not await are_ended():
            await client.get("/v2/")
    assert not marker.exists()


async def test_a_training(tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    store = InMemoryJobStore()
    async with echo_client(tmp_path, store=store) as client:
        bomb = pickle.dumps(Bomb(marker))
        form = b'--x\r\nContent-Disposition: form-data; name="data"; filename="a.pkl"\r\n\r\n%s\r\n'
        response = await client.post(
            TRAIN,
            data=form % bomb + b"--x--\r\n",
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
        job = (await response.json())["uuid"]
        await until((tmp_path / "jobs" / job / "end.json").exists)
    assert not marker.exists()
