# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A client gets a stream where it asks for one, and not otherwise."""

import pytest

from deepaas.api.v2.streaming import EVENTS, LINES, wanted_stream


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", ""),
        ("*/*", ""),
        ("application/json", ""),
        ("text/html,application/xhtml+xml,*/*;q=0.8", ""),
        ("text/event-stream", EVENTS),
        ("Text/Event-Stream", EVENTS),
        ("text/event-stream; charset=utf-8", EVENTS),
        ("application/x-ndjson", LINES),
        ("application/x-ndjson, text/event-stream", LINES),
        ("text/event-stream, application/x-ndjson", EVENTS),
        ("application/json, text/event-stream", ""),
        ("text/event-stream, application/json", EVENTS),
        ("application/json;q=0.5, text/event-stream", EVENTS),
        ("application/json, text/event-stream;q=0.9", ""),
        ("application/x-ndjson;q=0.2, text/event-stream;q=0.3", EVENTS),
        ("text/event-stream;q=0", ""),
        ("text/event-stream;q=0.000, application/x-ndjson", LINES),
        ("text/event-stream;q=abc", EVENTS),
        ("text/event-stream;q=1.2.3", ""),
        ("text/event-stream, */*", EVENTS),
        ("*/*, text/event-stream", EVENTS),
        ("*/*, text/event-stream;q=0.5", ""),
        ("application/*, application/x-ndjson;q=0.1", ""),
        ("application/json;q=0.1, text/event-stream;q=0.5, */*", EVENTS),
        ("text/event-streams", ""),
        (", ,text/event-stream,", EVENTS),
    ],
)
def test_the_type_that_is_wanted_most_counts(accept: str, wanted: str) -> None:
    assert wanted_stream(accept) == wanted
