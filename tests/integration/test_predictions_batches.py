# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Calls that are answered together fail and end alone; an answer may be larger than one write."""

import http.client
import json
from pathlib import Path

import pytest

from tests.integration.harness import PATIENCE_S, serve
from tests.integration.signals import serve_signalling

GIB = 1 << 30


def test_one_of_eight_calls_in_a_batch_is_given_up_and_the_others_are_right(tmp_path: Path) -> None:
    with serve_signalling("batches", tmp_path) as (server, signals):
        clients = [server.send(f"/v2/models/batches/predict/?number={n}") for n in range(8)]
        assert signals.wait_note("begins") == ["8"]
        clients[3].close()
        signals.allow("go")
        for number, client in enumerate(clients):
            if number != 3:
                answer = json.loads(client.getresponse().read())
                assert answer["predictions"] == 2 * number
                client.close()


def test_a_call_of_a_batch_that_is_wrong_is_refused_alone(tmp_path: Path) -> None:
    with serve_signalling("batches", tmp_path) as (server, signals):
        signals.allow("go")
        clients = [server.send(f"/v2/models/batches/predict/?number={n}") for n in range(8)]
        assert server.predict("batches", number="x").status == 422
        assert [json.loads(client.getresponse().read())["predictions"] for client in clients] == [
            2 * number for number in range(8)
        ]
        for client in clients:
            client.close()


@pytest.mark.slow
def test_an_answer_of_more_than_2_gib(tmp_path: Path) -> None:
    size = 2 * GIB + 5
    with serve("returns_much", tmp_path) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
        connection.request("POST", f"/v2/models/returns_much/predict/?size={size}")
        response = connection.getresponse()
        assert response.status == 200
        count = 0
        while chunk := response.read(1 << 22):
            count += len(chunk)
        connection.close()
        assert count == size
        assert server.predict("returns_much", size=3).body == bytes(3)
