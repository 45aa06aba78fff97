# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Raises what PyTorch raises when the GPU is lost to the process, in every way that calls run."""

import os
from collections.abc import Iterator
from typing import Any

from webargs import fields

import deepaas

HOW = os.environ["HOW_CALLS_RUN"]
LOST = (
    "CUDA error: device-side assert triggered\n"
    "CUDA kernel errors might be asynchronously reported at some other API call."
)


def get_predict_args() -> dict[str, Any]:
    return {"lost": fields.Bool(load_default=False)}


def answer(lost: bool) -> int:
    if lost:
        raise RuntimeError(LOST)
    return os.getpid()


def items(lost: bool) -> Iterator[int]:
    yield os.getpid()
    yield answer(lost)


async def answer_later(lost: bool) -> int:
    return answer(lost)


def predict_batch(calls: list[dict[str, Any]]) -> list[int]:
    return [answer(call["lost"]) for call in calls]


match HOW:
    case "in a stream":
        predict = items
    case "asynchronously":
        predict = answer_later  # type: ignore[assignment]  # one of several
    case "in batches":
        batch = deepaas.Batch(max_size=8)
        del answer_later
    case "alone":
        predict = answer  # type: ignore[assignment]  # one of several
