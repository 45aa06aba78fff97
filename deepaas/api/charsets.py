# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The character sets that clients may name.

Python looks for a codec of any name, remembers for ever that there is none, and has some for which
the time grows with the square of the text (punycode): only names that are known are handed to it.
"""

from encodings.aliases import aliases
from typing import Final

#: Those that have no other name, and are one of the web's (WHATWG, Encoding, section 4.2).
_WITHOUT_ALIAS: Final = ("cp874", "koi8_u", "utf_8_sig")
_CODECS: Final = {
    **aliases,
    **{codec: codec for codec in (*aliases.values(), *_WITHOUT_ALIAS)},
}


def codec_of(charset: str) -> str | None:
    """Return the name of Python's codec for a character set, ``None`` for one that is unknown."""
    return _CODECS.get(charset.strip().lower().replace("-", "_"))


def decoded(data: bytes | bytearray, charset: str) -> str:
    """Return the text that the data stands for.

    Raises:
        ValueError: The character set is unknown, or the data is not encoded so.
    """
    codec = codec_of(charset)
    if codec is None:
        raise ValueError(f"no character set: {charset!r}")
    try:
        return data.decode(codec)
    except LookupError as exc:  # Python has it, but it is not one of texts
        raise ValueError(f"no character set: {charset!r}") from exc
