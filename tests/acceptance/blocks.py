# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Read the code blocks of the README and of the documentation."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(
    r"^```(?P<language>\w+)[ ]?(?P<mark>[\w-]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_DIRECTIVE = re.compile(
    r"^\.\. (?P<kind>code-block|literalinclude):: (?P<argument>\S+)\n"
    r"(?P<options>(?:^[ ]{3}:[\w-]+:.*\n)*)"
    r"(?P<text>(?:^(?:[ ]{3}.*)?\n)*)",
    re.MULTILINE,
)
_OPTION = re.compile(r":([\w-]+): *(.*)")


@dataclass(frozen=True)
class Block:
    """A block of code that a page shows."""

    language: str
    text: str
    #: ``run-file``, ``run-server``, ``run-client``, ``run-until``, or empty: only shown.
    mark: str = ""
    #: Name of the file that the block is.
    caption: str = ""


@dataclass(frozen=True)
class Command:
    """A line that a reader types, and what the page says comes back."""

    line: str
    #: Empty where the page does not say.
    output: str = ""


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page, Markdown or reStructuredText by its suffix."""
    text = page.read_text("utf-8")
    return list(_markdown(text) if page.suffix == ".md" else _restructured(text, page.parent))


def _markdown(text: str) -> Iterator[Block]:
    for found in _FENCE.finditer(text):
        yield Block(found["language"], found["text"], found["mark"])


def _restructured(text: str, folder: Path) -> Iterator[Block]:
    for found in _DIRECTIVE.finditer(text + "\n"):
        options = dict(_OPTION.findall(found["options"]))
        content = textwrap.dedent(found["text"]).strip("\n") + "\n"
        language = found["argument"]
        if found["kind"] == "literalinclude":
            language = options.get("language", "")
            # The lines left out by :lines: or :start-at: are there for whoever takes the file.
            content = (folder / found["argument"]).read_text("utf-8")
        yield Block(language, content, options.get("class", ""), options.get("caption", ""))


def commands_of(block: Block) -> list[Command]:
    """Return the commands (``$ …``) of a console block, each with the lines up to the next."""
    commands: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            commands.append(Command(line.removeprefix("$ ")))
        elif commands:
            last = commands.pop()
            commands.append(Command(last.line, f"{last.output}{line}\n"))
    return commands
