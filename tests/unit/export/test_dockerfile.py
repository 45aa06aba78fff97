# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What is written in the language of Dockerfiles is read back, and breaks out of nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepaas.export.dockerfile import (
    can_be_said,
    instructions,
    last_stage,
    pairs,
    program,
    quoted,
    read_pairs,
    shell,
)


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True), st.text()))
def test_pairs_read_back(values: dict[str, str]) -> None:
    values = {name: value for name, value in values.items() if can_be_said(value)}
    text = "FROM x\n" + pairs("ENV", values) + "USER 1\n"
    read: dict[str, str] = {}
    for name, rest in instructions(text):
        if name == "ENV":
            read |= read_pairs(rest)
    assert read == values


def test_nothing_is_replaced_in_what_is_quoted() -> None:
    assert quoted("plain") == '"plain"'
    assert quoted('$HOME \\ "') == "'$HOME \\ \"'"
    assert quoted("it's $HOME \\ and \"") == '"it\'s \\$HOME \\\\ and \\""'


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "\x00", "a\u2028b", "\t", "C:\\", "'\\\""])
def test_a_break_or_a_last_backslash_cannot_be_said(value: str) -> None:
    assert not can_be_said(value)


def test_a_program_is_json_and_holds_every_text() -> None:
    assert program("CMD", ["a", "b\n$c"]) == 'CMD ["a", "b\\n$c"]\n'
    words = ['\\"', "\\", '"\\n\\\\"']
    assert json.loads(program("CMD", words).removeprefix("CMD ")) == words


def test_words_for_a_shell_are_one_line() -> None:
    assert shell("numpy>=1", "a\nb", "; rm") == "'numpy>=1' 'a b' '; rm'"


def test_instructions_are_joined_where_they_are_continued() -> None:
    text = '# c\nFROM a AS b\nENV A=b\nFROM c\nenv D="e" \\\n# comment\n\n  F=g\nUSER 1\n'
    assert last_stage(text) == [("ENV", 'D="e"   F=g'), ("USER", "1")]
    assert read_pairs('D="e"   F=g') == {"D": "e", "F": "g"}


@pytest.mark.parametrize("text", ["A", 'A="b"c', "A='b'c", "A=b\\ c"])
def test_other_ways_to_write_pairs_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not NAME=VALUE"):
        read_pairs(text)
