# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Answers are read whole, however they are cut on the way."""

import pytest

from benchmarks.answers import AnswerReader, BadAnswer, decoded

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'6\r\n{"a":1\r\nb;x=y\r\n}\n{"a":2}\r\n\r\n1\r\n\n\r\n0\r\nX: y\r\n\r\n'
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("answer", "body"), [(PLAIN, b"hello"), (CHUNKED, b'{"a":1}\n{"a":2}\r\n\n')]
)
def test_an_answer_is_read_in_pieces_of_any_size(answer: bytes, body: bytes, size: int) -> None:
    reader = AnswerReader()
    for start in range(0, len(answer), size):
        assert not reader.is_complete
        reader.feed(answer[start : start + size])
    assert (reader.is_complete, reader.status, reader.body) == (True, 200, body)


def test_a_counted_answer_keeps_its_end_only() -> None:
    reader = AnswerReader(counted=b"\n")
    reader.feed(CHUNKED)
    assert reader.count == 3
    assert reader.body == b"}\n" + b'{"a":2}\r\n'[:9] + b"\n"


def test_a_body_without_length_ends_with_the_connection() -> None:
    reader = AnswerReader()
    reader.feed(b"HTTP/1.0 200 OK\r\n\r\nall")
    assert not reader.is_complete
    reader.feed(b"")
    assert (reader.is_complete, reader.body) == (True, b"all")


@pytest.mark.parametrize("answer", [b"", PLAIN[:-1], CHUNKED[:-1]])
def test_an_answer_that_is_cut_off_is_none(answer: bytes) -> None:
    reader = AnswerReader()
    if answer:
        reader.feed(answer)
    with pytest.raises(BadAnswer, match="closed"):
        reader.feed(b"")


def test_what_is_no_http_is_said_to_be_none() -> None:
    with pytest.raises(BadAnswer, match="no HTTP"):
        AnswerReader().feed(b"SSH-2.0\r\n\r\n")


def test_the_last_line_of_several_is_decoded() -> None:
    assert decoded(b'{"a":1}') == {"a": 1}
    assert decoded(b'{"a":1}\n{"a":2}\n') == {"a": 2}
    with pytest.raises(BadAnswer, match="no JSON"):
        decoded(b"<html>")
