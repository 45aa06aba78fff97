# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Services are checked as the platform does; what is not as it should be is told, with a remedy."""

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from deepaas.config.client import ClientSettings
from deepaas.images import service
from deepaas.images.service import Asked, check_service
from deepaas.images.verdicts import Verdict
from tests.unit.images.stand import Reply, Request, as_json, serving

MODEL = {
    "id": "leaves",
    "name": "Leaves",
    "author-email": "ada@leaves.example",
    "license": "MIT",
    "links": [{"rel": "self", "href": "/v2/models/leaves"}],
}
PATH = "/v2/models/leaves/predict/"
SCHEMA = {"type": "object", "properties": {"kind": {"type": "string"}}, "required": ["kind"]}
JSON = {"Content-Type": "application/json; charset=utf-8"}


def described(parameters: list[dict[str, Any]] | None = None, schema: object = None) -> Reply:
    """Return the description of a service with one model."""
    responses = {"200": {"schema": schema or {"$ref": "#/definitions/Kind"}}}
    operation = {"parameters": parameters or [], "responses": responses}
    paths = {"/v2/models/": {"get": {}}, PATH: {"post": operation}}
    return Reply(body=as_json({"paths": paths, "definitions": {"Kind": SCHEMA}}))


ROUTES: dict[str, Reply] = {
    "/v2/models/": Reply(body=as_json({"models": [MODEL]})),
    "/swagger.json": described(),
    PATH: Reply(200, as_json({"kind": "oak"}), JSON),
}


def answering(routes: Mapping[str, Reply]) -> Callable[[Request], Reply]:
    """Answer by path."""
    return lambda request: routes.get(request.path.partition("?")[0], Reply(404))


def check(routes: Mapping[str, Reply], **asked: Any) -> list[Verdict]:
    """Check a service that answers so; nobody waits."""
    with serving(answering({**ROUTES, **routes})) as stand:
        return check_service(Asked(ClientSettings(stand.url), tries=1, **asked), lambda _: None)


def faults(routes: Mapping[str, Reply], **asked: Any) -> dict[str, str]:
    """Return what is bad, by check."""
    return {each.check: each.text for each in check(routes, **asked) if not each.is_good}


def test_a_service_as_it_should_be_is_good() -> None:
    verdicts = check({})
    assert [each.check for each in verdicts] == [
        *("answers", "leaves: description", "leaves: prediction")
    ]
    assert all(each.is_good for each in verdicts)
    assert str(verdicts[0]) == "good  answers: /v2/models/ is there"


def test_a_service_of_version_1_has_another_route() -> None:
    routes = {"/v2/models/": Reply(404), "/models/": ROUTES["/v2/models/"]}
    assert check(routes)[0].text == "/models/ is there"


def test_a_service_that_starts_is_waited_for() -> None:
    waits: list[float] = []

    def answer(request: Request) -> Reply | None:
        if len(waits) < 2:
            return None if len(waits) else Reply(503)
        return answering(ROUTES)(request)

    with serving(answer) as stand:
        verdicts = check_service(Asked(ClientSettings(stand.url), tries=5), waits.append)
    assert waits == [1.0, 1.0]
    assert all(each.is_good for each in verdicts)


@pytest.mark.parametrize("status", [404, 503])
def test_a_service_that_never_answers_is_bad(status: int) -> None:
    found = faults({"/v2/models/": Reply(status), "/models/": Reply(status)})
    assert list(found) == ["answers"]
    assert f"answers {status}" in found["answers"]
    assert "after 1 tries" in found["answers"]


def test_signing_in_is_asked_for_at_once() -> None:
    found = faults({"/v2/models/": Reply(401)})
    assert "DEEPAAS_TOKEN" in found["answers"]


def test_the_token_goes_with_each_request_and_to_no_other_place() -> None:
    with serving(answering(ROUTES)) as other:

        def answer(request: Request) -> Reply:
            if request.path == PATH:
                return Reply(307, headers={"Location": f"{other.url}{PATH}"})
            return answering(ROUTES)(request)

        with serving(answer) as stand:
            settings = ClientSettings(stand.url, "t0k3n")
            [*_, last] = check_service(Asked(settings, tries=1), lambda _: None)
    assert {each.headers.get("authorization") for each in stand.asked} == {"Bearer t0k3n"}
    assert other.asked == []
    assert (last.is_good, last.text) == (False, "307 ")


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"models": []}', b'{"models": 3}', b'{"models": [3]}']
)
def test_a_service_without_models_is_bad(body: bytes) -> None:
    assert "lists no model" in faults({"/v2/models/": Reply(body=body)})["models"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"id": None}, "gives no id"),
        ({"author-email": ""}, "gives no author"),
        ({"license": None, "author-email": None}, "gives no author and no license"),
        ({"id": "deepaas-test"}, "deepaas-test answers"),
    ],
)
def test_what_the_platform_wants_to_know_is_missed(changes: dict[str, Any], says: str) -> None:
    models = Reply(body=as_json({"models": [{**MODEL, **changes}]}))
    assert says in faults({"/v2/models/": models})["leaves: description"]


def test_a_model_is_chosen_by_its_name_in_addresses() -> None:
    other = {**MODEL, "id": "other", "links": [3, {"href": "/"}]}
    models = Reply(body=as_json({"models": [other, MODEL]}))
    assert len(check({"/v2/models/": models}, model="leaves")) == 3
    assert (
        "no 'elm' among them: other, leaves"
        in faults({"/v2/models/": models}, model="elm")["models"]
    )


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(500, b"boom\x1b[31m"), "500 boom [31m"),
        (Reply(200, as_json({"kind": 3}), JSON), "kind: 3 is not of type 'string'"),
        (Reply(200, as_json({}), JSON), "it: 'kind' is a required property"),
        (Reply(200, b"{", JSON), "it is no JSON"),
        (Reply(200, b"", {"Content-Type": "image/png"}), "it is empty"),
    ],
)
def test_an_answer_that_is_not_as_declared_is_bad(reply: Reply, says: str) -> None:
    assert says in faults({PATH: reply})["leaves: prediction"]


def test_answers_that_are_no_json_and_without_a_schema_are_good() -> None:
    assert faults({PATH: Reply(200, b"x", {"Content-Type": "image/png"})}) == {}
    bare = {"paths": {PATH: {"post": {"parameters": [3]}}}}
    assert faults({"/swagger.json": Reply(body=as_json(bare))}) == {}


@pytest.mark.parametrize(
    "schema", [{"type": 3}, {"$ref": "#/nowhere"}, {"$ref": "http://127.0.0.1:9/x.json"}]
)
def test_a_schema_that_is_none_is_told(schema: object) -> None:
    found = faults({"/swagger.json": described(schema=schema)})
    assert "its schema cannot be used" in found["leaves: prediction"]


@pytest.mark.parametrize("body", [b"[]", b"{}", as_json({"paths": {PATH: {"get": {}}}})])
def test_a_service_without_a_description_cannot_be_called(body: bytes) -> None:
    found = faults({"/swagger.json": Reply(body=body)})
    assert f"describes no {PATH}" in found["leaves: prediction"]


def test_what_was_made_up_is_told_when_it_is_refused() -> None:
    data = {"name": "data", "in": "formData", "type": "file", "required": True}
    routes = {"/swagger.json": described([data]), PATH: Reply(400, b"no leaf")}
    found = faults(routes)["leaves: prediction"]
    assert found.startswith("400 no leaf (made up: data; give")
    assert "no argument 'x'" in faults(routes, inputs={"x": "1"})["leaves: prediction"]


def test_a_service_that_dies_meanwhile_is_told() -> None:
    def answer(request: Request) -> Reply | None:
        return None if request.path in (PATH, "/swagger.json") else answering(ROUTES)(request)

    with serving(answer) as stand:
        [*_, last] = check_service(Asked(ClientSettings(stand.url), tries=1), lambda _: None)
    assert (last.check, last.is_good) == ("interface", False)


def test_a_description_that_is_no_json_is_told() -> None:
    assert "cannot be read" in faults({"/swagger.json": Reply(body=b"{")})["interface"]


def test_parameters_of_nonsense_are_none() -> None:
    bare = {"paths": {PATH: {"post": {"parameters": 3}}}}
    assert faults({"/swagger.json": Reply(body=as_json(bare))}) == {}


def test_an_answer_in_drops_is_not_waited_for() -> None:
    """Each read ends in time; the answer never does."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while not over.wait(0.02):
                    connection.sendall(b" ")

        thread = threading.Thread(target=drip)
        thread.start()
        settings = ClientSettings(f"http://127.0.0.1:{listener.getsockname()[1]}")
        [last] = check_service(Asked(settings, tries=1, timeout_s=0.3), lambda _: None)
        over.set()
        thread.join()
    assert "takes longer than 0.3 s" in last.text


ENDLESS = "^(a|a)*$"


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (
            {"pattern": "(a|a)*$(?=c)", "minLength": 60, "required": True},
            "Matching the patterns of its arguments takes longer",
        ),
        ({}, "Comparing the answer with its schema takes longer"),
    ],
)
def test_patterns_that_backtrack_for_days_end(
    said: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_MATCHING_S", 0.2)
    parameter = {"name": "kind", "in": "query", "type": "string", **said}
    found = faults(
        {
            "/swagger.json": described([parameter], {"pattern": ENDLESS}),
            PATH: Reply(200, as_json("a" * 60 + "b"), JSON),
        }
    )
    assert says in found["leaves: prediction"]
