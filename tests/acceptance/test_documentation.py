# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the documentation shows, works; what it cannot run is at least well formed."""

import configparser
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.acceptance.blocks import Block, Command, blocks_of, commands_of
from tests.acceptance.walk import END_S, Walk, agrees, walking

SOURCE = Path(__file__).parents[2] / "doc" / "source"
PAGES = sorted(SOURCE.rglob("*.rst"))
#: Those whose commands are run.
WALKED = (
    "quickstart.rst",
    "howto/alien4cloud.rst",
    "howto/configure.rst",
    "howto/deploy-compose.rst",
    "howto/evaluate.rst",
    "howto/init.rst",
    "howto/image-check.rst",
    "howto/integrate.rst",
    "howto/orchestrator.rst",
    "howto/queue.rst",
    "howto/sign-in.rst",
    "howto/throughput.rst",
    "howto/train.rst",
)
#: Those of them whose reader starts none.
WITHOUT_A_SERVICE = (
    "howto/alien4cloud.rst",
    "howto/configure.rst",
    "howto/deploy-compose.rst",
)


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
@pytest.mark.parametrize("name", WALKED)
def test_a_reader_gets_what_the_page_shows(name: str, tmp_path: Path) -> None:
    folder, private = tmp_path / "reader", tmp_path / "private"
    folder.mkdir()
    private.mkdir()
    with walking(SOURCE / name, folder, private) as walk:
        if walk.service is None:
            assert name in WITHOUT_A_SERVICE
        else:
            assert walk.service.interrupt(limit_s=END_S) == []


def test_only_the_pages_that_are_walked_carry_marks() -> None:
    marked = {page for page in PAGES if any(block.mark for block in blocks_of(page))}
    assert marked == {SOURCE / name for name in WALKED}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SOURCE)))
def test_blocks_are_well_formed(page: Path) -> None:
    for block in blocks_of(page):
        if block.language == "python":
            compile(block.text, str(page), "exec")
        elif block.language == "json":
            json.loads(block.text)
        elif block.language == "ini":
            configparser.ConfigParser().read_string(block.text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(SOURCE)))
def test_commands_use_documented_options(page: Path) -> None:
    reference = (SOURCE / "reference" / "options.rst").read_text("utf-8")
    for block in blocks_of(page):
        for command in commands_of(block):
            if command.line.startswith("deepaas-run"):
                for option in re.findall(r" (--[\w-]+)", command.line):
                    assert re.search(rf"^\.\. option::.* {option}\b", reference, re.MULTILINE)


def test_marks_of_restructured_text_are_read(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("# licence\npass\n")
    page = tmp_path / "page.rst"
    page.write_text(
        "Text\n\n.. code-block:: console\n   :class: run-client\n\n"
        "   $ one\n   answer\n\n     indented\n   $ two\n\nMore\n\n"
        ".. literalinclude:: model.py\n   :language: python\n   :lines: 2-\n"
        "   :caption: m.py\n   :class: run-file\n"
    )
    console, included = blocks_of(page)
    assert commands_of(console) == [Command("one", "answer\n\n  indented\n"), Command("two")]
    assert (console.language, console.mark) == ("console", "run-client")
    assert included == Block("python", "# licence\npass\n", "run-file", "m.py")


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("", "anything", True),
        ("text\n", "text", True),
        ("text", "other", False),
        ('{"a": [1, "…"]}', '{"a":[1,{"b":2}]}', True),
        ('{"a": 1}', '{"a": 1, "b": 2}', False),
        ('{"a": 1, "…": "…"}', '{"a": 1, "b": 2}', True),
        ('{"a": 1, "…": "…"}', '{"b": 2}', False),
        ("[1]", "[1, 2]", False),
        ('{"a": 7}', "no JSON", False),
    ],
)
def test_an_output_is_compared_as_the_page_means_it(
    expected: str, actual: str, *, same: bool
) -> None:
    assert agrees(expected, actual) is same


def test_an_output_that_differs_from_the_page_fails(tmp_path: Path) -> None:
    walk = Walk(tmp_path, tmp_path)
    walk.follow(Block("console", '$ echo \'{"uuid": "5f"}\'\n', "run-client"))
    walk.follow(Block("console", "$ echo UUID\n5f\n", "run-client"))
    with pytest.raises(AssertionError, match="is shown as 8"):
        walk.follow(Block("console", "$ echo 7\n8\n", "run-client"))
    with pytest.raises(AssertionError, match="no such mark"):
        walk.follow(Block("console", "", "run-away"))
