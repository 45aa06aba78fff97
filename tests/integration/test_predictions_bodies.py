# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Bodies and answers of every size and kind arrive as they were sent."""

import hashlib
import http.client
import json
import random
import string
import threading
from collections.abc import Iterator

import pytest

from tests.integration.harness import MODELS, PATIENCE_S, Answer, Server, serve, wait_for

MEASURES, ANSWERS = "measures_input", "answers_in_every_way"
MB = 1_000_000
LIMIT = 30 * MB


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    models = f"{MODELS / MEASURES}.py,{MODELS / ANSWERS}.py"
    folder = tmp_path_factory.mktemp("bodies")
    with serve(models, folder, f"--client-max-size={LIMIT}") as server:
        yield server


def post(server: Server, body: bytes, content_type: str = "application/json") -> Answer:
    return server.request(
        "POST",
        f"/v2/models/{MEASURES}/predict/",
        body=body,
        headers={"Content-Type": content_type},
    )


@pytest.mark.parametrize(
    "size", [0, 15_000, 17_000, 99_000, 103_000, 255_000, 263_000, 20 * MB], ids=str
)
def test_a_json_body_reaches_the_model_unchanged(server: Server, size: int) -> None:
    """The sizes stand at both sides of every limit at which a body travels another way."""
    text = "".join(random.Random(size).choices(string.printable + "äß語", k=size))
    answer = server.predict_json(MEASURES, {"text": text, "numbers": [1, 2]})
    assert answer.json["predictions"] == {
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "length": size,
        "sum": 3,
    }


@pytest.mark.row("C46")
@pytest.mark.parametrize("size", [256, 99_840, 103_680, 20 * MB // 256 * 256], ids=str)
def test_bytes_of_a_model_arrive_unchanged(server: Server, size: int) -> None:
    answer = server.predict(ANSWERS, how="bytes", size=size, accept="image/png")
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Length"] == str(size)
    assert answer.body == bytes(range(256)) * (size // 256)


def test_a_media_type_may_be_a_member_of_an_enumeration_of_the_authors(server: Server) -> None:
    answer = server.predict(ANSWERS, how="bytes", size=256, accept="image/gif")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/gif")


def test_a_large_json_answer_arrives_whole(server: Server) -> None:
    answer = server.predict(ANSWERS, how="list", size=2_000_000)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert len(answer.body) > 10 * MB
    assert answer.json == {"status": "OK", "predictions": list(range(2_000_000))}


def test_a_text_of_a_model_arrives_as_utf_8(server: Server) -> None:
    answer = server.predict(ANSWERS, how="str", size=100_000, accept="image/png")
    assert answer.text == "ä" * 100_000


@pytest.mark.row("C47")
def test_a_file_that_a_model_returned_open_arrives_from_its_beginning_with_its_name(
    server: Server,
) -> None:
    answer = server.predict(ANSWERS, how="file", size=MB // 256 * 256, accept="image/png")
    assert answer.body == bytes(range(256)) * (MB // 256)
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=\"map _.png\"; filename*=UTF-8''map%20%C3%A9.png"
    )


def test_a_long_argument_in_a_form_reaches_the_model(server: Server) -> None:
    answer = post(server, b"text=" + b"a" * 2 * MB, "application/x-www-form-urlencoded")
    assert answer.json["predictions"]["length"] == 2 * MB
    path = f"/v2/models/{MEASURES}/predict/"
    assert server.upload(path, fields=[("text", "b" * MB)]).json["predictions"]["length"] == MB


def begin_post(server: Server, size: int) -> http.client.HTTPConnection:
    """Send all of a request but its body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.putrequest("POST", f"/v2/models/{MEASURES}/predict/")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(size))
    connection.endheaders()
    return connection


@pytest.mark.row("F10")
def test_small_requests_are_served_while_a_large_body_arrives(server: Server) -> None:
    body = b'{"text": "' + b"x" * 20 * MB + b'"}'
    connection = begin_post(server, len(body))
    # All but the last byte: the large one cannot end before the small ones have.
    rest = threading.Thread(target=connection.send, args=(body[:-1],))
    rest.start()
    while rest.is_alive():
        assert server.predict(ANSWERS, text="small").json["predictions"] == "small"
        assert server.predict(MEASURES, text="small").json["predictions"]["length"] == 5
        assert server.get("/v2/health/live").status == 200
    connection.send(body[-1:])
    response = connection.getresponse()
    assert response.status == 200
    assert b'"length":20000000' in response.read()
    connection.close()


def test_small_requests_are_served_while_large_answers_are_on_their_way(server: Server) -> None:
    size = 20 * MB // 256 * 256
    connections = [
        server.send(f"/v2/models/{ANSWERS}/predict/?how=bytes&size={size}&accept=image/png")
        for _ in range(3)
    ]
    responses = [connection.getresponse() for connection in connections]
    # Their headers are here, most of their bodies cannot be: nobody has read them.
    assert server.predict(ANSWERS, text="small").json["predictions"] == "small"
    assert server.get("/v2/health/ready").status == 200
    for response in responses:
        assert response.read() == bytes(range(256)) * (size // 256)
    for connection in connections:
        connection.close()


def test_a_client_that_leaves_in_the_middle_of_a_large_answer_is_forgotten(server: Server) -> None:
    size = 20 * MB // 256 * 256
    before = server.open_files()
    for _ in range(5):
        connection = server.send(
            f"/v2/models/{ANSWERS}/predict/?how=bytes&size={size}&accept=image/png"
        )
        connection.getresponse().read(100)
        connection.close()
    wait_for(lambda: server.open_files() < before + 5)
    assert server.predict(ANSWERS, text="next").status == 200


def test_a_client_that_leaves_in_the_middle_of_its_large_body_is_forgotten(server: Server) -> None:
    before = server.open_files()
    for _ in range(5):
        connection = begin_post(server, 20 * MB)
        connection.send(b'{"text": "' + b"x" * MB)
        connection.close()
    wait_for(lambda: server.open_files() < before + 5)
    assert server.predict(MEASURES, text="next").json["predictions"]["length"] == 4


@pytest.mark.row("F01")
def test_requests_whose_bodies_arrive_by_turns_get_their_own_answers(server: Server) -> None:
    sizes = [10, 20_000, 150_000, 400_000] * 4
    texts = [chr(97 + n) * size for n, size in enumerate(sizes)]
    bodies = [json.dumps({"text": text}).encode() for text in texts]
    connections = [begin_post(server, len(body)) for body in bodies]
    for connection, body in zip(connections, bodies, strict=True):
        connection.send(body[: len(body) // 2])
    # The server is in the middle of each of them.
    assert server.get("/v2/health/live").status == 200
    for connection, body in reversed([*zip(connections, bodies, strict=True)]):
        connection.send(body[len(body) // 2 :])
    for connection, text in zip(connections, texts, strict=True):
        answer = json.loads(connection.getresponse().read())
        connection.close()
        assert answer["predictions"]["sha256"] == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("size", [10, 200_000, 5 * MB], ids=str)
def test_a_body_that_is_not_json_is_400_whatever_its_size(server: Server, size: int) -> None:
    answer = post(server, b'{"text": ' + b"x" * size)
    assert answer.status == 400
    assert answer.json == {"json": ["Invalid JSON body."]}


def test_arguments_that_are_wrong_are_422_whatever_the_size_of_the_body(server: Server) -> None:
    for size in (10, 200_000, MB):
        answer = server.predict_json(MEASURES, {"text": "x" * size, "numbers": [1, "seven"]})
        assert answer.status == 422
        assert answer.json == {"numbers": {"1": ["Not a valid integer."]}}


@pytest.mark.row("C59")
def test_a_body_over_the_limit_is_413_whether_announced_or_not(server: Server) -> None:
    announced = post(server, b"x" * (LIMIT + 1))
    assert announced.status == 413
    assert announced.text == f"Maximum request body size {LIMIT} exceeded."
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.request(
        "POST",
        f"/v2/models/{MEASURES}/predict/",
        body=(b"x" * MB for _ in range(LIMIT // MB + 1)),
        headers={"Content-Type": "application/json"},
        encode_chunked=True,
    )
    response = connection.getresponse()
    assert response.status == 413
    assert response.read().decode() == f"Maximum request body size {LIMIT} exceeded."
    connection.close()
    path = f"/v2/models/{MEASURES}/predict/"
    assert server.upload(path, files=[("text", "x.bin", b"x" * LIMIT)]).status == 413


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x\r\n\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b"no part at all"),
        ("multipart/form-data; boundary=x", b"--x\r\nno header\r\n\r\ntext\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data\r\n\r\nt\r\n--x--",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\ncut o',
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="text"\r\n'
            b"Content-Type: text/plain; charset=klingon\r\n\r\nt\r\n--x--\r\n",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="text"\r\n'
            b"Content-Transfer-Encoding: rot13\r\n\r\nt\r\n--x--\r\n",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\n\xff\xfe\r\n--x--\r\n',
        ),
        ("application/x-www-form-urlencoded", b"text=\xff"),
    ],
)
def test_a_malformed_form_is_400(server: Server, content_type: str, body: bytes) -> None:
    answer = post(server, body, content_type)
    assert answer.status == 400, answer.text
    assert "form" in answer.json


def test_a_body_that_is_not_compressed_as_announced_is_400(server: Server) -> None:
    answer = server.request(
        "POST",
        f"/v2/models/{MEASURES}/predict/",
        body=b"this is no gzip",
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    assert answer.status == 400
