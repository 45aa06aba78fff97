# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Files of variables are read as Docker Compose and shells read them, or refused."""

from pathlib import Path

import pytest

from deepaas.config import dotenv
from deepaas.config.dotenv import parse_variables, read_variables
from deepaas.errors import ConfigurationError


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("export A = b", "b"),
        ("  A=b c  ", "b c"),
        ("A=b # comment", "b"),
        ("A=# comment", ""),
        ("A=b#c", "b#c"),
        ("A=$HOME/`id`/$(id)", "$HOME/`id`/$(id)"),
        ("A='b # $c \\n'", "b # $c \\n"),
        ("A='two\nlines' # comment", "two\nlines"),
        ('A="b # \\"c\\" \\n\\t\\\\ \\$d"', 'b # "c" \n\t\\ $d'),
        ('A="two\\\nlines"', "twolines"),
        ("A={{ b }}", "{{ b }}"),
        ("A=no", "no"),
        ("A=é", "é"),
        ("A=b=c", "b=c"),
    ],
)
def test_a_value(line: str, value: str) -> None:
    (found,) = parse_variables(f"# head\n\n{line}", ".env")
    assert found == ("A", value, ".env:3")
    assert parse_variables(f"{line}\nB=c\n", ".env")[1].value == "c"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A=b\nnothing", ".env:2: this is no NAME=value."),
        ("1A=b", ".env:1: this is no NAME=value."),
        ("Ä=b", ".env:1: this is no NAME=value."),
        ("A='b", ".env:1: the quote ' does not end."),
        ('A="b\\"', '.env:1: the quote " does not end.'),
        ("A='b'c", ".env:1: something stands behind the closing quote."),
        ("A='\n'\nA=hidden", ".env:3: A is set at .env:1 too."),
    ],
)
def test_what_is_refused_and_no_value_shown(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_variables(text, ".env")
    assert caught.value.message == said


def test_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    with pytest.raises(ConfigurationError, match="No such file"):
        read_variables(file)
    file.write_bytes(b"A=b\r\nB=c\r\n")
    assert [each.value for each in read_variables(file)] == ["b", "c"]
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        read_variables(file)
    file.write_bytes(b"A=b\0")
    with pytest.raises(ConfigurationError, match="zero byte"):
        read_variables(file)
    monkeypatch.setattr(dotenv, "_MAX_BYTES", 3)
    file.write_text("A=bcd")
    with pytest.raises(ConfigurationError, match="more than 3 bytes"):
        read_variables(file)
