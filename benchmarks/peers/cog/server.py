# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Cog's server; the class to serve is named in the environment, as ``cog build`` does.

Calls beyond its slots are refused, and more than one slot needs a coroutine. Started as
``python -m cog.server.http`` with ``COG_PREDICT_TYPE_STUB=server.py:noop``.
"""

from typing import Any

from cog import BasePredictor

from benchmarks import model


class noop(BasePredictor):
    async def predict(self, number: int, text: str) -> dict[str, Any]:
        return model.echo(number, text)


class work(BasePredictor):
    async def predict(self, number: int) -> dict[str, Any]:
        return model.work(number)


class single(BasePredictor):
    async def predict(self, number: int) -> dict[str, Any]:
        return model.batch([number])[0]
