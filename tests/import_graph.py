# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Read a package's import graph from its source and find what breaks the layers.

Every import statement is an edge, wherever it stands: at the top, in a function, under
``TYPE_CHECKING``, absolute or relative. Nothing is imported to find out.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

#: Module to the modules it names; names outside the package are whole (``aiohttp.web``).
Graph = Mapping[str, frozenset[str]]


def modules_of(package: Path) -> dict[str, Path]:
    """Return the package's modules: dotted name to file."""
    modules = {}
    for file in sorted(package.rglob("*.py")):
        parts = (package.name, *file.relative_to(package).with_suffix("").parts)
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return modules


def graph_of(package: Path) -> Graph:
    """Read the import graph of the package in this folder."""
    modules = modules_of(package)
    return {
        name: frozenset(_targets(name, file, modules)) - {name} for name, file in modules.items()
    }


def _targets(name: str, file: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"), filename=str(file))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(name, node, is_package=file.name == "__init__.py")
            for alias in node.names:
                whole = f"{origin}.{alias.name}"
                # `from package import module` names the module, any other name its home.
                yield whole if whole in modules else origin


def _origin(name: str, node: ast.ImportFrom, *, is_package: bool) -> str:
    """Return what stands between ``from`` and ``import``, made absolute."""
    if not node.level:
        return node.module or ""
    # One dot is the package itself, for a package's __init__ that is its own name.
    parts = name.split(".")
    base = parts[: len(parts) - node.level + (1 if is_package else 0)]
    return ".".join([*base, *([node.module] if node.module else [])])


def component_of(module: str) -> str:
    """Return the part of the project a module belongs to: ``deepaas.api.v2.jobs`` is ``api``."""
    return module.split(".")[1] if "." in module else ""


def layer_faults(
    graph: Graph, layers: Iterable[Iterable[str]], exceptions: Mapping[str, frozenset[str]]
) -> list[str]:
    """Find edges that do not point down.

    Args:
        graph: The import graph of one package.
        layers: The components, from the top layer to the bottom; those of one layer are siblings.
        exceptions: Components outside the layers, to the components they may import.

    Returns:
        A sentence for each fault. The package's own ``__init__`` may import everything and be
        imported by everyone.
    """
    rank = {component: depth for depth, layer in enumerate(layers) for component in layer}
    faults = []
    for source, targets in sorted(graph.items()):
        if "." not in source:
            continue
        above = component_of(source)
        if above not in rank and above not in exceptions:
            faults.append(f"{source} belongs to no layer")
            continue
        for target in sorted(targets & graph.keys()):
            below = component_of(target)
            if below in ("", above):
                continue
            if above in exceptions:
                if below not in exceptions[above]:
                    faults.append(f"{source} must not import {target}")
            elif below not in rank:
                faults.append(f"{source} imports {target}, which belongs to no layer")
            elif rank[below] < rank[above]:
                faults.append(f"{source} imports upward: {target}")
            elif rank[below] == rank[above]:
                faults.append(f"{source} imports its sibling {target}")
    return faults


def cycles(graph: Graph) -> list[list[str]]:
    """Return a cycle for each module of the package that begins one, the package itself apart."""
    found: dict[frozenset[str], list[str]] = {}
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> None:
        if module in path:
            loop = path[path.index(module) :]
            found.setdefault(frozenset(loop), [*loop, module])
            return
        if module in done:
            return
        for target in sorted(graph[module] & graph.keys()):
            if "." in target:
                visit(target, [*path, module])
        done.add(module)

    for module in sorted(graph):
        if "." in module:
            visit(module, [])
    return list(found.values())


def reach(graph: Graph, module: str) -> frozenset[str]:
    """Return the module and all of the package that it needs, the package itself apart."""
    found = {module}
    ahead = [module]
    while ahead:
        for target in graph[ahead.pop()] & graph.keys():
            if "." in target and target not in found:
                found.add(target)
                ahead.append(target)
    return frozenset(found)


def foreign(graph: Graph, module: str) -> list[str]:
    """Return what a module needs that is neither of its package nor of the standard library."""
    own = module.split(".")[0]
    return [
        f"{name} imports {target}"
        for name in sorted(reach(graph, module))
        for target in sorted(graph[name])
        if target.split(".")[0] not in {own, *sys.stdlib_module_names}
    ]
