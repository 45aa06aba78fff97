# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Passwords are read and written as rclone does."""

import pytest

from deepaas.storage.obscure import obscure, reveal

#: What rclone 1.60 printed.
OBSCURED = "meDHcOyQM1uZNLdqxUMWT54VwR0hLx4x6eMB"


def test_what_rclone_obscured_is_revealed() -> None:
    assert reveal(OBSCURED) == "pä ss:w%rd"


@pytest.mark.parametrize("plain", ["", "a", "s e:c%rét", "x" * 500])
def test_what_was_obscured_is_revealed(plain: str) -> None:
    assert reveal(obscure(plain)) == plain
    assert obscure(plain) != obscure(plain)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("secret", "too short"),
        ("not in base64!", "characters"),
        ("größe", "characters"),
        ("a", "characters"),
        ("app-pass-word-of-a-nextcloud-01", "no text"),
    ],
)
def test_a_plain_password_is_told_from_an_obscured_one(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        reveal(text)
    assert text not in str(caught.value) or len(text) == 1
