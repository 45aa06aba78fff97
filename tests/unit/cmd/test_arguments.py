# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A command line becomes what a client would have sent, and is refused in the same words."""

from pathlib import Path
from typing import Any

import pytest
from marshmallow import validate
from webargs import fields

from deepaas.cmd.arguments import HelpAsked, parse_arguments
from deepaas.errors import ConfigurationError, InvalidArguments
from deepaas.model.arguments import ArgumentParser
from deepaas.records import CallInput, UploadedFile


def given(declared: dict[str, Any], *argv: str, folder: Path = Path("/none")) -> dict[str, Any]:
    """Return the keyword arguments that a command line makes."""
    parser = ArgumentParser(declared)
    return parser.parse(parse_arguments("cli predict", parser.arguments, argv, folder))


def refusal(declared: dict[str, Any], *argv: str) -> dict[str, Any]:
    with pytest.raises(InvalidArguments) as caught:
        given(declared, *argv)
    return caught.value.messages


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--other", "1"], "--other"),
        (["--numbers", "1"], "--numbers"),
        (["--", "--numb"], "--numb"),
        (["stray"], "stray"),
        (["--number"], "expected one argument"),
    ],
)
def test_wrong_usage_is_named(argv: list[str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        given({"number": fields.Int()}, *argv)


@pytest.mark.row("C105")
@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--imag", "x"], {"image": "x"}),
        (["--imag=a=b"], {"image": "a=b"}),
        (["--image", "--nu=1"], {}),
        (["--n", "1"], {"n": 1}),
        (["--nu", "1", "--d", "2"], {"number": 1, "d": 2}),
        (["--da", "1"], {"date": "1"}),
        # The two names of one argument.
        (["--le", "x"], {"learning_rate": "x"}),
        (["--learning_r", "x"], {"learning_rate": "x"}),
    ],
)
def test_a_name_may_be_abbreviated_where_it_is_clear(
    argv: list[str], expected: dict[str, Any]
) -> None:
    """As in version 2; a whole name is always that argument's."""
    declared = {
        "image": fields.Str(),
        "n": fields.Int(),
        "number": fields.Int(),
        "d": fields.Int(),
        "date": fields.Str(),
        "learning_rate": fields.Str(data_key="learning-rate"),
    }
    if not expected:
        with pytest.raises(ConfigurationError, match="--image: expected one argument"):
            given(declared, *argv)
    else:
        assert given(declared, *argv) == expected


def test_an_abbreviation_that_is_not_clear_names_what_it_may_be() -> None:
    declared = {"image": fields.Str(), "images": fields.Int(), "int": fields.Int()}
    message = r"^--im is not clear: it begins --image and --images; see cli predict --help\.$"
    with pytest.raises(ConfigurationError, match=message):
        given(declared, "--im", "1")


@pytest.mark.parametrize("text", ["--he", "--help", "-h"])
def test_the_help_can_be_abbreviated(text: str) -> None:
    with pytest.raises(HelpAsked):
        given({"image": fields.Str()}, text)


@pytest.mark.parametrize("name", ["none.png", "."])
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path) -> None:
    declared = {"data": fields.Raw(metadata={"type": "file"})}
    with pytest.raises(ConfigurationError, match="data: the file"):
        given(declared, "--data", str(tmp_path / name), folder=tmp_path)


@pytest.mark.row("C106")
@pytest.mark.parametrize(
    ("field", "texts"),
    [
        (fields.Int(), ["x"]),
        (fields.Int(validate=validate.Range(min=1)), ["0"]),
        (fields.Float(), ["x"]),
        (fields.Bool(), ["perhaps"]),
        (fields.Str(validate=validate.OneOf(["a", "b"])), ["c"]),
        (fields.List(fields.Int()), ["1", "x"]),
        (fields.DelimitedList(fields.Int()), ["1,x"]),
        (fields.Date(), ["yesterday"]),
    ],
)
def test_a_bad_value_is_refused_in_the_words_of_the_server(field: Any, texts: list[str]) -> None:
    declared = {"a": field}
    sent = CallInput(query=tuple(("a", text) for text in texts))
    with pytest.raises(InvalidArguments) as caught:
        ArgumentParser(declared).parse(sent)
    argv = [part for text in texts for part in ("--a", text)]
    assert refusal(declared, *argv) == caught.value.messages


def test_what_is_no_object_is_refused_as_the_server_does() -> None:
    assert refusal({"a": fields.Dict()}, "--a", "x") == {"a": ["Not a valid mapping type."]}


def test_what_is_required_is_missed_as_the_server_does() -> None:
    assert refusal({"a": fields.Str(required=True)}) == {"a": ["Missing data for required field."]}


@pytest.mark.parametrize(
    ("field", "argv", "value"),
    [
        (fields.Int(), ["--a", "-3"], -3),
        (fields.Int(strict=True), ["--a=3"], 3),
        (fields.Int(), ["--a", "1", "--a", "2"], 2),
        (fields.Float(), ["--a", "1e-3"], 0.001),
        (fields.Decimal(), ["--a", "0.1000000000000000000001"], "0.1000000000000000000001"),
        (fields.Str(), ["--a", "3"], "3"),
        (fields.Str(), ["--a", "x", "--a", "y"], "y"),
        (fields.Str(), ["--a="], ""),
        (fields.Str(), ["--a=-d"], "-d"),
        (fields.Str(), ["--a", "resnet50 (ImageNet)"], "resnet50 (ImageNet)"),
        (fields.Bool(), ["--a"], True),
        (fields.Bool(), ["--a=True"], True),
        (fields.Bool(), ["--a", "false"], False),
        (fields.List(fields.Str()), ["--a", "x", "--a", "y"], ["x", "y"]),
        (fields.List(fields.Str()), ["--a", "x", "y"], ["x", "y"]),
        (fields.List(fields.Int()), ["--a", "-1"], [-1]),
        (fields.List(fields.Int()), ["--a", "[1, 2]"], [1, 2]),
        (fields.List(fields.Str()), ["--a", "['x', 'y']"], ["x", "y"]),
        (fields.List(fields.Dict()), ["--a", '{"b": 1}', '{"b": 2}'], [{"b": 1}, {"b": 2}]),
        (fields.DelimitedList(fields.Int()), ["--a", "1,2"], [1, 2]),
        (fields.Dict(), ["--a", '{"b": [1, null]}'], {"b": [1, None]}),
        (fields.Dict(), ["--a", "{'b': True}"], {"b": True}),
        (fields.Nested({"b": fields.Int()}), ["--a", '{"b": 1}'], {"b": 1}),
        (fields.Int(metadata={"location": "json"}), ["--a", "3"], 3),
        (fields.Str(metadata={"location": "json"}), ["--a", "3"], "3"),
        (fields.List(fields.Int(), metadata={"location": "json"}), ["--a", "3"], [3]),
        (fields.Int(metadata={"location": "headers"}), ["--a", "3"], 3),
        (fields.Int(metadata={"location": "cookies"}), ["--a", "3"], 3),
        (fields.Int(metadata={"location": "form"}), ["--a", "3"], 3),
        (fields.Int(metadata={"location": "query"}), ["--a", "3"], 3),
    ],
)
def test_values_of_every_kind(field: Any, argv: list[str], value: object) -> None:
    found = given({"a": field}, *argv)["a"]
    assert str(found) == value if isinstance(field, fields.Decimal) else found == value


@pytest.mark.row("C105")
@pytest.mark.parametrize(
    "name",
    [
        "n",
        "d",
        "h",
        "help",
        "debug",
        "model_name",
        "config-file",
        "version",
        "bbox(N,W,S,E)",
    ],
)
def test_an_argument_may_have_any_name(name: str) -> None:
    declared = {name: fields.Str(), "percent": fields.Str(metadata={"description": "50% of %s"})}
    assert given(declared, f"--{name}", "x") == {name: "x"}
    with pytest.raises(HelpAsked) as caught:
        given(declared, "-h")
    assert f"--{name}" in str(caught.value)
    assert "50% of %s" in str(caught.value)


def test_the_help_tells_what_is_declared_and_no_secret() -> None:
    declared = {
        "a": fields.Int(load_default=5, validate=validate.Range(1), metadata={"description": "D"}),
        "b": fields.Str(required=True, validate=validate.OneOf(["x", "y"])),
        "c": fields.Str(
            load_default="hidden", validate=validate.OneOf(["hidden"]), metadata={"secret": True}
        ),
    }
    with pytest.raises(HelpAsked) as caught:
        given(declared, "--help")
    text = str(caught.value)
    for words in ("D\n", "Type: integer", "Default: 5", "One of: x, y", "Required"):
        assert words in text
    assert "hidden" not in text


def test_the_name_on_the_wire_and_the_keyword_both_work() -> None:
    declared = {"a": fields.Str(data_key="b"), "c": fields.Str(data_key="a")}
    assert given(declared, "--b", "1", "--a", "2") == {"a": "1", "c": "2"}
    assert given(declared, "--b", "1", "--c", "3") == {"a": "1", "c": "3"}


def test_a_file_is_a_copy_with_the_type_that_its_suffix_says(tmp_path: Path) -> None:
    original = tmp_path / "seven.png"
    original.write_bytes(b"png")
    folder = tmp_path / "copies"
    folder.mkdir()
    declared = {
        "one": fields.Raw(metadata={"type": "file", "location": "form"}),
        "many": fields.List(fields.Raw(metadata={"type": "file"}), metadata={"location": "form"}),
    }
    found = given(
        declared, "--one", str(original), "--many", str(original), __file__, folder=folder
    )
    one = found["one"]
    assert isinstance(one, UploadedFile)
    assert (one.name, one.content_type, one.original_filename) == ("one", "image/png", "seven.png")
    assert one.filename is not None
    assert Path(one.filename).parent == folder
    assert one.filename.endswith(".png")
    Path(one.filename).unlink()
    assert original.read_bytes() == b"png"
    assert [each.original_filename for each in found["many"]] == ["seven.png", "test_arguments.py"]
