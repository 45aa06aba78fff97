# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Raises what is asked for."""

from typing import Any

from aiohttp import web
from marshmallow import ValidationError
from webargs import fields

from deepaas import InvalidInput
from tests.integration.signals import of_the_test

signals = of_the_test()


class Translated(str):
    """A text of the author's own class, which the server has never heard of."""


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text today")


class Localized(Exception):
    def __str__(self) -> str:
        return Translated("nicht gut")


class Picky(fields.Field):
    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if value == "object":
            raise ValidationError([Translated("not you"), Mute])
        return value


def get_predict_args() -> dict[str, Any]:
    return {"what": fields.Str(load_default=""), "picky": Picky()}


def predict(what: str, picky: Any = None) -> str:
    signals.note("called")
    match what:
        case "ValueError":
            raise ValueError("seven is not a colour")
        case "HTTPBadRequest":
            raise web.HTTPBadRequest(reason="no cat in the picture")
        case "exception as reason":
            try:
                raise ValueError("no dog\nin the picture")
            except ValueError as exc:
                raise web.HTTPBadRequest(reason=exc) from exc  # type: ignore[arg-type]
        case "HTTPException":
            raise web.HTTPException(reason=ValueError("no bird"))  # type: ignore[arg-type]
        case "half a character":
            raise web.HTTPBadRequest(reason="no file \udcff")
        case "control characters":
            raise web.HTTPBadRequest(reason="\x1b[31mred\x00")
        case "a long reason":
            raise web.HTTPBadRequest(reason="x" * 100_000)
        case "mute reason":
            raise web.HTTPBadRequest(reason=Mute())  # type: ignore[arg-type]
        case "no text":
            raise Mute
        case "text of another class":
            raise Localized
        case "InvalidInput":
            raise InvalidInput("the picture is too small")
        case "MemoryError":
            raise MemoryError("9 GB")
        case "KeyboardInterrupt":
            raise KeyboardInterrupt
        case "StopIteration":
            raise StopIteration
    return "fine"
