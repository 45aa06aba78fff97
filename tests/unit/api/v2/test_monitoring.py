# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A model's history can be read, and a wrong question is answered as one."""

import math
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deepaas.api.app import create_app
from deepaas.api.v2 import monitoring
from deepaas.model.encoding import encode_json
from deepaas.store.monitoring import Seen
from deepaas.testing import NOON, InMemoryMonitoringStore
from tests.unit.api.client import Client, echo_client, opened
from tests.unit.parts import echo_service

PATH = "/v2/models/echo/history"
#: The beginning of the minute of noon, in seconds since 1970.
BEGIN_S = int(NOON.timestamp()) // 60 * 60


async def ask(client: Client, **query: Any) -> Any:
    response = await client.get(PATH, params=query)
    assert response.status == 200, await response.text()
    return await response.json()


async def test_what_was_seen_can_be_asked_for(tmp_path: Path) -> None:
    store = InMemoryMonitoringStore()
    minutes = (
        Seen("echo", NOON, ready=1, requests={"2xx": 2}, jobs={"done": 3}),
        Seen("echo", NOON + timedelta(minutes=1), samples=0, latencies={0.1: 1, math.inf: 1}),
    )
    await store.add(minutes, now=NOON)
    async with echo_service(tmp_path) as service, opened(create_app(service)) as client:
        service.monitoring.open(store)
        found = await ask(client)
        assert found["step_s"] == 60
        first, second = found["samples"]
        assert first == {
            "time": "2026-11-22T12:00:00+00:00",
            "samples": 1,
            "ready": 1.0,
            "requests": {"2xx": 2},
            "predictions": {"count": 0, "sum_s": 0.0, "p50_s": None, "p95_s": None, "p99_s": None},
            "jobs": {
                "queued": 0,
                "running": 0,
                "done": 3,
                "error": 0,
                "cancelled": 0,
                "interrupted": 0,
            },
        }
        assert second["ready"] is None
        assert second["predictions"]["count"] == 2
        assert (second["predictions"]["p50_s"], second["predictions"]["p99_s"]) == (0.1, 300.0)
        times = [sample["time"] for sample in found["samples"]]
        for query, expected in (
            ({"since": BEGIN_S + 60}, times[1:]),
            ({"until": BEGIN_S + 60}, times[:1]),
            ({"limit": 1}, times[1:]),
            ({"since": BEGIN_S + 600}, []),
            ({"step": "hour"}, times[:1]),
        ):
            assert [each["time"] for each in (await ask(client, **query))["samples"]] == expected
        assert (await ask(client, step="hour"))["step_s"] == 3600


async def test_a_week_of_minutes_is_put_together_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []

    def encode(value: object) -> bytes:
        threads.append(threading.current_thread())
        return encode_json(value)

    monkeypatch.setattr(monitoring, "encode_json", encode)
    async with echo_service(tmp_path) as service, opened(create_app(service)) as client:
        service.monitoring.open(InMemoryMonitoringStore())
        assert (await ask(client))["samples"] == []
    [thread] = threads
    assert thread is not threading.current_thread()


@pytest.mark.parametrize(
    "query",
    [
        *({"since": "yesterday"}, {"since": -1}, {"until": 10**15}),
        *({"step": "day"}, {"limit": 0}, {"limit": 10_081}),
    ],
)
async def test_a_wrong_question(tmp_path: Path, query: dict[str, Any]) -> None:
    async with echo_client(tmp_path) as client:
        response = await client.get(PATH, params=query)
        assert response.status == 422
        assert list((await response.json())["errors"]) == list(query)


async def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        assert (await client.get("/v2/models/cow/history")).status == 404


async def test_without_a_store(tmp_path: Path) -> None:
    async with echo_service(tmp_path) as service, opened(create_app(service)) as client:
        await service.monitoring.close()
        response = await client.get(PATH)
        assert response.status == 503
        assert response.content_type == "application/problem+json"
