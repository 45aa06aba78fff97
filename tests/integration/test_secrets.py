# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A secret that is planted in every way comes out nowhere, and stays only where a job needs it."""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest

from deepaas.api.app import ROUTES
from tests.integration.harness import Answer, Server, serve, wait_for
from tests.integration.models.takes_secrets import CHOICE, DEFAULT

MODEL = "takes_secrets"
#: What any planted value begins with.
PLANTED = b"planted-"
FUNCTIONS = ("predict", "queued", "train", "evaluate")
FINAL = ("done", "error", "cancelled", "interrupted")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


class Request(NamedTuple):
    """A request that carries a secret."""

    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes | None = None


NOTHING = Request()


def in_query(name: str, value: str) -> Request:
    return Request("?" + urlencode({name: value}))


def in_form(name: str, value: str) -> Request:
    return Request(headers=FORM, body=urlencode({name: value}).encode())


def in_json(name: str, value: Any) -> Request:
    return Request(headers=JSON, body=json.dumps({name: value}).encode())


def in_large_json(name: str, value: Any) -> Request:
    """As one that the worker reads."""
    return Request(headers=JSON, body=json.dumps({name: value, "x": "y" * 300_000}).encode())


def in_part(name: str, value: str) -> Request:
    head = b'--x\r\nContent-Disposition: form-data; name="%s"' % name.encode()
    file = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nz\r\n'
    body = head + b"\r\n\r\n" + value.encode() + b"\r\n" + file + b"--x--\r\n"
    return Request(headers={"Content-Type": "multipart/form-data; boundary=x"}, body=body)


PLACES: dict[str, Callable[[str], Request]] = {
    "query": lambda value: in_query("key", value),
    "form": lambda value: in_form("key", value),
    "part": lambda value: in_part("key", value),
    "json": lambda value: in_json("key", value),
    "large": lambda value: in_large_json("key", value),
    "list": lambda value: in_json("keys", [value]),
    "renamed": lambda value: in_query("renamed", value),
    "header": lambda value: Request(headers={"X-Key": value}),
    "cookie": lambda value: Request(headers={"Cookie": f"session={value}"}),
}
#: Of the functions whose arguments the model's own process checks.
FURTHER_PLACES: dict[str, Callable[[str], Request]] = {
    "function": lambda value: in_query("long", value),
    "nested": lambda value: in_json("account", {"user": "me", "password": value}),
}
#: These take a process for each call; between them they have the other places.
PLACES_OF = {
    "train": ("query", "part", "large", "cookie", "nested", "renamed"),
    "evaluate": ("header", "function"),
}
#: Each is refused, and each validator would quote it.
WRONG = {
    "listed": in_query("key", "planted-bad"),
    "no choice": in_json("choice", "planted-wrong"),
    "no number": in_query("pin", "planted-wrong"),
    "no text": in_json("key", ["planted-wrong"]),
    "no list of texts": in_json("keys", [{"planted-wrong": 1}]),
    "of a large body": in_large_json("pin", "planted-wrong"),
}
FURTHER_WRONG = {
    "quoted": in_query("long", "planted"),
    "quoted by Python": in_query("long", "odd-planted-value"),
    "nested": in_json("account", {"password": ["planted-wrong"]}),
    "unknown within": in_json("account", {"planted-wrong": 1}),
    "no object": in_json("account", "planted-wrong"),
}


class Planting:
    """A server with everything that shows anything switched on, and all that it answered."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.answers: list[tuple[str, Answer]] = []
        self.jobs: list[str] = []

    def ask(self, method: str, path: str, request: Request = NOTHING) -> Answer:
        """Send a request, and keep the answer."""
        headers = {"Idempotency-Key": uuid.uuid4().hex, **request.headers}
        answer = self.server.request(
            method, path + request.query, body=request.body, headers=headers
        )
        self.answers.append((f"{method} {path}", answer))
        return answer

    def call(self, function: str, request: Request) -> Answer:
        """Call a function of the model."""
        if function == "queued":
            later = {**request.headers, "Prefer": "respond-async"}
            function, request = "predict", request._replace(headers=later)
        answer = self.ask("POST", f"/v2/models/{MODEL}/{function}/", request)
        if answer.status in (200, 202) and "predictions" not in answer.json:
            self.jobs.append(answer.json.get("uuid") or answer.json["id"])
        return answer

    def wait_jobs(self) -> None:
        """Wait until all jobs have ended."""
        for job in self.jobs:
            path = f"/v2/models/{MODEL}/jobs/{job}"
            wait_for(partial(self._is_ended, path))

    def _is_ended(self, path: str) -> bool:
        return self.server.get(path).json["state"] in FINAL


@pytest.fixture(scope="module")
def planting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planting]:
    folder = tmp_path_factory.mktemp("secrets")
    options = ("--debug", "--debug-endpoint", "--access-log", "--train-workers=4")
    with serve(MODEL, folder, *options) as server:
        yield Planting(server, folder)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_secrets_arrive(planting: Planting, function: str) -> None:
    for place in PLACES_OF.get(function, PLACES):
        value = f"planted-{function}-{place}"
        answer = planting.call(function, {**PLACES, **FURTHER_PLACES}[place](value))
        assert answer.status in (200, 202), answer.text
        if function == "predict":
            shown = f"{[value]}" if place == "list" else value
            digest = hashlib.sha256(shown.encode()).hexdigest()
            assert digest in answer.json["predictions"].values()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_wrong_values_are_not_quoted(planting: Planting, function: str) -> None:
    wrong = WRONG if function in ("predict", "queued") else WRONG | FURTHER_WRONG
    for request in wrong.values():
        answer = planting.call(function, request)
        assert answer.status == 422
        assert "Invalid value." in answer.text


def test_nothing_shows_a_secret(planting: Planting) -> None:
    """All that can be asked for; whatever begins as the planted ones do would be found."""
    planting.wait_jobs()
    for route in ROUTES:
        if route.method != "GET":
            continue
        for job in planting.jobs if "{job}" in route.path or "{uuid}" in route.path else [""]:
            path = route.path.replace("{model}", MODEL).replace("{file}", "index.css")
            path = re.sub(r"\{(job|uuid)\}", job, re.sub(r"\{path:.*\}", "record.json", path))
            planting.ask("GET", path)
    for what, answer in planting.answers:
        told = answer.body + repr(answer.headers).encode()
        assert PLANTED not in told, f"{what}: {told[:2000]!r}"


def test_no_log_shows_a_secret(planting: Planting) -> None:
    text = planting.server.output()
    assert "DEBUG" in text
    assert f"POST /v2/models/{MODEL}/predict/" in text
    assert PLANTED.decode() not in text


def test_the_state_keeps_inputs_only(planting: Planting) -> None:
    state = planting.folder / "state"
    found = {
        path.relative_to(state).parts[2:]
        for path in state.rglob("*")
        if path.is_file() and PLANTED in path.read_bytes()
    }
    assert found == {("call.json",), ("inputs", "body.json")}
    for path in (*state.rglob("call.json"), *state.rglob("inputs/*")):
        assert path.stat().st_mode & 0o077 == 0, path
        assert path.parent.stat().st_mode & 0o077 == 0


def test_what_is_removed_takes_its_input_along(planting: Planting) -> None:
    for job in planting.jobs:
        planting.ask("DELETE", f"/v2/models/{MODEL}/jobs/{job}")
    files = [path for path in (planting.folder / "state").rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if PLANTED in path.read_bytes()] == []


def test_what_is_no_secret_is_found_in_the_same_places(planting: Planting) -> None:
    """Otherwise the tests above would look for nothing."""
    value = "control-" + uuid.uuid4().hex
    answer = planting.call("train", in_query("open", value))
    assert value in answer.text
    assert value in planting.ask("GET", f"/v2/models/{MODEL}/train/").text
    assert {DEFAULT[:8], CHOICE[:8]} == {PLANTED.decode()}
    assert "control-default" in planting.ask("GET", "/openapi.json").text
    assert "control-wrong is none" in planting.call("train", in_query("open", "control-wrong")).text
