# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A prediction is answered as the contract says, whatever the model does."""

from pathlib import Path

import pytest

from tests.unit.api.client import PREDICT, echo_client


async def test_predictions_are_switched_off(tmp_path: Path) -> None:
    async with echo_client(tmp_path, predict=False) as client:
        response = await client.post(PREDICT, json={})
        assert response.status == 402
        assert await response.text() == "402: Payment Required"


async def test_a_model_that_is_not_served(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        response = await client.post("/v2/models/dog/predict/", json={})
        assert response.status == 404


@pytest.mark.parametrize(
    ("how", "status", "text"),
    [
        ("raise", 500, "500: ValueError: boom"),
        ("invalid", 400, "400: not a cat"),
        ("strange", 500, "500: Strange: (its text cannot be made: RuntimeError)"),
        ("missing", 501, "501: Not implemented by underlying model (loaded 'echo')"),
        ("conflict", 409, "409: busy\twith another"),
    ],
)
async def test_a_model_that_fails(tmp_path: Path, how: str, status: int, text: str) -> None:
    async with echo_client(tmp_path) as client:
        response = await client.post(f"{PREDICT}?how={how}")
        assert response.status == status
        assert await response.text() == text
        assert "X-Request-ID" in response.headers


async def test_a_model_may_answer_nothing(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        response = await client.post(f"{PREDICT}?how=empty")
        assert response.status == 204
        assert await response.read() == b""
        # The connection is not confused by it.
        assert (await client.post(PREDICT)).status == 200


async def test_wrong_arguments(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        response = await client.post(PREDICT, json={"number": -1, "values": [1, "x"]})
        assert response.status == 422
        assert response.content_type == "application/json"
        assert await response.json() == {
            "number": ["Must be greater than or equal to 0."],
            "values": {"1": ["Not a valid number."]},
        }


async def test_an_answer(tmp_path: Path) -> None:
    async with echo_client(tmp_path) as client:
        response = await client.post(f"{PREDICT}?number=3")
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        assert await response.text() == '{"status":"OK","predictions":{"number":3}}'
