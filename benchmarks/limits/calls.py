# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Run the models on bodies as they came, for both reference programs."""

from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson

from benchmarks import model


def _echo(given: dict[str, Any]) -> dict[str, Any]:
    number, text = given["number"], given["text"]
    if type(number) is not int or type(text) is not str:
        raise TypeError("number must be an integer, text a string")
    return model.echo(number, text)


def _corner(given: dict[str, Any]) -> dict[str, Any]:
    return model.corner(given["data"])


def _work(given: dict[str, Any]) -> dict[str, Any]:
    return model.work(given["number"])


def _single(given: dict[str, Any]) -> dict[str, Any]:
    return model.batch([given["number"]])[0]


FUNCTIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "noop": _echo,
    "raw": _corner,
    "floats": _corner,
    "work": _work,
    "single": _single,
}


def answer(name: str, body: bytes | Path) -> bytes:
    """Run one call.

    Args:
        name: The model.
        body: JSON; for the model ``file`` the content, or the file in which it lies.
    """
    if name == "file":
        if isinstance(body, Path):
            with body.open("rb") as file:
                return orjson.dumps(model.size(file))
        return orjson.dumps(model.size(BytesIO(body)))
    assert isinstance(body, bytes)
    return orjson.dumps(FUNCTIONS[name](orjson.loads(body)))


def answer_batch(bodies: Sequence[bytes]) -> list[bytes]:
    """Run calls of the model ``batch`` together."""
    numbers = [orjson.loads(body)["number"] for body in bodies]
    return [orjson.dumps(result) for result in model.batch(numbers)]


def answer_stream(body: bytes) -> Iterator[bytes]:
    """Run a call of the model ``stream``: a line of JSON an item."""
    for item in model.stream(orjson.loads(body)["count"]):
        yield orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE)
