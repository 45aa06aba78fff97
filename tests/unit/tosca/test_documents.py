# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""YAML is read within limits, tells its lines, and is written so that it reads back."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deepaas.errors import InvalidDocument
from deepaas.tosca.documents import MAX_BYTES, parse_document, read_document, write_document

HOSTILE = [
    *("no", "y", "on", "null", "~", "", "1e3", "0o17", "017", "0x1F", "1_000", "1:30", ".5", "+1"),
    *("2019-01-01", "2019-01-01T00:00:00Z", ".nan", "=", "<<", "1.0.0", "-", "?", "!x", "&a", "*a"),
    *(
        '"; rm -rf /"',
        "$()",
        "`id`",
        "{{ x }}",
        "{% x %}",
        "'",
        '"',
        "a: b",
        "a #b",
        "# a",
        "%",
        "@",
    ),
    *("a\nb", "\n", " a", "a ", "\t", "a\tb", "a\r\nb", "\x07", "\x00", "\x85", "\u2028", "\ufeff"),
    *("é", "日本", "😀", "x" * 300, "---", "...", "- a", "[a]", "|", ">", "\\", "\\n"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_reads_back_as_it_was_written(text: str) -> None:
    data = {text: [text, {text: text}, [[text]]]}
    written = write_document(data)
    assert parse_document(written, "f").data == data
    assert yaml.safe_load(written) == data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(JSON)
@settings(max_examples=60, deadline=None)
def test_what_is_written_reads_back(data: Any) -> None:
    written = write_document(data)
    assert parse_document(written, "f").data == data
    assert write_document(parse_document(written, "f").data) == written


def test_numbers_of_other_readers_are_quoted() -> None:
    assert write_document(["1e3", "0o17", "y", "plain"]) == '- "1e3"\n- "0o17"\n- "y"\n- plain\n'


def test_the_head_is_a_comment() -> None:
    assert write_document({"a": {}}, "one\n\ntwo") == "# one\n#\n# two\na: {}\n"


def test_what_yaml_cannot_say_is_not_written() -> None:
    with pytest.raises(InvalidDocument, match="cannot be written as YAML"):
        write_document({"a": object()})


def test_each_value_has_a_line() -> None:
    document = parse_document("a:\n  b: &x\n    - 1\n    - c: no\nd: *x\n", "f.yml")
    assert document.data == {"a": {"b": [1, {"c": False}]}, "d": [1, {"c": False}]}
    assert document.place("a", "b", 1, "c") == "f.yml:4"
    assert document.place("a", "nothing", "there") == "f.yml:1"
    assert document.at("a", "b", 0) == 1
    assert (
        document.at("a", "b", 7) is document.at("a", "c") is document.at("a", "b", 0, "c") is None
    )
    assert document.data["a"]["b"] is not document.data["d"]


def test_times_stay_texts_and_merges_are_merged() -> None:
    text = "a: &x {b: 2019-01-01, c: 1}\nd: {<<: *x, c: 2}\ne: {<<: *x}\n"
    document = parse_document(text, "f")
    assert document.data["d"] == {"b": "2019-01-01", "c": 2}
    assert document.data["e"] == {"b": "2019-01-01", "c": 1}


def test_an_empty_file_has_nothing() -> None:
    document = parse_document("# only a comment\n", "f")
    assert document.data is None
    assert document.place("a") == "f:1"
    with pytest.raises(InvalidDocument, match=r"^f:1: this is no mapping"):
        document.table()


BOMB = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 9)
)
DEEP_BY_ALIAS = f"a: &a {'[' * 40}{']' * 40}\nb: {'[' * 40}*a{']' * 40}\n"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("a: 1\nb: 2\n'a': 3", "f:3: the key 'a' stands in line 1 already."),
        ("yes: 1\ntrue: 2", "f:2: the key 'true' stands in line 1 already, as 'yes'."),
        ("{1: a, 1.0: b}", "f:1: the key '1.0' stands in line 1 already, as '1'."),
        ("!!set a: 1", "f:1: values with the tag"),
        ("- <<", "f:1: values with the tag"),
        ("a: [1", "f:1: while parsing a flow sequence"),
        ("a: 1\n\tb: 2", "f:2: while scanning for the next token"),
        ("a: *x", "f:1: found undefined alias 'x'."),
        ("a: 1\n---\nb: 2", "f:2: expected a single document"),
        ("a:\n  b: !!python/object:os.system {}", "f:2: values with the tag"),
        ("a: !!binary aGk=", "f:1: values with the tag"),
        ("a: !!set {b, c}", "f:1: values with the tag"),
        ("a: !!int b", "f:1: 'b' is no int."),
        ("a: !!bool b", "f:1: 'b' is no bool."),
        ("a: " + "9" * 5000, "f:1: '99"),
        ("a: &x {b: *x}", "f:1: an alias in it stands for what contains it."),
        ("a: &x {<<: *x}", "f:1: an alias in it stands for what contains it."),
        ("{<<: 1}", "f:1: while constructing a mapping"),
        ("a: 1\n? [b]\n: c", "f:2: a key is no plain name."),
        ("[" * 100 + "]" * 100, "f:1: it nests deeper than"),
        (DEEP_BY_ALIAS, "f:2: it nests deeper than"),
        (BOMB, "it has more than 100000 values"),
        (b"a: 1\nb: \xff", "f:2: this is no UTF-8."),
        ("a: b\nc: \x07", r"f:2: the character '\x07' is not allowed in YAML."),
        ("a" * (MAX_BYTES + 1), f"f: it has more than {MAX_BYTES} bytes."),
    ],
)
def test_what_is_refused(content: str | bytes, fault: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse_document(content, "f")
    assert fault in caught.value.message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument, match=r"missing\.yml: No such file or directory"):
        read_document(tmp_path / "missing.yml")
    (tmp_path / "a.yml").write_text("a: 1")
    assert read_document(tmp_path / "a.yml", "shown").place("a") == "shown:1"
