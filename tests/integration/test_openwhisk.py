# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The service as an action of OpenWhisk: begun once, and asked by activations."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.harness import MODELS, PATIENCE_S, Answer, Server, serve
from tests.service import free_port

MODEL = MODELS / "answers_at_the_command_line.py"
NAME = "answers_at_the_command_line"
PREDICT = f"/v2/models/{NAME}/predict/"
END_OF_LOG = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX"


@contextmanager
def action(folder: Path) -> Iterator[Server]:
    """Serve as an image made for OpenWhisk does; the platform says where it listens."""
    port = free_port()
    options = ("--openwhisk-detect", "--listen-ip=127.0.0.9")
    environment = {"__OW_API_HOST": "https://openwhisk", "FLASK_PROXY_PORT": str(port)}
    with serve(MODEL, folder, *options, environment=environment, wait=False) as server:
        server.port = port
        server.wait_ready(limit_s=PATIENCE_S)
        yield server


def post(server: Server, path: str, value: Any) -> Answer:
    body = json.dumps({"value": value}).encode()
    return server.request("POST", path, body=body, headers={"Content-Type": "application/json"})


def activate(server: Server, **parameters: Any) -> Any:
    answer = post(server, "/run", {f"__ow_{name}": each for name, each in parameters.items()})
    assert answer.status == 200, answer.text
    return answer.json


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_an_action_is_initialized_and_answers_activations(tmp_path: Path) -> None:
    with action(tmp_path) as server:
        assert post(server, "/run", {}).status == 403
        assert post(server, "/init", {"env": {"__OW_ACTION_NAME": "/a/b/c"}}).status == 200
        assert post(server, "/init", {"env": {}}).status == 403
        answer = activate(
            server,
            method="post",
            path=PREDICT,
            headers={"content-type": "application/json", "accept": "application/json"},
            body=encoded(b'{"n": 4}'),
        )
        assert answer["statusCode"] == 200
        assert answer["headers"]["Content-Type"].startswith("application/json")
        assert json.loads(answer["body"])["predictions"]["n"] == 4
        form = (
            b'--x\r\nContent-Disposition: form-data; name="data"; filename="a b.png"\r\n'
            b"Content-Type: image/png\r\n\r\n\x89PNG\r\n--x--\r\n"
        )
        uploaded = {
            "method": "post",
            "path": PREDICT,
            "headers": {"content-type": "multipart/form-data; boundary=x"},
            "body": encoded(form),
        }
        shown = json.loads(activate(server, **uploaded)["body"])["predictions"]["data"]
        assert shown == ["data", "image/png", "a b.png"]
        image = activate(server, **uploaded, query="accept=image/png")
        assert image["headers"]["Content-Type"] == "image/png"
        assert base64.b64decode(image["body"]) == b"\x89PNG"
        missing = activate(server, method="get", path="/v2/models/nobody/")
        assert missing["statusCode"] == 404
        assert server.output().count(END_OF_LOG) == 2 * 4


def test_elsewhere_the_routes_are_not_there(tmp_path: Path) -> None:
    with serve(MODEL, tmp_path, "--openwhisk-detect") as server:
        assert post(server, "/init", {}).status == 404
        assert post(server, "/run", {}).status == 404
