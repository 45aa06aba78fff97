# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A log is passed on in whole characters, and a progress bar as a few lines."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepaas.execution.logtext import LogReader, tail_offset


def pieces_of(path: Path, *writes: bytes, offset: int = 0) -> list[str]:
    """Write one after the other, read after each, and return what was passed on."""
    path.write_bytes(b"")
    reader = LogReader(path, offset)
    found: list[str] = []

    def read(*, is_ended: bool) -> None:
        nonlocal offset
        while True:
            piece, offset = reader.read(offset, is_ended)
            if piece is None:
                return
            assert piece.end == offset
            found.append(piece.text)

    for data in writes:
        with path.open("ab") as file:
            file.write(data)
        read(is_ended=False)
    read(is_ended=True)
    assert offset == path.stat().st_size
    return found


@pytest.mark.parametrize(
    ("writes", "pieces"),
    [
        ([], []),
        ([b"a\nb\n"], ["a\nb\n"]),
        ([b"a", b"b\n"], ["a", "b\n"]),
        # Half characters wait; what is no UTF-8 does not, nor what never becomes whole.
        ([b"\xc3", b"\xa9\n"], ["é\n"]),
        (["€".encode()[:2], "€".encode()[2:]], ["€"]),
        (["x😀".encode()[:2], "😀".encode()[1:]], ["x", "😀"]),
        (["x😀".encode()[:4], "😀".encode()[3:]], ["x", "😀"]),
        ([b"a\xff\xfe\n"], ["a\ufffd\ufffd\n"]),
        ([b"a\x80\x80\x80\x80\x80"], ["a\ufffd\ufffd\ufffd\ufffd\ufffd"]),
        ([b"a\xe2\x82"], ["a", "\ufffd"]),
        # Ends of lines as Windows has them, also cut in the middle.
        ([b"a\r\nb\r\n"], ["a\nb\n"]),
        ([b"a\r", b"\nb"], ["a", "\nb"]),
        # Progress bars, with the return before or behind.
        ([b"\r 1%\r 2%\r 3%\n"], [" 3%\n"]),
        ([b" 1%\r 2%\r"], [" 2%", "\n"]),
        ([b"\r 1%", b"\r 2%\r 3%", b"\r 4%\ndone\n"], [" 1%", "\n 3%", "\n 4%\ndone\n"]),
        ([b" 1%\r", b" 2%\r", b" 3%\r"], [" 1%", "\n 2%", "\n 3%", "\n"]),
        ([b"a\n", b"\rb"], ["a\n", "b"]),
        ([b"a", b"b", b"\rc"], ["a", "b", "\nc"]),
    ],
)
def test_what_is_passed_on(tmp_path: Path, writes: list[bytes], pieces: list[str]) -> None:
    assert pieces_of(tmp_path / "log", *writes) == pieces


@given(st.text(alphabet="aé€😀\n", max_size=40), st.lists(st.integers(0, 80)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_however_it_is_cut_nothing_is_lost(tmp_path: Path, text: str, cuts: list[int]) -> None:
    data = text.encode()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    writes = [data[a:b] for a, b in pairwise(places)]
    assert "".join(pieces_of(tmp_path / "log", *writes)) == text


@pytest.mark.parametrize("unit", ["€", "\r", "a\n", "x"])
def test_a_long_log_comes_in_blocks(tmp_path: Path, unit: str) -> None:
    text = unit * 100_000
    pieces = pieces_of(tmp_path / "log", text.encode())
    assert len(pieces) > 1
    assert max(map(len, pieces)) <= 64 * 1024
    if unit != "\r":
        assert "".join(pieces) == text


@pytest.mark.parametrize(("before", "piece"), [(b"a\n", "b\n"), (b"a", "\nb\n")])
def test_a_reader_that_goes_on_knows_whether_it_is_in_a_line(
    tmp_path: Path, before: bytes, piece: str
) -> None:
    path = tmp_path / "log"
    path.write_bytes(before + b"\rb\n")
    found, _ = LogReader(path, len(before)).read(len(before), True)
    assert found is not None
    assert found.text == piece


def test_a_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    reader = LogReader(tmp_path / "log", 5)
    assert reader.read(5, True) == (None, 5)
    assert tail_offset(tmp_path / "log", 3) == 0


@pytest.mark.parametrize(
    ("text", "lines", "tail"),
    [
        ("", 3, ""),
        ("a\nb\nc\n", 2, "b\nc\n"),
        ("a\nb\nc", 2, "b\nc"),
        ("a\nb\nc\n", 3, "a\nb\nc\n"),
        ("a\nb\n", 9, "a\nb\n"),
        ("a\nb\n", 0, ""),
        ("\n\n\n", 2, "\n\n"),
        ("a" * 100_000 + "\n" + "b" * 100_000, 1, "b" * 100_000),
        ("x\n" * 100_000, 70_000, "x\n" * 70_000),
    ],
)
def test_the_last_lines(tmp_path: Path, text: str, lines: int, tail: str) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    assert text[tail_offset(path, lines) :] == tail


def test_the_last_lines_of_one_endless_line_are_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    size = 40 * 1024 * 1024
    with path.open("wb") as file:
        file.truncate(size)
    assert tail_offset(path, 1) == size - 16 * 1024 * 1024
