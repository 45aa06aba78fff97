# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Texts that no file could keep are refused."""

import pytest

from deepaas.errors import ConfigurationError
from tests.unit.scaffold.facts import HOSTILE, facts


@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_write_is_taken(text: str) -> None:
    assert facts(title=text, summary=text).title == text


@pytest.mark.parametrize("name", ["title", "summary", "author"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("a\x00b", "control character"),
        ("a\tb", "control character"),
        ("a\x7fb", "control character"),
        ("a\ud800", "is no text in UTF-8"),
    ],
)
def test_a_text_that_cannot_be_kept_is_refused(name: str, text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=f"The {name} .*{reason}"):
        facts(**{name: text})


def test_the_author_is_one_line() -> None:
    with pytest.raises(ConfigurationError, match="has to be one line"):
        facts(author="A\nLicense: none")
