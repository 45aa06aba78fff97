# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The functions of TOSCA in a template: what they come to, once the nodes are there."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from deepaas.errors import InvalidDocument

#: Of functions in each other; more is a property that leads back to itself.
_DEEPEST: Final = 40


class Evaluation:
    """Replaces functions by what they come to.

    Args:
        nodes: The template's nodes, by name.
        inputs: The value of every input.
        attributes: What is known of the nodes that run; of a capability by its name.
    """

    def __init__(
        self,
        nodes: Mapping[str, dict[str, Any]],
        inputs: Mapping[str, Any],
        attributes: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._nodes = nodes
        self._inputs = inputs
        self._attributes = attributes or {}
        self._depth = 0
        self._functions: dict[str, Callable[[Any, str], Any]] = {
            "get_input": self._input,
            "get_property": self._property,
            "get_attribute": self._attribute,
            "concat": self._concat,
            "join": self._join,
            "token": self._token,
        }

    def value(self, expression: Any, node: str = "") -> Any:
        """Return a value with its functions replaced.

        Args:
            expression: What stands in the template.
            node: Name of the node it stands in, for ``SELF`` and ``HOST``.

        Raises:
            InvalidDocument: A function has wrong arguments, or leads back to itself.
        """
        self._depth += 1
        try:
            if self._depth > _DEEPEST:
                raise InvalidDocument("its functions lead back to themselves.")
            if isinstance(expression, list):
                return [self.value(each, node) for each in expression]
            if not isinstance(expression, dict):
                return expression
            if len(expression) == 1:
                ((name, arguments),) = expression.items()
                if name in self._functions:
                    return self._functions[name](arguments, node)
            return {name: self.value(each, node) for name, each in expression.items()}
        finally:
            self._depth -= 1

    def _input(self, arguments: Any, node: str) -> Any:
        name, *path = arguments if isinstance(arguments, list) and arguments else [arguments]
        if not isinstance(name, str) or name not in self._inputs:
            raise InvalidDocument(f"get_input asks for {name!r}, which is no input.")
        return _follow(self._inputs[name], path)

    def _property(self, arguments: Any, node: str) -> Any:
        target, path = self._target("get_property", arguments, node)
        found = _follow(self._nodes[target].get("properties"), path)
        if found is None and len(path) > 1:
            capability = _follow(self._nodes[target].get("capabilities"), path[:1])
            found = _follow(_follow(capability, ["properties"]), path[1:])
        return self.value(found, target)

    def _attribute(self, arguments: Any, node: str) -> Any:
        target, path = self._target("get_attribute", arguments, node)
        return _follow(self._attributes.get(target), path)

    def _target(self, function: str, arguments: Any, node: str) -> tuple[str, list[Any]]:
        """Return the node that is asked, and what it is asked for."""
        if not isinstance(arguments, list) or len(arguments) < 2:
            raise InvalidDocument(f"{function} needs the name of a node and of what it has.")
        name, *path = arguments
        target = {"SELF": node, "HOST": host_of(self._nodes, node)}.get(str(name), str(name))
        if target not in self._nodes:
            raise InvalidDocument(f"{function} asks {target!r}, which is no node.")
        return target, path

    def _concat(self, arguments: Any, node: str) -> Any:
        parts = self.value(_list("concat", arguments), node)
        if any(part is None for part in parts):
            return None  # what is not known here
        return "".join(map(_text, parts))

    def _join(self, arguments: Any, node: str) -> Any:
        parts = self.value(_list("join", arguments), node)
        if not parts or not isinstance(parts[0], list):
            raise InvalidDocument("join needs a list of texts.")
        return (_text(parts[1]) if len(parts) > 1 else "").join(map(_text, parts[0]))

    def _token(self, arguments: Any, node: str) -> Any:
        parts = self.value(_list("token", arguments), node)
        match parts:
            case [None, _, _]:
                return None
            case [str(text), str(separators), int(index)] if separators:
                for separator in separators[1:]:
                    text = text.replace(separator, separators[0])
                return _follow(text.split(separators[0]), [index])
        raise InvalidDocument("token needs a text, the characters that part it, and a number.")


def host_of(nodes: Mapping[str, dict[str, Any]], node: str) -> str:
    """Return the name of the node that hosts another one, empty if none does."""
    requirements = nodes.get(node, {}).get("requirements") or []
    for each in requirements if isinstance(requirements, list) else []:
        host = each.get("host") if isinstance(each, dict) else None
        host = host.get("node") if isinstance(host, dict) else host
        if isinstance(host, str):
            return host
    return ""


def _list(function: str, arguments: Any) -> list[Any]:
    if not isinstance(arguments, list):
        raise InvalidDocument(f"{function} needs a list.")
    return arguments


def _follow(value: Any, path: list[Any]) -> Any:
    """Return what names and indices lead to, ``None`` if nothing is there."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str | int):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
