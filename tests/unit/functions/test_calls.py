# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What an object or a call becomes as the input of a model."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from marshmallow import fields, validate
from webargs.fields import DelimitedList

from deepaas.errors import InvalidArguments, InvalidInput
from deepaas.functions.calls import CallMaker, file_argument, takes_archives
from deepaas.functions.events import Call
from deepaas.functions.objects import Item
from deepaas.model.arguments import ArgumentParser


def file(*, required: bool = False, description: str = "A picture.") -> fields.Raw:
    metadata = {"type": "file", "location": "form", "description": description}
    return fields.Raw(required=required, metadata=metadata)


PARSER = ArgumentParser(
    {
        "n": fields.Int(load_default=1),
        "flag": fields.Bool(metadata={"location": "query"}),
        "names": fields.List(fields.Str(), metadata={"location": "form"}),
        "boxes": DelimitedList(fields.Int(), metadata={"location": "query"}),
        "more": fields.Dict(metadata={"location": "json"}),
        "own": fields.Str(data_key="its-own"),
        "data": file(),
        "accept": fields.Str(
            validate=validate.OneOf(["application/json", "image/png"]),
            metadata={"location": "headers"},
        ),
    }
)


def parse(folder: Path, call: Call, accept: str | None = None) -> dict[str, Any]:
    return PARSER.parse(CallMaker(PARSER.arguments, folder, accept).of_call(call))


def parse_item(folder: Path, name: str, content: bytes, parser: ArgumentParser = PARSER) -> Any:
    path = folder / "object"
    path.write_bytes(content)
    maker = CallMaker(parser.arguments, folder, None)
    return parser.parse(maker.of_item(Item(name, path, name), path))


def test_arguments_by_name_go_where_the_model_looks_for_them(tmp_path: Path) -> None:
    given = {
        "n": 3,
        "flag": True,
        "names": ["a b", "c"],
        "boxes": [1, 2],
        "more": {"x": [1.5]},
        "its-own": "größe",
    }
    wanted = {**given, "own": given["its-own"], "accept": "image/png"}
    del wanted["its-own"]
    assert parse(tmp_path, Call({**given, "accept": "image/png"})) == wanted
    assert parse(tmp_path, Call(given), "image/png") == wanted


def test_what_an_object_asks_for_wins(tmp_path: Path) -> None:
    asked = Call({"accept": "application/json"})
    assert parse(tmp_path, asked, "image/png")["accept"] == "application/json"


def test_a_query_gives_arguments_as_texts(tmp_path: Path) -> None:
    query = {"n": "2", "boxes": "1,2", "flag": "true", "of the platform": "x"}
    found = parse(tmp_path, Call({"n": 3}, query=query))
    assert (found["n"], found["boxes"], found["flag"]) == (3, [1, 2], True)


def test_a_model_that_gives_json_only_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="--content-type image/png: the model gives JSON only"):
        CallMaker((), tmp_path, "image/png").of_call(Call({}))


def test_wrong_names_are_told_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidArguments) as caught:
        parse(tmp_path, Call({"x": 1, "data": "/etc/passwd"}))
    assert list(caught.value.messages) == ["x", "data"]
    assert "there are 'n', 'flag'," in caught.value.messages["x"][0]
    assert "in base64 under 'oscar-files'" in caught.value.messages["data"][0]


def test_an_object_that_is_json_gives_the_arguments(tmp_path: Path) -> None:
    assert parse_item(tmp_path, "a.JSON", b'{"n": 5}')["n"] == 5
    for content, why in ((b"{\n,", "line 2: "), (b"\xff\xfe\xfd", "it is no text")):
        with pytest.raises(InvalidInput, match=f"is called .json and is no JSON: {why}"):
            parse_item(tmp_path, "a.json", content)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("in/my photo.jpg", b"\xff\xd8", "image/jpeg"),
        ("list.json", b"[1]", "application/json"),
        ("none", b"x", None),
    ],
)
def test_any_other_object_is_a_copy_for_the_only_file(
    tmp_path: Path, name: str, content: bytes, kind: str | None
) -> None:
    found = parse_item(tmp_path, name, content)["data"]
    assert (found.name, found.content_type) == ("data", kind)
    assert found.original_filename == Path(name).name
    assert Path(found.filename).suffix == Path(name).suffix
    assert Path(found.filename).read_bytes() == content
    assert Path(found.filename) != tmp_path / "object"


def test_a_body_is_the_only_file_too(tmp_path: Path) -> None:
    found = parse(
        tmp_path, Call(content=b"\x89PNG", content_type="image/png; x=y", query={"n": "2"})
    )
    assert (found["n"], found["data"].content_type) == (2, "image/png")
    assert found["data"].original_filename == "data.png"
    assert Path(found["data"].filename).read_bytes() == b"\x89PNG"
    assert parse(tmp_path, Call(content=b"x"))["data"].content_type is None
    with pytest.raises(InvalidInput, match="JSON and no object"):
        parse(tmp_path, Call(content=b"[1]", content_type="application/json"))


def oscar(*files: Any) -> Call:
    return Call({"n": 2, "oscar-files": list(files)})


def test_files_of_oscar_come_with_the_arguments(tmp_path: Path) -> None:
    data = base64.encodebytes(b"content" * 20).decode()
    for key in ({"key": "data"}, {}):
        found = parse(tmp_path, oscar({**key, "file_format": "jpg", "data": data}))
        assert (found["n"], found["data"].content_type) == (2, "image/jpeg")
        assert Path(found["data"].filename).read_bytes() == b"content" * 20
    for form in (None, "../../x", "a/b"):
        found = parse(tmp_path, oscar({"key": "data", "file_format": form, "data": "eA=="}))
        assert Path(found["data"].filename).parent == tmp_path
        assert Path(found["data"].filename).suffix == ""


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("text", "A list of objects with key and data"),
        (["text"], "A list of objects with key and data"),
        (
            [{"key": "none", "data": ""}],
            "The key 'none' is no file of the model's; there are 'data'",
        ),
        ([{"key": "n", "data": ""}], "The key 'n' is no file"),
        ([{"key": "data", "data": "?"}], "The data of 'data' is no base64"),
        ([{"key": "data"}], "The data of 'data' is no base64"),
    ],
)
def test_wrong_files_of_oscar_are_told(tmp_path: Path, files: Any, message: str) -> None:
    with pytest.raises(InvalidArguments, match=message):
        parse(tmp_path, Call({"oscar-files": files}))


def test_a_raw_object_needs_one_file_that_it_is_for(tmp_path: Path) -> None:
    none = ArgumentParser({"n": fields.Int()})
    with pytest.raises(InvalidInput, match=r"takes no file: send a JSON object .* 'n'\.$"):
        parse_item(tmp_path, "a.png", b"x", none)
    nothing = ArgumentParser({})
    with pytest.raises(InvalidInput, match=r"arguments, none\.$"):
        parse_item(tmp_path, "a.png", b"x", nothing)
    several = ArgumentParser({"a": file(), "b": file()})
    with pytest.raises(InvalidInput, match="several files, 'a', 'b': send a JSON object"):
        parse_item(tmp_path, "a.png", b"x", several)
    one_required = ArgumentParser({"a": file(), "b": file(required=True)})
    assert file_argument(one_required.arguments).name == "b"


@pytest.mark.parametrize(
    ("declared", "takes"),
    [
        ({"images_zip": file()}, True),
        ({"data": file(description="A ZIP archive of images.")}, True),
        ({"data": file(description="A zipper.")}, False),
        ({"data": file(), "zip": fields.Str()}, False),
        ({}, False),
    ],
)
def test_a_model_says_whether_it_wants_archives(declared: Any, *, takes: bool) -> None:
    assert takes_archives(ArgumentParser(declared).arguments) is takes


def test_what_is_given_is_shown_nowhere(tmp_path: Path) -> None:
    given = CallMaker(PARSER.arguments, tmp_path, None).of_call(Call({"n": 987}))
    assert "987" not in repr(given)
    assert json.loads(bytes(given.body or b"")) == {"n": 987}
