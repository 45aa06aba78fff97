# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Cog's server; the class to serve is named in the environment, as ``cog build`` does.

Started as ``python -m cog.server.http`` with ``COG_PREDICT_TYPE_STUB=server.py:noop``.
"""

from typing import Any

from cog import BasePredictor

from benchmarks import model


class noop(BasePredictor):  # noqa: N801 - named as the model is
    def predict(self, number: int, text: str) -> dict[str, Any]:
        return model.echo(number, text)


class work(BasePredictor):  # noqa: N801 - named as the model is
    def predict(self, number: int) -> dict[str, Any]:
        return model.work(number)


class single(BasePredictor):  # noqa: N801 - named as the model is
    def predict(self, number: int) -> dict[str, Any]:
        return model.batch([number])[0]
