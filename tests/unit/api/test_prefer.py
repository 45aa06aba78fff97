# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Preferences are read as RFC 7240 writes them, and no header takes long to read."""

import time

import pytest

from deepaas.api.prefer import Preferences, read_preferences


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], Preferences()),
        ([""], Preferences()),
        (["respond-async"], Preferences(is_async=True)),
        (["Respond-Async"], Preferences(is_async=True)),
        (['respond-async=""'], Preferences(is_async=True)),
        (["respond-async; foo=1"], Preferences(is_async=True)),
        (["respond-async, wait=10"], Preferences(True, 10)),
        (["wait = 10 ; x", "respond-async"], Preferences(True, 10)),
        (["wait=5, wait=10"], Preferences(False, 5)),
        (['respond-async, wait="7"'], Preferences(True, 7)),
        (["respond-async, wait=99999999999999"], Preferences(True, 60)),
        (["respond-async, wait=-1"], Preferences(is_async=True)),
        (["respond-async, wait=²"], Preferences(is_async=True)),
        (["respond-async, wait"], Preferences(is_async=True)),
        (["return=minimal, handling=lenient"], Preferences()),
        (['foo="a, respond-async, b"'], Preferences()),
        (['foo="a\\", respond-async"'], Preferences()),
        (['foo="never ends, respond-async'], Preferences()),
        (["foo=respond-async"], Preferences()),
    ],
)
def test_preferences(headers: list[str], found: Preferences) -> None:
    assert read_preferences(headers) == found


def test_what_was_followed_is_said() -> None:
    assert Preferences(is_async=True).applied == "respond-async"
    assert Preferences(True, 3).applied == "respond-async, wait=3"


@pytest.mark.parametrize("text", ['"\\', "; ", '"', "\\", '",', "a=", "="])
def test_no_header_takes_long(text: str) -> None:
    """A pattern that goes back and forth would take seconds, or years."""
    started = time.process_time()
    read_preferences([text * 4000])
    assert time.process_time() - started < 0.5
