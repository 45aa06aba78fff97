# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Options that are a size or an age, with their units."""

import re
from datetime import timedelta
from typing import Final

from deepaas.errors import ConfigurationError

_QUANTITY: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([A-Za-z]*)", re.ASCII)
_BYTES: Final = {
    "": 1,
    "b": 1,
    **{f"{prefix}b": 1000**power for power, prefix in enumerate("kmgt", start=1)},
    **{f"{prefix}ib": 1024**power for power, prefix in enumerate("kmgt", start=1)},
}
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
#: Longer than anybody keeps anything, and a time so far in the past is still a time.
_LONGEST: Final = timedelta(days=365_000)


def size(option: str, text: str) -> int:
    """Return a size in bytes; an empty text is 0.

    Raises:
        ConfigurationError: It is none; the message names the option and the text.
    """
    if not text.strip():
        return 0
    found = _QUANTITY.fullmatch(text.strip())
    unit = None if found is None else _BYTES.get(found[2].lower())
    if found is None or unit is None:
        raise ConfigurationError(
            f"{option} is {text!r}; it must be a number of bytes, or one with a unit: 500MB, 20GiB."
        )
    found_bytes = int(float(found[1]) * unit) if "." in found[1] else int(found[1]) * unit
    if found_bytes == 0 and float(found[1]):
        raise ConfigurationError(f"{option} is {text!r}; it must be at least one byte, or 0.")
    return found_bytes


def age(option: str, text: str) -> timedelta | None:
    """Return an age; ``None`` for an empty text, and for 0.

    Raises:
        ConfigurationError: It is none; the message names the option and the text.
    """
    if text.strip() in ("", "0"):
        return None
    found = _QUANTITY.fullmatch(text.strip())
    unit = None if found is None else _SECONDS.get(found[2].lower())
    if found is None or unit is None:
        raise ConfigurationError(
            f"{option} is {text!r}; it must be a number with a unit: 30d, 12h; or 0 for no limit."
        )
    if found[2] == "M":
        raise ConfigurationError(
            f"{option} is {text!r}; minutes are m, and months have no unit: 30 days are 30d."
        )
    seconds = float(found[1]) * unit
    if seconds > _LONGEST.total_seconds():
        raise ConfigurationError(f"{option} is {text!r}; it must be at most {_LONGEST.days}d.")
    found_age = timedelta(seconds=seconds)
    if not found_age and seconds:
        raise ConfigurationError(f"{option} is {text!r}; it must be longer, or 0.")
    return found_age or None
