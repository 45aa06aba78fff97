# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What clients read in the Swagger document."""

from typing import Any

import pytest

from tests.integration.harness import Server


@pytest.fixture(scope="module")
def document(server: Server) -> Any:
    return server.get("/swagger.json").json


def parameters(document: Any, model: str) -> dict[str, dict[str, Any]]:
    operation = document["paths"][f"/v2/models/{model}/predict/"]["post"]
    return {each["name"]: each for each in operation["parameters"]}


def answer(document: Any, model: str) -> Any:
    operation = document["paths"][f"/v2/models/{model}/predict/"]["post"]
    return operation["responses"]["200"]["schema"]


@pytest.mark.row("C89", "C93")
@pytest.mark.parametrize(
    ("model", "produces"),
    [
        ("negotiates_media", ["image/png", "text/plain", "*/*"]),
        ("takes_files", ["application/json", "*/*"]),
    ],
)
def test_a_path_ends_in_predict_and_produces(
    document: Any, model: str, produces: list[str]
) -> None:
    paths = [path for path in document["paths"] if path.endswith("predict/")]
    assert f"/v2/models/{model}/predict/" in paths
    operation = document["paths"][f"/v2/models/{model}/predict/"]["post"]
    assert operation["produces"] == produces


@pytest.mark.row("C90")
def test_parameters_are_inline(document: Any) -> None:
    shown = parameters(document, "takes_arguments")
    number = {key: shown["number"].get(key) for key in ("type", "default", "minimum", "maximum")}
    assert number == {"type": "integer", "default": 3, "minimum": 1, "maximum": 10}
    assert (shown["text"]["type"], shown["text"]["description"]) == ("string", "Any text.")
    assert shown["checked"]["enum"] == shown["free"]["enum"] == ["a", "b"]
    assert shown["list"]["type"] == "array"
    assert shown["list"]["items"]["type"] == "integer"
    assert shown["float"]["type"] == "number"
    old = parameters(document, "takes_arguments_of_old")["number"]
    assert (old["default"], old["description"], old["enum"]) == (3, "A number.", [1, 3])


@pytest.mark.row("C33", "C91")
@pytest.mark.parametrize(
    ("model", "name"),
    [("takes_files", "raw"), ("takes_files", "field"), ("takes_arguments_of_old", "data")],
)
def test_files_are_form_data(document: Any, model: str, name: str) -> None:
    shown = parameters(document, model)[name]
    assert (shown["in"], shown["type"]) == ("formData", "file")


@pytest.mark.row("C92")
@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("takes_arguments", "of-headers"),
        ("takes_arguments_of_old", "header"),
        ("negotiates_media", "accept"),
    ],
)
def test_headers_are_in_header(document: Any, model: str, name: str) -> None:
    assert parameters(document, model)[name]["in"] == "header"


@pytest.mark.row("C94", "C95")
@pytest.mark.parametrize(
    ("model", "name"),
    [("answers_by_dict", "ModelPredictionResponse"), ("answers_by_class", "Cat")],
)
def test_schemas_are_definitions(document: Any, model: str, name: str) -> None:
    assert answer(document, model) == {"$ref": f"#/definitions/{name}"}
    assert document["definitions"][name]["properties"]["age"]["type"] == "integer"
    assert document["definitions"][name]["required"] == ["age"]
