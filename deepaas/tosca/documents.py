# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""YAML: read within limits, with the line of each value, and written so that it reads back."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from deepaas.errors import InvalidDocument

#: The largest file of types in use has 130 KB; much more only keeps the parser busy.
MAX_BYTES: Final = 512 * 1024
MAX_DEPTH: Final = 60
#: Values that a document may have once its aliases are replaced by what they stand for.
MAX_VALUES: Final = 100_000

_TAG: Final = "tag:yaml.org,2002:"
_SCALARS: Final = {f"{_TAG}{name}" for name in ("str", "int", "float", "bool", "null")}
_MERGE: Final = f"{_TAG}merge"
#: Left as they are written: neither TOSCA nor JSON has a type for them.
_TEXTS: Final = {f"{_TAG}{name}" for name in ("timestamp", "value")}
#: Lines are not folded, which would be hard to read and to compare.
_WIDE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Document:
    """What a file of YAML says, and where it says it."""

    #: What messages call it: a path.
    name: str
    #: Made of dicts, lists, strings, numbers, truth values and ``None``; nothing in it is shared.
    data: Any
    #: From 1, by the keys and indices that lead to a value; of a key, the line it stands in.
    lines: Mapping[tuple[Any, ...], int]

    def place(self, *path: Any) -> str:
        """Return ``file:line`` of a value, or of the nearest one around it that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.name}:{self.lines.get(path, 1)}"

    def at(self, *path: Any) -> Any:
        """Return the value that keys and indices lead to, ``None`` where they lead nowhere."""
        value = self.data
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def table(self) -> dict[str, Any]:
        """Return the data of a document that must be a mapping.

        Raises:
            InvalidDocument: It is none.
        """
        if not isinstance(self.data, dict):
            raise InvalidDocument(f"{self.place()}: this is no mapping of names to values.")
        return self.data


def read_document(path: Path, name: str | None = None) -> Document:
    """Read a file.

    Args:
        path: Of the file.
        name: What messages call it; the path where none is given.

    Raises:
        InvalidDocument: It cannot be read or parsed, or it exceeds a limit; the message begins
            with file and line.
    """
    shown = str(path) if name is None else name
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise InvalidDocument(f"{shown}: {exc.strerror or exc}.") from exc
    return parse_document(content, shown)


def parse_document(content: str | bytes, name: str) -> Document:
    """Parse a text, as :func:`read_document` does."""
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if len(raw) > MAX_BYTES:
        raise InvalidDocument(f"{name}: it has more than {MAX_BYTES} bytes.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw[: exc.start].count(b"\n") + 1
        raise InvalidDocument(f"{name}:{line}: this is no UTF-8.") from exc
    loader: yaml.SafeLoader | None = None
    try:
        _require_shallow(text, name)
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            return Document(name, None, {(): 1})
        lines: dict[tuple[Any, ...], int] = {}
        builder = _Builder(name, loader, lines)
        _Measure(name, builder).measure(root)
        return Document(name, builder.build(root, ()), lines)
    except yaml.reader.ReaderError as exc:
        line = text[: exc.position].count("\n") + 1
        raise InvalidDocument(
            f"{name}:{line}: the character {chr(exc.character)!r} is not allowed in YAML."
        ) from exc
    except yaml.MarkedYAMLError as exc:
        line = 1 if exc.problem_mark is None else exc.problem_mark.line + 1
        said = "; ".join(part for part in (exc.context, exc.problem) if part)
        raise InvalidDocument(f"{name}:{line}: {said}.") from exc
    finally:
        if loader is not None:
            loader.dispose()


def _require_shallow(text: str, name: str) -> None:
    """Refuse what nests so deep that building it would exhaust the stack.

    The parser of events keeps its own stack, so that they can be counted without that danger.
    """
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise InvalidDocument(
                f"{name}:{_line(event)}: it nests deeper than {MAX_DEPTH} levels."
            )


class _Measure:
    """What a tree of nodes comes to once its aliases are replaced, and whether keys repeat."""

    def __init__(self, name: str, builder: "_Builder") -> None:
        self._name = name
        self._builder = builder
        #: By the identity of the node: depth, number of values. An alias names an earlier node,
        #: so what it stands for is known when it is met, unless it contains itself.
        self._known: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()

    def measure(self, node: yaml.Node) -> tuple[int, int]:
        if id(node) in self._known:
            return self._known[id(node)]
        if id(node) in self._open:
            raise self._fault(node, "an alias in it stands for what contains it")
        self._open.add(id(node))
        if isinstance(node, yaml.MappingNode):
            self._require_unique(node)
        depth, count = 0, 1
        for child in _children(node):
            deep, many = self.measure(child)
            depth, count = max(depth, deep), count + many
        if depth >= MAX_DEPTH:
            raise self._fault(node, f"it nests deeper than {MAX_DEPTH} levels")
        if count > MAX_VALUES:
            raise self._fault(node, f"with its aliases it has more than {MAX_VALUES} values")
        self._open.discard(id(node))
        self._known[id(node)] = (depth + 1, count)
        return self._known[id(node)]

    def _require_unique(self, node: yaml.MappingNode) -> None:
        first: dict[Any, yaml.ScalarNode] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._fault(key, "a key is no plain name")
            # As it will be a key of a dict: 1, 0x1, 1.0 and true are the same there.
            value = self._builder.scalar(key)
            if value in first:
                other = first[value]
                written = "" if other.value == key.value else f", as {other.value!r}"
                text = f"the key {key.value!r} stands in line {_line(other)} already{written}"
                raise self._fault(key, text)
            first[value] = key

    def _fault(self, node: yaml.Node, text: str) -> InvalidDocument:
        return InvalidDocument(f"{self._name}:{_line(node)}: {text}.")


def _line(part: yaml.Node | yaml.Event) -> int:
    return 1 if part.start_mark is None else part.start_mark.line + 1


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


class _Builder:
    """Values out of nodes; each alias gets a copy of its own."""

    def __init__(self, name: str, loader: yaml.SafeLoader, lines: dict[tuple[Any, ...], int]):
        self._name = name
        self._loader = loader
        self._lines = lines

    def build(self, node: yaml.Node, path: tuple[Any, ...]) -> Any:
        self._lines.setdefault(path, _line(node))
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.build(each, (*path, index)) for index, each in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag != _MERGE:
            return self.scalar(node)
        raise self._not_read(node)

    def _mapping(self, node: yaml.MappingNode, path: tuple[Any, ...]) -> dict[Any, Any]:
        # What it merges comes first, and its own keys win.
        self._loader.flatten_mapping(node)
        built: dict[Any, Any] = {}
        for key, value in node.value:
            name = self.build(key, (*path, None))
            del self._lines[*path, None]
            self._lines[*path, name] = _line(key)
            built[name] = self.build(value, (*path, name))
        return built

    def scalar(self, node: yaml.ScalarNode) -> Any:
        """Return a value that has no parts; the sign for a merge is like nothing else."""
        if node.tag == _MERGE:
            return _MERGE
        if node.tag in _TEXTS:
            return node.value
        if node.tag not in _SCALARS:
            raise self._not_read(node)
        try:
            return self._loader.construct_object(node)
        except (ValueError, KeyError) as exc:
            raise InvalidDocument(
                f"{self._place(node)}: {node.value[:40]!r} is no {node.tag.removeprefix(_TAG)}."
            ) from exc

    def _not_read(self, node: yaml.Node) -> InvalidDocument:
        return InvalidDocument(
            f"{self._place(node)}: values with the tag {node.tag!r} are not read."
        )

    def _place(self, node: yaml.Node) -> str:
        return f"{self._name}:{_line(node)}"


#: What some reader of YAML takes for something else than a text, and PyYAML does not: numbers of
#: YAML 1.2 (1e3, 0o17), and the truth values y and n of YAML 1.1.
_AMBIGUOUS: Final = re.compile(
    r"[-+]?(\.\d+|\d[\d_]*(\.\d*)?)([eE][-+]?\d+)?|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?[\d_:.]+|[yYnN]"
)


class _Writer(yaml.SafeDumper):
    """Quotes whatever a reader may take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        # Items stand deeper than the name of their list, as people write them.
        super().increase_indent(flow, False)

    def _text(self, text: str) -> yaml.ScalarNode:
        is_plain = text.isprintable() and text == text.strip() and not _AMBIGUOUS.fullmatch(text)
        # PyYAML itself quotes what it would read as something else.
        return self.represent_scalar(f"{_TAG}str", text, style=None if is_plain else '"')


_Writer.add_representer(str, _Writer._text)


def write_document(data: Any, comment: str = "") -> str:
    """Return the text of YAML that reads back as exactly this, the same for the same data.

    Args:
        data: Made of dicts, lists, strings, numbers, truth values and ``None``; the order of keys
            stays.
        comment: Lines for the head, without ``#``.

    Raises:
        InvalidDocument: Something in it cannot be said in YAML.
    """
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    try:
        text = yaml.dump(data, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=_WIDE)
    except yaml.YAMLError as exc:
        raise InvalidDocument(f"This cannot be written as YAML: {exc}.") from exc
    return head + text
