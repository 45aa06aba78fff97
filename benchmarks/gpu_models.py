# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A large network on a GPU, as our server serves it: in batches, and call by call.

Served as ``deepaas-run --model-name benchmarks.gpu_models:batched``.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
import torchvision
from marshmallow import fields

import deepaas

BATCH_SIZE = 64
_SIDE = 224


@cache
def network() -> torch.nn.Module:
    """Return a ResNet-50 with random weights, in half precision."""
    made: torch.nn.Module = torchvision.models.resnet50(weights=None)
    return made.eval().half().cuda().to(memory_format=torch.channels_last)


@cache
def pictures() -> torch.Tensor:
    """Return pictures to choose from, shape (64, 3, 224, 224), on the GPU."""
    generator = torch.Generator("cuda").manual_seed(1)
    shape = (BATCH_SIZE, 3, _SIDE, _SIDE)
    made = torch.rand(shape, generator=generator, device="cuda", dtype=torch.half)
    return made.contiguous(memory_format=torch.channels_last)


def classify(numbers: Sequence[int]) -> list[int]:
    """Return the most likely class of each picture, in one pass over the network."""
    with torch.inference_mode():
        chosen = pictures()[torch.tensor([number % BATCH_SIZE for number in numbers])]
        classes: list[int] = network()(chosen).argmax(dim=1).tolist()
    return classes


class Single:
    """One picture, one pass."""

    def get_metadata(self) -> dict[str, Any]:
        return {"name": "benchmark", "author": "The DEEPaaS developers"}

    def warm(self) -> None:
        """Load the network, and let the libraries choose their kernels."""
        for size in (1, 2, 4, 8, 16, 32, BATCH_SIZE):
            for _ in range(5):
                classify(range(size))

    def get_predict_args(self) -> dict[str, Any]:
        return {"number": fields.Int(required=True)}

    def predict(self, number: int) -> dict[str, int]:
        return {"number": number, "class": classify([number])[0]}


class Batched(Single):
    """The same, in batches."""

    batch = deepaas.Batch(max_size=BATCH_SIZE)

    def predict_batch(self, calls: Sequence[dict[str, Any]]) -> list[dict[str, int]]:
        numbers = [call["number"] for call in calls]
        classes = classify(numbers)
        return [
            {"number": number, "class": found}
            for number, found in zip(numbers, classes, strict=True)
        ]


single = Single()
batched = Batched()
