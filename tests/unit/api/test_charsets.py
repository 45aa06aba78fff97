# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Only character sets that are known are looked for."""

import encodings
from typing import Any, cast

import pytest

from deepaas.api.charsets import codec_of, decoded
from deepaas.api.multipart import disposition_of


@pytest.mark.parametrize(
    ("charset", "data"),
    [
        ("utf-8", b"\xc3\xa9"),
        (" UTF8 ", b"\xc3\xa9"),
        ("utf-8-sig", b"\xef\xbb\xbf\xc3\xa9"),
        ("ISO-8859-1", b"\xe9"),
        ("latin_1", b"\xe9"),
        ("windows-1252", b"\xe9"),
        ("utf-16le", b"\xe9\x00"),
        ("macintosh", b"\x8e"),
    ],
)
def test_what_is_in_use_is_known(charset: str, data: bytes) -> None:
    assert decoded(data, charset) == "é"


@pytest.mark.parametrize(
    "charset", ["punycode", "idna", "undefined", "unicode_escape", "hex", "no-such", "", "a\0b"]
)
def test_nothing_else_is(charset: str) -> None:
    with pytest.raises(ValueError, match="character set"):
        decoded(b"x", charset)


def test_names_that_clients_make_up_are_not_remembered() -> None:
    """Python's own search keeps every name for which it has found nothing."""
    remembered = cast(Any, encodings)._cache
    before = set(remembered)
    for at in range(100):
        assert codec_of(f"made-up-{at}") is None
        assert disposition_of(f"form-data; name*=made-up-{at}''%41; filename=\"a\"") == {
            "filename": "a"
        }
    assert set(remembered) == before
