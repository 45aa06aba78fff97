# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Nothing that a client sends begins a line of the log, or says anything to a terminal."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from deepaas.execution.messages import Failure
from deepaas.service.predictions import error_of
from deepaas.telemetry import JsonFormatter, TextFormatter
from tests.unit.api.client import PREDICT, Client, echo_client, raw

FORGED = "2026-01-01T00:00:00.000 CRITICAL deepaas forged"
HOSTILE = [
    *(f"x\n{FORGED}", f"x\r\n{FORGED}", f"x\r{FORGED}", f"x\u2028{FORGED}"),
    *("x\x1b[2J\x9b0m", "x\u202edegrof", "x\u2066\u200f"),
]


@contextmanager
def logged(formatter: logging.Formatter) -> Iterator[io.StringIO]:
    """Collect what is logged, as it is written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def is_forged(text: str) -> bool:
    """Tell whether a reader, or a terminal, would take something for what it is not."""
    starts = any(line.startswith(FORGED) for line in text.splitlines())
    return starts or any(not char.isprintable() and char != "\n" for char in text)


async def send_hostile(client: Client) -> None:
    """Send hostile texts wherever a client may."""
    for text in HOSTILE:
        escaped = quote(text)
        for line in (
            f"POST {PREDICT}?text={escaped}&number={escaped} HTTP/1.1",
            f"GET /v2/models/{escaped}/ HTTP/1.1",
            f"GET /v2/models/echo/jobs/{escaped} HTTP/1.1",
            f"GET /static/{escaped} HTTP/1.1",
        ):
            await raw(client, line)
        for name in ("X-Request-ID", "Origin", "Idempotency-Key", "User-Agent", "Authorization"):
            await raw(client, "GET /v2/ HTTP/1.1", f"{name}: {text!r}")
            await raw(
                client, "GET /v2/ HTTP/1.1", f"{name}: {text.encode('utf-8').decode('latin-1')}"
            )
        await client.post(PREDICT, json={"text": text, "number": text, "how": text})
        await client.post(PREDICT, data=text.encode(), headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("formatter", "guarded"),
    [(TextFormatter(), True), (JsonFormatter(), True), (logging.Formatter(), False)],
)
async def test_what_clients_send(
    tmp_path: Path, formatter: logging.Formatter, guarded: bool
) -> None:
    with logged(formatter) as stream:
        async with echo_client(tmp_path) as client:
            await send_hostile(client)
        for text in HOSTILE:
            # A model's exception quotes what it was given.
            trace = f"Traceback (most recent call last):\nValueError: {text}\n"
            error_of(Failure("ValueError", text, trace), "echo")
    text = stream.getvalue()
    assert "ValueError" in text
    assert is_forged(text) is not guarded
    if isinstance(formatter, JsonFormatter):
        assert all(json.loads(line) for line in text.splitlines())
