# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""LitServe, one worker. Run as ``python server.py MODEL PORT``."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import litserve
from pydantic import BaseModel

from benchmarks import model


class Echo(BaseModel):
    number: int
    text: str


class Floats(BaseModel):
    data: list[list[float]]


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:
        """Nothing to load."""


class noop(Api):
    def decode_request(self, request: Echo) -> Echo:
        return request

    def predict(self, given: Echo) -> dict[str, Any]:
        return model.echo(given.number, given.text)


class raw(Api):
    def predict(self, given: dict[str, Any]) -> dict[str, Any]:
        return model.corner(given["data"])


class floats(Api):
    def decode_request(self, request: Floats) -> Floats:
        return request

    def predict(self, given: Floats) -> dict[str, Any]:
        return model.corner(given.data)


class file(Api):
    def predict(self, given: dict[str, Any]) -> dict[str, Any]:
        return model.size(given["data"].file)


class work(Api):
    def predict(self, given: dict[str, Any]) -> dict[str, Any]:
        return model.work(given["number"])


class single(Api):
    def predict(self, given: dict[str, Any]) -> dict[str, Any]:
        return model.batch([given["number"]])[0]


class batch(Api):
    def predict(self, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return model.batch([each["number"] for each in given])


class stream(Api):
    def predict(self, given: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from model.stream(given["count"])

    # Not annotated: LitServe makes a field of what it is said to return.
    def encode_response(self, output: Iterator[dict[str, Any]]):
        for item in output:
            yield json.dumps(item) + "\n"


#: A batch is what waits; LitServe does not take more than one call without a time to wait.
OPTIONS = {
    "batch": {"max_batch_size": model.BATCH_SIZE, "batch_timeout": 0.001},
    "stream": {"stream": True},
}

if __name__ == "__main__":
    name = sys.argv[1]
    server = litserve.LitServer(
        globals()[name](**OPTIONS.get(name, {})),
        accelerator="cpu",
        workers_per_device=1,
        timeout=False,
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[2]),
        generate_client_file=False,
        log_level="error",
        access_log=False,
    )
