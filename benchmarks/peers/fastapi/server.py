# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""FastAPI with uvicorn, the model in a plain function, which runs in a thread.

Run as ``python server.py MODEL PORT``.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from benchmarks import model


class Echo(BaseModel):
    number: int
    text: str


class Raw(BaseModel):
    data: Any


class Floats(BaseModel):
    data: list[list[float]]


class Number(BaseModel):
    number: int


class Count(BaseModel):
    count: int


def noop(given: Echo) -> dict[str, Any]:
    return model.echo(given.number, given.text)


def raw(given: Raw) -> dict[str, Any]:
    return model.corner(given.data)


def floats(given: Floats) -> dict[str, Any]:
    return model.corner(given.data)


def file(data: UploadFile) -> dict[str, Any]:
    return model.size(data.file)


def work(given: Number) -> dict[str, Any]:
    return model.work(given.number)


def single(given: Number) -> dict[str, Any]:
    return model.batch([given.number])[0]


def stream(given: Count) -> StreamingResponse:
    def lines() -> Iterator[bytes]:
        for item in model.stream(given.count):
            yield json.dumps(item).encode() + b"\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def health() -> str:
    return "ok"


app = FastAPI()
app.post("/predict")(globals()[sys.argv[1]])
app.get("/health")(health)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error", access_log=False)
