# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The depth of JSON is told from its text, whatever the texts within it hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepaas.model.nesting import is_too_deep

TEXTS = st.text(st.sampled_from('[]{}"\\,:x\u00e9'), max_size=6)
VALUES = st.recursive(
    TEXTS | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=20,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(VALUES, st.booleans(), st.integers(0, 8))
def test_it_is_the_depth_of_the_value(value: Any, escapes: bool, limit: int) -> None:
    text = json.dumps(value, ensure_ascii=escapes).encode()
    assert is_too_deep(text, limit) is (depth(value) > limit)
    assert is_too_deep(memoryview(text), limit) is (depth(value) > limit)


@pytest.mark.parametrize("limit", [200, 199])
def test_brackets_in_texts_hide_nothing(limit: int) -> None:
    text = b'["]\\"",' * 200 + b"1" + b',"["]' * 200
    assert is_too_deep(text, limit) is (limit < 200)
    assert not is_too_deep(b'"%s"' % (b"[" * 1000), limit)
