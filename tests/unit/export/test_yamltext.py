# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""YAML that every reader takes for the same."""

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from deepaas.errors import ConfigurationError
from deepaas.export.yamltext import comment, dump, every_text, load


@example(["\x85", "a\u2028b\n"])
@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]))))
def test_texts_read_back(texts: list[str]) -> None:
    assert load(dump({"texts": texts}), "x") == [{"texts": texts}]


@pytest.mark.parametrize(
    "text", ["1e3", "0o17", "0x1F", ".5", "5.", "y", "N", "-.inf", "+1", "012"]
)
def test_what_others_take_for_a_number_or_for_truth_is_quoted(text: str) -> None:
    assert dump({"a": text}) == f"a: '{text}'\n"


def test_what_stands_twice_is_written_twice() -> None:
    twice = ["x"]
    assert dump({"a": twice, "b": twice}) == "a:\n- x\nb:\n- x\n"


def test_several_documents_are_told_apart() -> None:
    assert dump({"a": 1}, {"b": 2}) == "---\na: 1\n---\nb: 2\n"


def test_a_comment_keeps_what_is_indented() -> None:
    text = comment("\n" + "word " * 20 + "\n\n    " + "x" * 90 + "\n")
    first, second, empty, code = text.splitlines()
    assert first.startswith("# word word")
    assert max(len(first), len(second)) <= 80
    assert empty == "#"
    assert code == "#     " + "x" * 90
    assert yaml.safe_load(text) is None


@pytest.mark.parametrize("text", ["a: [", "a: !!python/object:os.x", "[" * 5000, "2001-99-99"])
def test_what_is_no_yaml_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="'file' cannot be read: "):
        load(text, "file")


def test_texts_are_changed_wherever_they_are() -> None:
    assert every_text({"a": ["b", 1, ("c",)]}, str.upper) == {"a": ["B", 1, ["C"]]}
