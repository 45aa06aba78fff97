# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A form is taken apart the same way wherever it was cut, and nothing else passes for one."""

import binascii
import contextlib
import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deepaas.api.multipart import (
    MAX_HEADER_BYTES,
    MAX_HEADERS,
    MultipartReader,
    PartEnd,
    PartHead,
    TransferDecoder,
    disposition_of,
)
from deepaas.errors import MalformedBody

BOUNDARY = b"b--nd"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY.decode()}"
DISPOSITION = b'Content-Disposition: form-data; name="data"'


class Part(NamedTuple):
    head: PartHead
    content: bytes


def read(chunks: Iterable[bytes], content_type: str = CONTENT_TYPE) -> list[Part]:
    """Return the parts of a form that comes in these chunks."""
    reader = MultipartReader(content_type)
    parts: list[Part] = []
    is_open = False
    for chunk in chunks:
        for event in reader.feed(chunk):
            match event:
                case PartHead():
                    assert not is_open
                    parts.append(Part(event, b""))
                    is_open = True
                case PartEnd():
                    assert is_open
                    is_open = False
                case _:
                    assert is_open
                    parts[-1] = parts[-1]._replace(content=parts[-1].content + bytes(event))
    reader.finish()
    assert not is_open
    return parts


def form(*contents: bytes, headers: Sequence[bytes] = ()) -> bytes:
    """Return a form of parts named ``data``."""
    lines = b"\r\n".join([DISPOSITION, *headers])
    parts = (b"--%s\r\n%s\r\n\r\n%s\r\n" % (BOUNDARY, lines, content) for content in contents)
    return b"".join(parts) + b"--%s--\r\n" % BOUNDARY


def cut(data: bytes, at: Iterable[int]) -> list[bytes]:
    """Return the data in pieces, none of them empty."""
    marks = sorted({0, len(data), *(mark for mark in at if mark < len(data))})
    return [data[start:end] for start, end in itertools.pairwise(marks)]


def refused(data: bytes, content_type: str = CONTENT_TYPE) -> None:
    """Make sure that the data are no form, whole or byte by byte."""
    for chunks in ([data], cut(data, range(len(data)))):
        with pytest.raises(MalformedBody) as caught:
            read(chunks, content_type)
        assert (caught.value.kind, caught.value.message) == ("form", "Invalid multipart body.")


# Pieces of what stands between two parts: the content of a file may be full of them.
LOOKALIKES = [
    *(b"\r", b"\n", b"\r\n", b"--", b"\r\n-", b"\r\n--", b"\r\r\n--", b"\n--" + BOUNDARY, b"\0"),
    *(b"\r\n--" + BOUNDARY[:-1], BOUNDARY, b"--" + BOUNDARY, b"x"),
    *(b"\r\n--" + BOUNDARY[:count] + b"\r\n--" for count in range(len(BOUNDARY))),
]
contents = (
    st.lists(st.sampled_from(LOOKALIKES) | st.binary(max_size=8), max_size=8)
    .map(lambda pieces: b"".join(pieces))
    .filter(lambda content: b"\r\n--" + BOUNDARY not in b"\r\n" + content)
)
cuts = st.lists(st.integers(0, 20) | st.integers(0, 600), max_size=12)


@given(st.lists(contents, min_size=1, max_size=4), cuts)
def test_every_content_comes_back_however_the_form_was_cut(
    sent: list[bytes], at: list[int]
) -> None:
    assert [part.content for part in read(cut(form(*sent), at))] == sent


@pytest.mark.parametrize(
    "body",
    [
        form(b"text", b"\r\n--" + BOUNDARY[:-1] + b"\r\n\r\n-", b"", b"\r\n"),
        b"a preamble\r\n--\r\n" + form(b"x") + b"an epilogue\r\n--" + BOUNDARY + b"\r\n",
        form(b"x" * 50, headers=[b"Content-Type: text/plain; charset=latin-1", b"X-Other:"]),
    ],
)
def test_a_piece_of_any_length_cut_out_anywhere_changes_nothing(body: bytes) -> None:
    whole = read([body])
    assert whole
    for first in range(1, len(body)):
        for length in range(1, len(BOUNDARY) + 8):
            assert read(cut(body, [first, first + length])) == whole


@given(
    st.lists(
        st.sampled_from([*LOOKALIKES, DISPOSITION, b": ", b"\r\n\r\n", b"; ", b'"', b"=", b"\xff"])
        | st.binary(max_size=6),
        max_size=20,
    ),
    cuts,
)
def test_whatever_comes_is_a_form_or_refused_wherever_it_was_cut(
    pieces: list[bytes], at: list[int]
) -> None:
    data = b"--" + BOUNDARY + b"\r\n" + b"".join(pieces)
    outcomes: list[object] = []
    for chunks in ([data], cut(data, at)):
        try:
            outcomes.append(read(chunks))
        except MalformedBody as exc:
            outcomes.append(exc.message)
    assert outcomes[0] == outcomes[1]


@given(st.text(max_size=80))
def test_any_content_type_has_a_boundary_or_is_refused(text: str) -> None:
    with contextlib.suppress(MalformedBody):
        MultipartReader(f"multipart/form-data; boundary={text}")


# Boundaries


@pytest.mark.parametrize("boundary", ["", '""', "x" * 71, "*"])
def test_a_boundary_that_cannot_be_used(boundary: str) -> None:
    suffix = "" if boundary == "*" else f"; boundary={boundary}"
    refused(form(b"x"), f"multipart/form-data{suffix}")


@pytest.mark.parametrize("boundary", ["x" * 70, "'()+_,-./:=?", "a b"])
def test_a_boundary_of_any_characters(boundary: str) -> None:
    body = form(b"x").replace(BOUNDARY, boundary.encode())
    assert [part.content for part in read([body], f'multipart/form-data; boundary="{boundary}"')]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing of a form",
        form(b"x")[:-4],
        form(b"x")[:-3],
        form(b"x").replace(b"\r\n", b"\n"),
        form(b"x").replace(BOUNDARY, b"other"),
    ],
)
def test_without_its_boundaries_it_is_no_form(body: bytes) -> None:
    refused(body)


def test_a_form_may_be_empty() -> None:
    assert read([b"--" + BOUNDARY + b"--"]) == []
    assert read([b"x" + form(b"all of it stands before the last boundary")]) == []


# Headers


def test_a_part_says_what_it_is() -> None:
    [part] = read(
        [
            form(
                b"x",
                headers=[
                    b"CONTENT-TYPE:   Text/Plain;  charset=latin-1 ",
                    b"content-transfer-encoding: BASE64",
                    b"Content-Type: the/second",
                    b'Content-Disposition: form-data; name="other"',
                ],
            )
        ]
    )
    kind = "Text/Plain;  charset=latin-1"
    assert part.head == PartHead("data", None, kind, "latin-1", "base64")


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        (b'filename="a b.png"', "a b.png"),
        (b"filename=a.png", "a.png"),
        (b'filename=""', ""),
        (b'filename="a;b.png"', "a;b.png"),
        (b'filename="a\\"b.png"', 'a"b.png'),
        ('filename="é.png"'.encode(), "é.png"),
        (b'filename="\xe9.png"', "\udce9.png"),
        (b"filename*=UTF-8''na%C3%AFve.png", "naïve.png"),
        (b"filename=\"ascii.png\"; filename*=UTF-8''%C3%A9.png", "é.png"),
        (b"filename=\"ascii.png\"; filename*=no-such''%C3%A9.png", "ascii.png"),
        (b"filename=\"ascii.png\"; filename*=punycode''a-%41.png", "ascii.png"),
        (b"filename=\"ascii.png\"; filename*0*=undefined''%41.png", "ascii.png"),
        (b"filename*=''na%C3%AFve.png", "naïve.png"),
        (b"filename* = windows-1252''%E9.png", "é.png"),
    ],
)
def test_the_name_of_a_file(disposition: bytes, filename: str) -> None:
    body = form(b"x").replace(DISPOSITION, DISPOSITION + b"; " + disposition)
    assert read([body])[0].head.filename == filename


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"Content-Type: text/plain",
        b"Content-Disposition: form-data",
        b"Content-Disposition: form-data; name",
        b'Content-Disposition: form-data; name="a\rb"',
        b'Content-Disposition: form-data; name="a\nb"',
        b'Content-Disposition: form-data; name="a\0b"',
        b'Content-Disposition: form-data; name="a\x7fb"',
        DISPOSITION + b"\r\nX: a\nInjected: b",
        DISPOSITION + b"\r\n folded",
        DISPOSITION + b"\r\nno colon",
        DISPOSITION + b"\r\n: no name",
        DISPOSITION + b"\r\na b: c",
        DISPOSITION + b"\r\n\xe9: c",
        DISPOSITION + b"\r\nContent-Type: multipart/mixed; boundary=inner",
        DISPOSITION + b"\r\nX: " + b"x" * MAX_HEADER_BYTES,
        DISPOSITION + b"\r\n" + b"x" * MAX_HEADER_BYTES + b": x",
        DISPOSITION + b"\r\nX: y" * MAX_HEADERS,
    ],
)
def test_headers_that_are_refused(head: bytes) -> None:
    refused(form(b"x").replace(DISPOSITION, head))


def test_a_header_without_an_end_is_refused_before_it_is_all_there() -> None:
    reader = MultipartReader(CONTENT_TYPE)
    reader.feed(form(b"")[: len(BOUNDARY) + 4])
    reader.feed(b"x" * (MAX_HEADER_BYTES - 10))
    with pytest.raises(MalformedBody):
        reader.feed(b"x" * 20)


def test_a_preamble_is_not_held() -> None:
    reader = MultipartReader(CONTENT_TYPE)
    for _ in range(100):
        assert reader.feed(b"\r\n-- x" * 1000) == []
    assert len(reader._preamble or b"") <= len(BOUNDARY) + 3
    assert [type(event) for event in reader.feed(b"\r\n" + form(b""))] == [PartHead, PartEnd]


def test_a_malformed_disposition_says_nothing() -> None:
    assert disposition_of("form-data; x; name=a") == {}
    assert disposition_of("") == {}


# Transfer encodings


def decoded(encoding: str, chunks: Iterable[bytes]) -> bytes:
    decoder = TransferDecoder(encoding)
    pieces = [bytes(decoder.decode(memoryview(chunk))) for chunk in chunks]
    return b"".join(pieces) + decoder.finish()


@pytest.mark.parametrize("encoding", ["binary", "8bit", "7bit"])
def test_most_encodings_say_nothing(encoding: str) -> None:
    assert decoded(encoding, [b"a=3D", b"\r\n"]) == b"a=3D\r\n"


@given(st.binary(max_size=200), st.integers(0, 3), cuts)
def test_base64_comes_back_however_it_was_cut(content: bytes, lines: int, at: list[int]) -> None:
    text = binascii.b2a_base64(content, newline=False)
    width = 76 // (lines + 1)
    sent = b"\r\n".join(text[start : start + width] for start in range(0, len(text), width))
    assert decoded("base64", cut(sent, at)) == content


@given(st.text(alphabet="AQ=", max_size=12).map(str.encode), cuts)
@example(b"AA==AAAAAA==", [5])
def test_base64_is_refused_wherever_it_was_cut(sent: bytes, at: list[int]) -> None:
    outcomes: list[object] = []
    for chunks in ([sent], cut(sent, at)):
        try:
            outcomes.append(decoded("base64", chunks))
        except MalformedBody as exc:
            outcomes.append(exc.message)
    assert outcomes[0] == outcomes[1]


@given(st.binary(max_size=200), cuts)
def test_quoted_printable_comes_back_however_it_was_cut(content: bytes, at: list[int]) -> None:
    content = content.replace(b"\r", b"").replace(b"\n", b"")
    sent = binascii.b2a_qp(content, quotetabs=True).replace(b"\n", b"\r\n").replace(b"\r\r", b"\r")
    assert decoded("quoted-printable", cut(sent, at)) == content


@pytest.mark.parametrize(
    ("encoding", "data"),
    [("base64", b"abc"), ("base64", b"a"), ("quoted-printable", b"x" * (MAX_HEADER_BYTES + 1))],
)
def test_what_is_not_encoded_so_is_refused(encoding: str, data: bytes) -> None:
    with pytest.raises(MalformedBody):
        decoded(encoding, [data])


@pytest.mark.parametrize("encoding", ["", "rot13", "gzip"])
def test_another_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(MalformedBody):
        TransferDecoder(encoding)
