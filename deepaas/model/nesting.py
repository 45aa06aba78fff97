# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How deep JSON is nested: Python follows it by recursion wherever it copies, sends or shows it.

What readers of JSON take, a thousand levels and more, others then fail at, half way. So it is
refused while it is still a client's mistake. The text is judged, not the values, of which there may
be millions.
"""

from itertools import accumulate
from typing import Final

#: More than data is nested in practice, and a fraction of what Python copies and sends.
MAX_DEPTH: Final = 200
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
#: To signed bytes: what opens is 1, what closes is -1.
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


def is_too_deep(body: bytes | memoryview, max_depth: int = MAX_DEPTH) -> bool:
    """Tell whether arrays and objects are more than so many levels within each other.

    Args:
        body: JSON that was read without an error.
        max_depth: How many levels there may be.
    """
    text = bytes(body)
    if text.count(b"[") + text.count(b"{") <= max_depth:
        return False
    if b"\\" in text:
        # Only texts hold escapes. What is left of them has no quotation marks but its own two.
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside_texts = b"".join(text.split(b'"')[::2])
    brackets = outside_texts.translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(brackets).cast("b")), default=0) > max_depth
