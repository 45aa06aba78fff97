# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A bar stays below what is printed."""

import re

import pytest

from deepaas.cmd.screen import Screen


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
