# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The models as DEEPaaS serves them, this version and 2.6.0 alike.

Served as ``deepaas-run --model-name benchmarks.deepaas_models:noop``.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from marshmallow import fields

import deepaas
from benchmarks import model

FILE = {"type": "file", "location": "form"}


class _Model:
    """What version 2 asks of every model."""

    def get_metadata(self) -> dict[str, Any]:
        return {"name": "benchmark", "author": "The DEEPaaS developers"}

    def warm(self) -> None:
        """Nothing to load."""


class Noop(_Model):
    """Two validated arguments."""

    def get_predict_args(self) -> dict[str, Any]:
        return {"number": fields.Int(required=True), "text": fields.Str(required=True)}

    def predict(self, number: int, text: str) -> dict[str, Any]:
        return model.echo(number, text)


class Raw(_Model):
    """An array of which nothing is declared."""

    def get_predict_args(self) -> dict[str, Any]:
        return {"data": fields.Raw(required=True)}

    def predict(self, data: Sequence[Sequence[float]]) -> dict[str, Any]:
        return model.corner(data)


class Floats(Raw):
    """The same array, declared."""

    def get_predict_args(self) -> dict[str, Any]:
        return {"data": fields.List(fields.List(fields.Float()), required=True)}


class File(_Model):
    """An upload."""

    def get_predict_args(self) -> dict[str, Any]:
        return {"data": fields.Raw(required=True, metadata=FILE)}

    def predict(self, data: Any) -> dict[str, Any]:
        with open(data.filename, "rb") as file:
            return model.size(file)


class Work(_Model):
    """Twenty milliseconds of a processor."""

    def get_predict_args(self) -> dict[str, Any]:
        return {"number": fields.Int(required=True)}

    def predict(self, number: int) -> dict[str, Any]:
        return model.work(number)


class Single(Work):
    """A model that could be batched and is not."""

    def predict(self, number: int) -> dict[str, Any]:
        return model.batch([number])[0]


class Batch(Single):
    """The same model, batched."""

    def predict_batch(self, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return model.batch([call["number"] for call in calls])


if hasattr(deepaas, "Batch"):  # 2.6.0 has no batching
    Batch.batch = deepaas.Batch(max_size=model.BATCH_SIZE)  # type: ignore[attr-defined]  # see above


class Stream(_Model):
    """Items, one by one."""

    def get_predict_args(self) -> dict[str, Any]:
        return {"count": fields.Int(required=True)}

    def predict(self, count: int) -> Iterator[dict[str, Any]]:
        yield from model.stream(count)


class Train(Noop):
    """Trainings that keep a processor busy, and predictions that do nothing."""

    def get_train_args(self) -> dict[str, Any]:
        return {
            "seconds": fields.Float(required=True),
            "lines_per_s": fields.Float(load_default=0.0),
            "mark": fields.Str(required=True),
        }

    def train(self, seconds: float, lines_per_s: float, mark: str) -> int:
        if not hasattr(deepaas, "Training"):  # 2.6.0 keeps nothing, and is told nothing
            return model.train(seconds, lines_per_s, mark, keep=None, report=lambda done: None)
        keep = deepaas.checkpoint_dir() / "done"
        return model.train(seconds, lines_per_s, mark, keep=keep, report=deepaas.progress)


if hasattr(deepaas, "Training"):
    Train.training = deepaas.Training(resumable=True)  # type: ignore[attr-defined]  # see above

noop = Noop()
raw = Raw()
floats = Floats()
file = File()
work = Work()
single = Single()
batch = Batch()
stream = Stream()
train = Train()
