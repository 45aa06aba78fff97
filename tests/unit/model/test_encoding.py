# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a model returned to what a client gets."""

import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema, fields, validate
from PIL import Image

from deepaas.errors import InvalidAnswer
from deepaas.model.encoding import EncodedAnswer, encode_answer
from deepaas.records import ReturnedFile

DEFAULT_MESSAGE = "ERROR validating model response, check server logs."


class CatSchema(Schema):
    name = fields.Str(required=True, validate=validate.OneOf(["Tom"]))
    age = fields.Int()


class BrokenSchema(Schema):
    name = fields.Raw(validate=validate.Range(min=1))


def content(answer: EncodedAnswer) -> bytes:
    assert answer.file
    with answer.file:
        # By descriptor, as the server gets it.
        return os.pread(answer.file.fileno(), 1000, os.lseek(answer.file.fileno(), 0, 1))


@pytest.mark.parametrize(
    ("returned", "noun"),
    [({"a": 1}, "a dict"), (3, "an int"), (io.TextIOBase(), "a TextIOBase")],
)
def test_what_is_no_image_is_refused_with_a_clear_text(returned: Any, noun: str) -> None:
    with pytest.raises(InvalidAnswer, match=f"returned {noun} where image/png was asked for"):
        encode_answer(returned, "image/png")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidAnswer, match="file that cannot be read") as caught:
        encode_answer(ReturnedFile(filename=str(tmp_path / "gone.png")), "image/png")

    assert str(tmp_path) not in caught.value.message
    assert "gone.png" in caught.value.detail


def test_a_returned_file_without_a_file() -> None:
    with pytest.raises(InvalidAnswer, match="without a filename"):
        encode_answer(ReturnedFile(name="x"), "image/png")


def test_a_closed_file(tmp_path: Path) -> None:
    (tmp_path / "a.bin").touch()
    with open(tmp_path / "a.bin", "rb") as file:
        pass

    with pytest.raises(InvalidAnswer, match="closed already"):
        encode_answer(file, "application/zip")


@pytest.mark.row("C50")
@pytest.mark.parametrize("returned", [{"name": "Tim"}, {"name": "Tom", "age": "x"}, {}, [], None])
def test_an_answer_that_does_not_fit_its_schema(returned: Any) -> None:
    for schema in (CatSchema, CatSchema()):
        with pytest.raises(InvalidAnswer) as caught:
            encode_answer(returned, None, schema)

        assert caught.value.message == DEFAULT_MESSAGE
        assert "does not fit its schema: {" in caught.value.detail


def test_a_schema_that_fails_itself() -> None:
    with pytest.raises(InvalidAnswer) as caught:
        encode_answer({"name": "x"}, None, BrokenSchema)

    assert caught.value.message == DEFAULT_MESSAGE
    assert "TypeError" in caught.value.detail


@pytest.mark.row("C51", "C52")
@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "Application/JSON; q=1"])
def test_json_is_wrapped(accept: str | None) -> None:
    answer = encode_answer([float("nan"), {1}], accept)

    assert answer.content_type == "application/json"
    assert answer.body == b'{"status":"OK","predictions":[null,[1]]}'
    assert answer.file is None


def test_an_accept_that_is_no_text_means_json() -> None:
    assert encode_answer(1, 5).content_type == "application/json"  # type: ignore[arg-type]


def test_a_generator_is_collected() -> None:
    answer = encode_answer(i for i in range(2))

    assert answer.body == b'{"status":"OK","predictions":[0,1]}'


@pytest.mark.row("C49")
def test_an_answer_that_fits_is_returned_as_it_is() -> None:
    """The schema would make an integer of the age."""
    answer = encode_answer({"name": "Tom", "age": "7"}, "*/*", CatSchema)

    assert json.loads(answer.body or b"") == {"name": "Tom", "age": "7"}


def test_the_schema_does_not_concern_other_media_types() -> None:
    assert encode_answer("x", "text/plain", CatSchema).body == b"x"


@pytest.mark.parametrize(
    ("returned", "body"),
    [
        ("é", "é".encode()),
        (b"\x00", b"\x00"),
        (bytearray(b"a"), b"a"),
        (memoryview(b"b"), b"b"),
        (io.BytesIO(b"all"), b"all"),
    ],
)
def test_raw_bodies(returned: Any, body: bytes) -> None:
    answer = encode_answer(returned, "image/png")

    assert answer == EncodedAnswer("image/png", body)


def test_a_buffer_that_was_read_is_sent_from_its_beginning() -> None:
    buffer = io.BytesIO(b"all")
    buffer.read()

    assert encode_answer(buffer, "image/png").body == b"all"


@pytest.mark.parametrize("accept", ["x\r\nSet-Cookie: a=b", "text/html\n", "png", "a/b; x\x00"])
def test_a_client_cannot_write_header_lines(accept: str) -> None:
    assert encode_answer("x", accept).content_type == "application/octet-stream"


def test_parameters_of_a_media_type_stay() -> None:
    assert encode_answer("x", "text/csv; header=present").content_type == "text/csv; header=present"


def test_an_open_file_is_handed_on_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "out.zip"
    path.write_bytes(b"zipped")
    file = path.open("rb")
    file.read(3)

    answer = encode_answer(file, "application/zip")

    assert (answer.filename, answer.body) == ("out.zip", None)
    assert content(answer) == b"zipped"


def test_a_file_being_written_is_complete(tmp_path: Path) -> None:
    file = (tmp_path / "out.zip").open("w+b")
    file.write(b"unflushed")

    assert content(encode_answer(file, "application/zip")) == b"unflushed"


def test_a_named_temporary_file_outlives_its_name() -> None:
    def predict() -> EncodedAnswer:
        file = tempfile.NamedTemporaryFile(suffix=".png")  # noqa: SIM115
        file.write(b"pixels")
        return encode_answer(file, "image/png")

    answer = predict()

    assert answer.filename
    assert answer.filename.endswith(".png")
    assert content(answer) == b"pixels"


def test_a_file_without_a_name_has_none() -> None:
    with tempfile.TemporaryFile() as file:
        assert encode_answer(file, "image/png").filename is None


def test_a_pipe_cannot_be_rewound() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"flow")
    os.close(writer)

    answer = encode_answer(os.fdopen(reader, "rb"), "image/png")

    assert answer.file
    with answer.file:
        assert answer.file.read() == b"flow"


@pytest.mark.parametrize(
    ("original", "shown"), [(None, "made.png"), ("cat.png", "cat.png"), ("../x/cat.png", "cat.png")]
)
def test_a_returned_file_is_opened(tmp_path: Path, original: str | None, shown: str) -> None:
    path = tmp_path / "made.png"
    path.write_bytes(b"pixels")

    answer = encode_answer(
        ReturnedFile("cat", str(path), "image/png", original_filename=original), "image/png"
    )

    assert answer.filename == shown
    assert content(answer) == b"pixels"


def test_a_file_where_json_is_answered_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").touch()
    with (
        open(tmp_path / "a.bin", "rb") as file,
        pytest.raises(InvalidAnswer, match="BufferedReader at 'predictions'"),
    ):
        encode_answer(file, "*/*")


def test_what_a_generator_yields_is_joined() -> None:
    parts: list[Any] = [b"a", "é", io.BytesIO(b"b"), bytearray(b"c")]
    answer = encode_answer((part for part in parts), "text/plain")
    assert (answer.content_type, answer.body) == ("text/plain", "aébc".encode())
    with pytest.raises(InvalidAnswer, match="yielded a dict"):
        encode_answer((part for part in ({"a": 1},)), "text/plain")


@pytest.mark.parametrize(
    ("mode", "media_type", "kind"),
    [
        ("RGB", "image/png", "PNG"),
        ("RGBA", "image/png; level=9", "PNG"),
        ("RGBA", "image/jpeg", "JPEG"),
        ("P", "image/jpg", "JPEG"),
        ("L", "image/jpeg", "JPEG"),
        ("RGB", "image/gif", "GIF"),
    ],
)
def test_an_image_is_written_in_the_agreed_format(mode: str, media_type: str, kind: str) -> None:
    answer = encode_answer(Image.new(mode, (3, 2)), media_type)
    assert answer.content_type == media_type
    with Image.open(io.BytesIO(answer.body or b"")) as image:
        assert (image.format, image.size) == (kind, (3, 2))


@pytest.mark.parametrize(("mode", "media_type"), [("RGB", "image/nothing"), ("F", "image/png")])
def test_an_image_that_cannot_be_written(mode: str, media_type: str) -> None:
    with pytest.raises(InvalidAnswer, match=f"cannot be written as {media_type}") as caught:
        encode_answer(Image.new(mode, (3, 2)), media_type)
    assert caught.value.detail
