# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Which media type a client gets, and what the body is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.conftest import MODELS
from tests.integration.harness import Answer, Server, serve

CHOOSES, NEGOTIATES, ANY = "chooses_media", "negotiates_media", "takes_any_media"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with its endpoints switched off and a limit for bodies."""
    model = str(MODELS / "takes_arguments.py")
    folder = tmp_path_factory.mktemp("closed")
    with serve(model, folder, "--nopredict-endpoint", "--notrain-endpoint") as running:
        yield running


def asked(server: Server, model: str, accept: str) -> Answer:
    return server.request("POST", f"/v2/models/{model}/predict/", headers={"Accept": accept})


@pytest.mark.row("C41", "C43", "C45")
def test_the_default_is_the_first_choice(server: Server) -> None:
    for answer in (
        server.predict(CHOOSES),
        asked(server, CHOOSES, "image/png"),
        server.predict(CHOOSES, accept="*/*"),
    ):
        assert answer.json == {"status": "OK", "predictions": "application/json"}
    answer = server.predict(CHOOSES, accept="image/gif")
    assert (answer.status, list(answer.json)) == (422, ["accept"])
    assert server.predict(CHOOSES, accept="application/json, image/png").status == 422
    document = server.get("/swagger.json").json
    operation = document["paths"][f"/v2/models/{CHOOSES}/predict/"]["post"]
    [accept] = [each for each in operation["parameters"] if each["name"] == "accept"]
    assert accept["enum"] == ["application/json", "image/png", "text/plain", "image/*", "*/*"]
    assert accept["default"] == "application/json"


@pytest.mark.row("C42", "C46")
def test_without_choices_any_value_will_do(server: Server) -> None:
    answer = server.predict(ANY, accept="model/mesh")
    assert (answer.body, answer.headers["Content-Type"]) == (b"model/mesh", "model/mesh")
    assert server.predict(ANY).json["predictions"] == "application/json"
    document = server.get("/swagger.json").json
    assert "produces" not in document["paths"][f"/v2/models/{ANY}/predict/"]["post"]


@pytest.mark.row("C43", "C44", "C45")
@pytest.mark.parametrize(
    ("header", "media_type"),
    [
        ("image/png", "image/png"),
        ("text/plain", "text/plain"),
        ("text/html, image/*;q=0.2, text/plain;q=0.9", "text/plain"),
        ("text/plain;q=0.1, image/png", "image/png"),
        ("*/*", "image/png"),
        ("text/*", "text/plain"),
    ],
)
def test_a_header_is_negotiated(server: Server, header: str, media_type: str) -> None:
    answer = asked(server, NEGOTIATES, header)
    assert (answer.status, answer.text) == (200, media_type)
    assert answer.headers["Content-Type"].startswith(media_type)


@pytest.mark.row("C44")
@pytest.mark.parametrize("header", ["application/json", "audio/*", "image/png;q=0"])
def test_a_header_that_nothing_fits(server: Server, header: str) -> None:
    answer = asked(server, NEGOTIATES, header)
    assert answer.status == 422
    assert answer.json == {"accept": ["Must be one of: image/png, text/plain."]}


@pytest.mark.row("C46", "C48")
@pytest.mark.parametrize(
    ("how", "accept", "body"),
    [
        ("bytes", "image/png", b"\x89PNG"),
        ("BytesIO", "image/png", b"\x89PNG"),
        ("str", "text/plain", "grün".encode()),
        ("StringIO", "text/plain", b"a,b\n1,2\n"),
    ],
)
def test_raw_bodies(server: Server, how: str, accept: str, body: bytes) -> None:
    answer = server.predict(CHOOSES, how=how, accept=accept)
    assert (answer.status, answer.body) == (200, body)
    assert answer.headers["Content-Type"].split(";")[0] == accept
    assert answer.headers["Content-Length"] == str(len(body))


@pytest.mark.row("C48")
def test_a_buffer_with_a_name_is_a_download(server: Server) -> None:
    answer = server.predict(CHOOSES, how="named", accept="image/*")
    assert (answer.status, answer.body) == (200, b"%PDF")
    assert answer.headers["Content-Type"] == "image/*"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="report 1.pdf"'


@pytest.mark.row("C48")
def test_nothing_is_an_empty_body(server: Server) -> None:
    """Of a model that has put its result elsewhere."""
    answer = server.predict(CHOOSES, how="None", accept="image/png")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Type"] == "image/png"


@pytest.mark.row("C48")
def test_a_dict_is_no_picture(server: Server) -> None:
    answer = server.predict(CHOOSES, how="dict", accept="image/png")
    assert answer.status == 500
    assert "The model returned a dict where image/png was asked for" in answer.text


@pytest.mark.row("C49", "C50")
def test_a_schema_checks_and_changes_nothing(server: Server) -> None:
    assert server.predict("answers_by_dict").body == b'{"age":"7"}'
    assert server.predict("answers_by_class").body == b'{"age":"7"}'
    answer = server.predict("answers_by_dict", age="old")
    assert answer.status == 500
    assert answer.text == "500: ERROR validating model response, check server logs."
    assert "Not a valid integer." in server.output()


@pytest.mark.row("C51", "C52")
def test_an_answer_without_a_schema_is_wrapped(server: Server) -> None:
    answer = server.predict(CHOOSES, how="numbers")
    assert answer.body == (
        b'{"status":"OK","predictions":{"nan":null,"list":[null,1.5,true,null]}}'
    )
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.row("C57", "C80")
def test_what_a_model_lacks_is_not_implemented(server: Server) -> None:
    answer = server.request("POST", "/v2/models/takes_files/train/")
    assert answer.status == 501
    assert answer.text == "501: Not implemented by underlying model (loaded 'takes_files')"


@pytest.mark.row("C58")
def test_what_is_switched_off_costs_a_payment(closed: Server) -> None:
    train = "/v2/models/takes_arguments/train/"
    for answer in (
        closed.predict("takes_arguments"),
        closed.request("POST", train),
        closed.get(train),
        closed.get(train + "0" * 32),
        closed.delete(train + "0" * 32),
    ):
        assert (answer.status, answer.text) == (402, "402: Payment Required")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.row("C59")
def test_a_body_over_the_limit(tmp_path: Path) -> None:
    model = str(MODELS / "takes_arguments.py")
    with serve(model, tmp_path, "--client-max-size=100") as server:
        assert server.predict_json("takes_arguments", {"text": "x"}).status == 200
        answer = server.predict_json("takes_arguments", {"text": "x" * 100})
        assert (answer.status, answer.text) == (413, "Maximum request body size 100 exceeded.")


@pytest.mark.row("C88")
def test_names_that_packages_import(server: Server) -> None:
    nothing = [None] * 4
    shown = server.predict("describes_itself").json["predictions"]
    assert shown == ["BaseModel", nothing, nothing]
