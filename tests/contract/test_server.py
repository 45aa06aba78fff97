# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Routes, links, redirects and the base path."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.conftest import MODELS
from tests.integration.harness import Server, serve, wait_for

JSON = "application/json; charset=utf-8"
PREDICT = "/v2/models/takes_arguments/predict"


def version(base_path: str = "") -> dict[str, Any]:
    link = {"rel": "self", "type": "application/json", "href": f"{base_path}/v2/"}
    return {"version": "stable", "id": "v2", "links": [link]}


def links(base_path: str = "") -> list[dict[str, Any]]:
    return [
        {"rel": "help", "type": "text/html", "href": f"{base_path}/api"},
        {"rel": "describedby", "type": "application/json", "href": f"{base_path}/swagger.json"},
    ]


@pytest.fixture(scope="module")
def prefixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server below a prefix, without a page."""
    model = str(MODELS / "answers_by_class.py")
    folder = tmp_path_factory.mktemp("prefixed")
    options = ("--base-path=/x", "--nodoc-endpoint")
    with serve(model, folder, *options, wait=False) as running:
        running.wait_live(prefix="/x")
        wait_for(lambda: running.get("/x/v2/health/ready").status == 200)
        yield running


@pytest.mark.row("C01")
@pytest.mark.parametrize(
    ("method", "path", "where"),
    [
        ("GET", "/v2", "/v2/"),
        ("GET", "/v2/models?a=1&a=%20", "/v2/models/?a=1&a=%20"),
        ("POST", f"//{PREDICT}?number=4", f"{PREDICT}/?number=4"),
        ("POST", "//" + PREDICT.replace("/predict", "//train"), PREDICT[:-7] + "train/"),
    ],
)
def test_slashes_are_appended_and_merged(
    server: Server, method: str, path: str, where: str
) -> None:
    answer = server.request(method, path)
    assert (answer.status, answer.headers["Location"]) == (308, where)


@pytest.mark.row("C02", "C56")
@pytest.mark.parametrize(
    "path", ["/api/", f"/v2/models/takes_arguments/train/{'0' * 32}/", "/swagger.json/"]
)
def test_slashes_are_not_removed(server: Server, path: str) -> None:
    answer = server.get(path)
    assert (answer.status, answer.text) == (404, "404: Not Found")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.row("C03", "C56")
def test_a_method_that_is_not_there_is_told_with_those_that_are(server: Server) -> None:
    answer = server.get(f"{PREDICT}/")
    assert (answer.status, answer.text) == (405, "405: Method Not Allowed")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "POST" in answer.headers["Allow"]


@pytest.mark.row("C04")
def test_the_root_lists_the_versions(server: Server) -> None:
    answer = server.get("/")
    assert answer.json == {"versions": [version()], "links": links()}
    assert answer.headers["Content-Type"] == JSON


@pytest.mark.row("C05", "C15", "C17")
@pytest.mark.parametrize("path", ["/x", "/x/"])
def test_the_root_without_a_page_below_a_prefix(prefixed: Server, path: str) -> None:
    answer = prefixed.get(path)
    assert answer.status == 200
    assert answer.json == {"versions": [version("/x")], "links": links("/x")[1:]}


@pytest.mark.row("C06", "C15")
def test_the_version_is_shown_alone(server: Server, prefixed: Server) -> None:
    assert server.get("/v2/").json == version()
    assert prefixed.get("/x/v2/").json == version("/x")


@pytest.mark.row("C15", "C08", "C81")
def test_models_below_a_prefix(prefixed: Server) -> None:
    name = "answers_by_class"
    text = f"Could not load description from underlying model (loaded '{name}')"
    shown = {
        "id": "0",
        "name": name,
        "links": [{"rel": "self", "href": f"/x/v2/models/{name}"}],
        "description": text,
    }
    assert prefixed.get("/x/v2/models/").json == {"models": [shown]}
    assert prefixed.get(f"/x/v2/models/{name}/").json == shown
    assert prefixed.request("POST", f"/x/v2/models/{name}/predict/").json == {"age": "7"}
    for path in ("/", "/v2/", f"/v2/models/{name}/"):
        assert prefixed.get(path).status == 404


@pytest.mark.row("C07", "C08", "C09")
def test_a_model_says_of_itself_what_it_likes(server: Server) -> None:
    shown = server.get("/v2/models/describes_itself/").json
    assert shown == {
        "id": "own",
        "name": "Own name",
        "links": [],
        "license": "MIT",
        "author": ["A", "B"],
    }
    listed = server.get("/v2/models/").json
    assert list(listed) == ["models"]
    assert len(listed["models"]) == len(list(MODELS.glob("*.py")))
    assert shown in listed["models"]


@pytest.mark.row("C09")
def test_a_model_says_of_itself_what_is_so_now(server: Server) -> None:
    """Which checkpoints there are, for one: a client asks after each training."""
    for said in (["new.ckpt"], ["new.ckpt", "x" * 200_000], [""]):
        server.predict_json("describes_itself", {"say": said})
        shown = server.get("/v2/models/describes_itself/").json
        assert shown.get("said", [""]) == said
        assert shown in server.get("/v2/models/").json["models"]


@pytest.mark.row("C10")
def test_debug_is_off(server: Server) -> None:
    answer = server.get("/v2/debug/")
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.row("C12", "C13")
def test_the_page_and_its_files(server: Server) -> None:
    page = server.get("/api")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "/static/swagger/swagger-ui-bundle.js" in page.text
    assert server.get("/static/swagger/swagger-ui-bundle.js").status == 200
    answer = server.get("/ui")
    assert (answer.status, answer.headers["Location"]) == (302, "/api")


@pytest.mark.row("C14", "C15")
def test_the_document_is_always_on(server: Server, prefixed: Server) -> None:
    answer = server.get("/swagger.json")
    assert answer.json["swagger"] == "2.0"
    assert answer.headers["Content-Type"] == JSON
    below = prefixed.get("/x/swagger.json")
    assert below.json["swagger"] == "2.0"
    assert "/x/v2/models/answers_by_class/predict/" in below.json["paths"]
