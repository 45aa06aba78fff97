# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a service sends can be printed, and steers no terminal."""

import json

import pytest

from deepaas.cmd.jobs.harmless import parse_json, without_controls


@pytest.mark.parametrize("around", ["[%s]", '{"a": %s}'])
def test_what_is_parsed_can_be_printed(around: str) -> None:
    head, tail = around.split("%s")
    texts = {depth: f"{head * depth}1{tail * depth}" for depth in (199, 200, 900, 100_000)}
    assert json.dumps(parse_json(texts.pop(199)), indent=2)
    for text in texts.values():
        with pytest.raises(ValueError, match="nested too deeply"):
            parse_json(text)


def test_a_long_list_is_not_a_deep_one() -> None:
    assert len(parse_json(json.dumps([{"a": [1]}] * 5000))) == 5000


def test_controls_are_dropped_and_lines_stay() -> None:
    assert without_controls("\x1b]0;title\x07a\tü\r\n\x9b2J\x7f\x00→") == "]0;titlea\tü\r\n2J→"
