# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A bar stays below what is printed."""

import os
import re

import pytest

from deepaas.cmd.screen import Screen, ScreenForChild
from tests.unit.parts import open_fds


class Terminal:
    """Shows what a terminal would: carriage returns and erased lines are carried out."""

    def __init__(self, columns: int = 40) -> None:
        self.lines = [""]
        self.column = 0
        self.columns = columns

    def write(self, data: bytes) -> None:
        for part in re.findall("\x1b\\[K|.", data.decode(), re.DOTALL):
            line = self.lines[-1]
            if part == "\x1b[K":
                self.lines[-1] = line[: self.column]
            elif part == "\r":
                self.column = 0
            elif part == "\n":
                self.lines.append("")
                self.column = 0
            else:
                self.lines[-1] = line[: self.column] + part + line[self.column + 1 :]
                self.column += 1
                assert self.column < self.columns, "it would go on in the next line"


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def screen(terminal: Terminal) -> Screen:
    return Screen(terminal.write, lambda: terminal.columns)


def test_a_bar_replaces_the_one_before(screen: Screen, terminal: Terminal) -> None:
    screen.bar("[##..] a long one")
    screen.bar("[####]")
    assert terminal.lines == ["[####]"]


def test_output_stands_above_the_bar(screen: Screen, terminal: Terminal) -> None:
    screen.output(b"before\n")
    screen.bar("[##..]")
    screen.output(b"one\ntwo\n")
    assert terminal.lines == ["before", "one", "two", "[##..]"]


def test_an_unfinished_line_is_not_broken(screen: Screen, terminal: Terminal) -> None:
    screen.bar("[##..]")
    screen.output(b"to be")
    assert terminal.lines == ["to be"]
    screen.bar("[###.]")
    assert terminal.lines == ["to be"]
    screen.output(b" continued\n")
    assert terminal.lines == ["to be continued", "[###.]"]


def test_a_bar_that_is_left_is_a_line_of_the_output(screen: Screen, terminal: Terminal) -> None:
    screen.bar("[####]")
    screen.bar("")
    screen.output(b"the result\n")
    screen.close()
    assert terminal.lines == ["[####]", "the result", ""]


def test_the_last_bar_is_shown_behind_an_unfinished_line(
    screen: Screen, terminal: Terminal
) -> None:
    screen.output(b"unfinished")
    screen.bar("[####]")
    screen.close()
    screen.close()
    assert terminal.lines == ["unfinished", "[####]", ""]


def test_without_a_bar_nothing_is_added(screen: Screen, terminal: Terminal) -> None:
    screen.output(b"")
    screen.output(b"text")
    screen.bar("")
    screen.close()
    assert terminal.lines == ["text"]


def test_a_bar_never_takes_a_second_line(screen: Screen, terminal: Terminal) -> None:
    terminal.columns = 10
    screen.bar("[####] 1/2 loss=0.5")
    screen.bar("[####]")
    assert terminal.lines == ["[####]"]


@pytest.mark.parametrize("closes_first", [True, False])
def test_what_a_child_writes_is_put_together(
    closes_first: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also on what is no terminal any more."""
    before = open_fds()
    screen = ScreenForChild()
    terminal, bars = screen.child_fds
    ours = [os.dup(terminal), os.dup(bars)]
    screen.started()
    assert not screen.pump()
    os.write(ours[0], b"printed\n")
    os.write(ours[1], b"[##..]\n[####]\n\n")
    if closes_first:
        for fd in ours:
            os.close(fd)
    while screen.pump():
        pass
    # What has come to its end is not waited for any more, which would be busy waiting.
    assert len(screen.fds) == (0 if closes_first else 2)
    if not closes_first:
        os.write(ours[0], b"the result\n")
        for fd in ours:
            os.close(fd)
    screen.finish()
    assert open_fds() == before
    shown = capfd.readouterr().err
    assert shown.startswith("[##..]\r\x1b[K[####]\nprinted\n")
    assert shown.endswith("the result\n") != closes_first


def test_a_terminal_that_is_gone_ends_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    screen = ScreenForChild()
    kept = os.dup(2)
    os.close(2)
    try:
        os.write(screen.child_fds[0], b"printed\n")
        screen.started()
        screen.finish()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
