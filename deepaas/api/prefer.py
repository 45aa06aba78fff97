# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How a client would rather be answered: the header ``Prefer`` (RFC 7240)."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

HEADER: Final = "Prefer"
APPLIED: Final = "Preference-Applied"
#: Nobody waits longer than this for an answer that is kept anyway.
_LONGEST_WAIT_S: Final = 60

#: A preference with what belongs to it. The quantifiers give nothing back: no text takes long.
_PREFERENCE = re.compile(r'(?:"(?:[^"\\]|\\.?)*+"?|[^",])++', re.DOTALL)


class Preferences(NamedTuple):
    """What of it this service knows; all else is ignored, as the RFC demands."""

    #: ``respond-async``: to be told where the answer will be.
    is_async: bool = False
    #: ``wait``: how many seconds to wait for it first, ``None`` where that is not said.
    wait_s: int | None = None

    @property
    def applied(self) -> str:
        """What is said to have been followed."""
        return "respond-async" if self.wait_s is None else f"respond-async, wait={self.wait_s}"


def read_preferences(headers: Iterable[str]) -> Preferences:
    """Return what the headers ask for; of a preference that comes twice, the first counts."""
    found: dict[str, str] = {}
    for preference in _PREFERENCE.findall(",".join(headers)):
        # Behind a semicolon come parameters, which none of ours has.
        name, _, value = preference.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    wait = found.get("wait", "")
    wait_s = min(int(wait[:9]), _LONGEST_WAIT_S) if wait.isascii() and wait.isdigit() else None
    return Preferences("respond-async" in found, wait_s)
