# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Real servers and their documents: what clients read is there, and what is written is so."""

import re
import urllib.parse
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from tests.integration.harness import MODELS, Answer, Server, serve, wait_for

HERE = Path(__file__).parent
EVERY = MODELS / "every_field.py"
PREDICT = "/v2/models/every_field/predict/"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(f"{EVERY},minimal", tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def prefixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server behind a base path, without a page."""
    folder = tmp_path_factory.mktemp("prefixed")
    with serve("minimal", folder, "--base-path=/x", "--nodoc-endpoint", wait=False) as running:
        wait_for(lambda: is_ready(running, "/x/v2/health/ready"))
        yield running


def is_ready(server: Server, path: str) -> bool:
    try:
        return server.get(path).status == 200
    except ConnectionError:
        return False


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve("digits,legacy,minimal", tmp_path_factory.mktemp("examples")) as running:
        yield running


class FrontEnd:
    """Reads the document and calls a model as the front end of version 2 does.

    It takes the first model, and so does this without a name.
    """

    def __init__(self, server: Server, model: str = "") -> None:
        self._server = server
        self.document = server.get("/swagger.json").json
        paths = [path for path in self.document["paths"] if path.endswith("predict/")]
        self.path = f"/v2/models/{model}/predict/" if model else paths[0]
        assert self.path in paths
        operation = self.document["paths"][self.path]["post"]
        self.parameters = [{"type": "string", **each} for each in operation["parameters"]]
        self.media_types = [each for each in operation["produces"] if each != "*/*"]

    def inputs(self) -> dict[str, str]:
        """Return the kind of each input, by name; ``accept`` is none."""
        kinds = {}
        for each in self.parameters:
            if each["name"] == "accept":
                continue
            known = {"integer", "number", "boolean", "string", "array", "file"}
            assert each["type"] in known, each
            # It looks for words in it.
            assert isinstance(each.get("description", ""), str)
            is_slider = each["type"] == "integer" and {"minimum", "maximum"} <= each.keys()
            kinds[each["name"]] = (
                "choice" if "enum" in each else "slider" if is_slider else each["type"]
            )
        return kinds

    def outputs(self) -> dict[str, str | None]:
        """Return the type of each output, by name."""
        known = {"string", "boolean", "integer", "number", "array", "object", None}
        shown = self.document["definitions"]["ModelPredictionResponse"]["properties"]
        types = {name: schema.get("type") for name, schema in shown.items()}
        assert set(types.values()) <= known
        return types

    def title(self) -> str:
        """Ask the model for its name; the path has slashes too many."""
        answer = self._server.get(f"///{self.path.strip('/').removesuffix('/predict')}/")
        assert answer.status == 308
        metadata = self._server.get(answer.headers["Location"]).json
        for key in ("name", "description", "summary"):
            assert isinstance(metadata.get(key, ""), str)
        assert isinstance(metadata.get("author", ""), str | list)
        return str(metadata["name"])

    def call(
        self, media_type: str, files: Sequence[tuple[str, str, bytes]] = (), **values: Any
    ) -> Answer:
        """Call the model; the path is made without its last slash, and a redirect followed."""
        query = urllib.parse.urlencode({**values, "accept": media_type}, doseq=True)
        path = f"///{self.path.strip('/')}?{query}"
        headers = {"accept": media_type}
        answer = self._server.request("POST", path, headers=headers)
        assert answer.status == 308
        where = answer.headers["Location"]
        if files:
            return self._server.upload(where, files, headers=headers)
        return self._server.request("POST", where, headers=headers)


@pytest.mark.row("C89", "C90", "C91", "C92")
def test_the_front_end_of_version_2_finds_what_it_reads(server: Server) -> None:
    front = FrontEnd(server)
    assert front.path == PREDICT
    assert front.media_types == ["application/json", "image/png", "text/plain"]
    inputs = front.inputs()
    # It counts the parameters and skips this one, so that those behind it would be mixed up.
    assert list(inputs) == [each["name"] for each in front.parameters[:-1]]
    assert front.parameters[-1]["name"] == "accept"
    assert {name: inputs[name] for name in ("text", "choice", "legacy_choice", "legacy-int")} == {
        "text": "string",
        "choice": "choice",
        "legacy_choice": "choice",
        "legacy-int": "slider",
    }
    assert {name: inputs[name] for name in ("flag", "number", "list", "data", "legacy_file")} == {
        "flag": "boolean",
        "number": "number",
        "list": "array",
        "data": "file",
        "legacy_file": "file",
    }
    by_name = {each["name"]: each for each in front.parameters}
    assert by_name["legacy-int"]["default"] == 3
    assert by_name["legacy-int"]["description"] == "An integer."
    assert by_name["data"]["in"] == "formData"
    assert by_name["accept"]["in"] == "header"


def test_the_front_end_of_version_2_gets_what_it_asks_for(server: Server) -> None:
    front = FrontEnd(server)
    answer = front.call("application/json", text="a", list=[1, 2])
    assert answer.status == 200
    assert set(answer.json) <= set(front.outputs())
    assert answer.json["given"]["list"] == "[1, 2]"
    picture = front.call("image/png", text="a")
    assert (picture.status, picture.headers["Content-Type"]) == (200, "image/png")


@pytest.mark.row("C89", "C90", "C91", "C93")
@pytest.mark.parametrize(
    ("model", "title", "inputs", "media_types"),
    [
        (
            "digits",
            "Handwritten digits",
            {"data": "file"},
            ["application/json", "image/png"],
        ),
        (
            "legacy",
            "Statistics of an image",
            {
                "image": "file",
                "thumbnail-size": "slider",
                "colour": "choice",
                "percentiles": "array",
                "bbox(N,W,S,E)": "string",
            },
            ["application/json", "application/zip", "image/png"],
        ),
        ("minimal", "DNA sequence", {"sequence": "string"}, ["application/json"]),
    ],
)
def test_the_front_end_of_version_2_reads_the_examples(
    examples: Server, model: str, title: str, inputs: dict[str, str], media_types: list[str]
) -> None:
    front = FrontEnd(examples, model)
    assert front.title() == title
    assert front.inputs() == inputs
    # One tab for each, of a kind by the first word of the type.
    assert front.media_types == media_types
    has_accept = len(front.parameters) > len(inputs)
    assert not has_accept or front.parameters[-1]["name"] == "accept"


def test_the_front_end_of_version_2_calls_the_examples(examples: Server) -> None:
    picture = (HERE.parents[1] / "examples/digits/samples/7.png").read_bytes()
    digits = FrontEnd(examples, "digits")
    answer = digits.call("application/json", [("data", "7.png", picture)])
    # No schema is declared: it looks for this key.
    assert "ModelPredictionResponse" not in digits.document["definitions"]
    assert answer.json["predictions"]["digit"] == 7
    legacy = FrontEnd(examples, "legacy")
    values = {"thumbnail-size": 64, "colour": "RGB", "percentiles": [5, 95]}
    answer = legacy.call("application/json", [("image", "7.png", picture)], **values)
    assert list(answer.json["predictions"]["channels"]["red"]["percentiles"]) == ["5", "95"]
    for media_type in ("application/zip", "image/png"):
        answer = legacy.call(media_type, [("image", "7.png", picture)], **values)
        assert (answer.status, answer.headers["Content-Type"]) == (200, media_type)


@pytest.mark.parametrize("path", ["/swagger.json", "/openapi.json"])
def test_a_document_is_valid_and_can_be_cached(server: Server, path: str) -> None:
    first = server.get(path)
    validate(first.json)
    assert first.headers["Content-Type"] == "application/json; charset=utf-8"
    tag = first.headers["Etag"]
    again = server.request("GET", path, headers={"If-None-Match": tag})
    assert (again.status, again.body, again.headers["Etag"]) == (304, b"", tag)
    other = server.request("GET", path, headers={"If-None-Match": '"other"'})
    assert (other.status, other.body) == (200, first.body)


@pytest.mark.row("C15", "C17")
@pytest.mark.parametrize("path", ["/swagger.json", "/openapi.json"])
def test_the_base_path_is_in_every_path(prefixed: Server, path: str) -> None:
    document = prefixed.get(f"/x{path}").json
    validate(document)
    assert all(each == "/x" or each.startswith("/x/") for each in document["paths"])
    assert prefixed.get("/x").json["links"] == [
        {"rel": "describedby", "type": "application/json", "href": "/x/swagger.json"}
    ]


@pytest.mark.row("C04")
def test_links_lead_to_the_documents(server: Server) -> None:
    links = server.get("/").json["links"]
    assert links == [
        {"rel": "help", "type": "text/html", "href": "/api"},
        {"rel": "describedby", "type": "application/json", "href": "/swagger.json"},
    ]
    for link in links:
        answer = server.get(link["href"])
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith(link["type"])


@pytest.mark.row("C05")
def test_without_the_page_its_routes_are_gone(prefixed: Server) -> None:
    gone = ("/x/api", "/x/ui", "/x/static/swagger/page.js")
    assert [prefixed.get(path).status for path in gone] == [404, 404, 404]
    assert not {"/x/api", "/x/ui"} & prefixed.get("/x/swagger.json").json["paths"].keys()


class Addresses(HTMLParser):
    """Collects what a page refers to, and what would run or look by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("src", "href", "data-document"):
                self.found.append(value or "")
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")
        if tag == "style" or (tag == "script" and "src" not in dict(attributes)):
            self.inline.append(tag)


def test_the_page_needs_nothing_from_elsewhere(server: Server) -> None:
    page = server.get("/api")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert not re.search(r"https?:|\*", policy)
    addresses = Addresses()
    addresses.feed(page.text)
    assert addresses.inline == []
    assert {each for each in addresses.found if not each.startswith("/")} == set()
    assert "/openapi.json" in addresses.found
    types = {
        address: server.get(address).headers["Content-Type"].partition(";")[0]
        for address in addresses.found
    }
    script = types["/static/swagger/swagger-ui-bundle.js"]
    assert script in ("application/javascript", "text/javascript")
    assert types["/static/swagger/swagger-ui.css"] == "text/css"
    assert types["/static/swagger/favicon-32x32.png"] == "image/png"
    assert 'validatorUrl: "none"' in server.get("/static/swagger/page.js").text


def test_the_page_honours_the_base_path(tmp_path: Path) -> None:
    with serve("minimal", tmp_path, "--base-path=/a.b/c~d", "--nowarm", wait=False) as server:
        wait_for(lambda: is_ready(server, "/a.b/c~d/v2/health/ready"))
        addresses = Addresses()
        addresses.feed(server.get("/a.b/c~d/api").text)
        assert addresses.found
        assert {server.get(address).status for address in addresses.found} == {200}
        assert server.get("/a.b/c~d/ui").headers["Location"] == "/a.b/c~d/api"


def test_files_of_the_page_can_be_cached(server: Server) -> None:
    path = "/static/swagger/swagger-ui.css"
    tag = server.get(path).headers["Etag"]
    again = server.request("GET", path, headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("name", ["LICENSE", "..%2Fpage.html", "%2Fetc%2Fpasswd", "x"])
def test_no_other_file_is_sent(server: Server, name: str) -> None:
    assert server.get(f"/static/swagger/{name}").status == 404


@pytest.mark.row("C13")
def test_the_other_address_of_the_page_leads_to_it(server: Server) -> None:
    answer = server.get("/ui")
    assert (answer.status, answer.headers["Location"]) == (302, "/api")


@pytest.mark.row("C03")
@pytest.mark.parametrize("path", ["/", "/v2/models/", "/openapi.json", "/api"])
def test_head_and_options_are_answered(server: Server, path: str) -> None:
    got, head = server.get(path), server.request("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.body))
    options = server.request("OPTIONS", path)
    assert (options.status, options.body) == (204, b"")
    assert options.headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.row("C03")
def test_a_method_that_is_not_there_is_told_which_are(server: Server) -> None:
    answer = server.request("PUT", PREDICT)
    assert (answer.status, answer.text) == (405, "405: Method Not Allowed")
    assert answer.headers["Allow"] == "OPTIONS, POST"
    assert server.request("OPTIONS", "/v2/nothing/").status == 404


def test_a_part_with_a_strange_name_is_a_client_s_mistake(server: Server) -> None:
    """The fuzzer found 500 for control characters in the name of a part."""
    answer = server.upload(PREDICT, fields=[("a\x03b", "text")])
    assert answer.status == 400
    assert answer.json == {"form": ["Invalid multipart body."]}
