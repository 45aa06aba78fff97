# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""YAML as plain data, from anybody."""

from typing import Any

import yaml

# What PyYAML raises for a value that does not fit its tag is of many kinds.
_WRONG = (yaml.YAMLError, LookupError, AttributeError, TypeError)


def read_yaml(text: str) -> Any:
    """Read one document: plain data only, dates as they are written, and no aliases.

    Raises:
        ValueError: It is no such document.
        RecursionError: It is nested too deep.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe one
    except _WRONG as exc:
        raise ValueError(str(exc) or type(exc).__name__) from exc


class _Loader(yaml.SafeLoader):
    """Knows no aliases: few lines would become much."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # untyped in the stubs
            raise yaml.composer.ComposerError(None, None, "found an alias, which is not read", mark)
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
