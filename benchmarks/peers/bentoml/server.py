# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""BentoML; the service to serve is named: ``bentoml serve server:noop``."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bentoml

from benchmarks import model


@bentoml.service
class noop:
    @bentoml.api
    def predict(self, number: int, text: str) -> dict[str, Any]:
        return model.echo(number, text)


@bentoml.service
class raw:
    @bentoml.api
    def predict(self, data: list[Any]) -> dict[str, Any]:
        return model.corner(data)


@bentoml.service
class floats:
    @bentoml.api
    def predict(self, data: list[list[float]]) -> dict[str, Any]:
        return model.corner(data)


@bentoml.service
class file:
    @bentoml.api
    def predict(self, data: Path) -> dict[str, Any]:
        with data.open("rb") as opened:
            return model.size(opened)


@bentoml.service
class work:
    @bentoml.api
    def predict(self, number: int) -> dict[str, Any]:
        return model.work(number)


@bentoml.service
class single:
    @bentoml.api
    def predict(self, number: int) -> dict[str, Any]:
        return model.batch([number])[0]


@bentoml.service
class batch:
    @bentoml.api(batchable=True, max_batch_size=model.BATCH_SIZE)
    def predict(self, number: list[int]) -> list[dict[str, Any]]:
        return model.batch(number)


@bentoml.service
class stream:
    @bentoml.api
    def predict(self, count: int) -> Iterator[str]:
        for item in model.stream(count):
            yield json.dumps(item) + "\n"
