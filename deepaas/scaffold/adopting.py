# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What an existing code base lacks to be served, tested and deployed."""

from dataclasses import dataclass, replace
from typing import Any

from deepaas.errors import ConfigurationError
from deepaas.model.discovery import GROUP
from deepaas.model.metadata import NAMES
from deepaas.scaffold.base import Base
from deepaas.scaffold.facts import LICENCES, Facts
from deepaas.scaffold.functions import Found, code_of, find_predict, root_of
from deepaas.scaffold.package import METADATA, licence_text, metadata_text, values_of
from deepaas.scaffold.rendering import render

_ENTRY_POINTS = {
    "pyproject.toml": '[project.entry-points."{group}"]\n"{name}" = "{model}"',
    "poetry": '[tool.poetry.plugins."{group}"]\n"{name}" = "{model}"',
    "setup.cfg": "[{section}]\n{group} =\n    {name} = {model}",
    "setup.py": 'entry_points={{"{group}": ["{name} = {model}"]}}',
}
_KEPT = {
    "a project file": ("pyproject.toml", "setup.cfg", "setup.py"),
    "metadata": NAMES,
    "a licence": ("LICENSE*", "LICENCE*", "COPYING*"),
    "tests": ("tests", "test", "test_*.py", "*/tests"),
    "a Dockerfile": ("Dockerfile*", "docker/Dockerfile*"),
    ".gitignore": (".gitignore",),
}


@dataclass(frozen=True)
class Plan:
    """What to do for a base."""

    #: What its entry point names, or should.
    model: str
    #: Whether its project file has the entry point, or will have it.
    is_declared: bool
    #: Texts by path, of files that are not there.
    files: dict[str, str]
    #: What is there and stays, by what it is.
    kept: dict[str, str]
    #: What only its author can do.
    by_hand: tuple[str, ...]


def adopt(base: Base, facts: Facts) -> Plan:
    """Plan what a base needs.

    Args:
        base: As it is.
        facts: Of the package; those that the base knew itself are among them.

    Raises:
        ConfigurationError: There is no model in it, or more than one.
    """
    kept = {
        what: str(found.relative_to(base.folder))
        for what, patterns in _KEPT.items()
        if (found := base.has(*patterns))
    }
    plan = Plan(base.model or "", base.model is not None, {}, kept, ())
    if base.model is None:
        plan = _with_model(plan, base, facts)
    plan = _with_files(plan, facts)
    return replace(plan, by_hand=(*plan.by_hand, *_remarks(plan, base, facts)))


def _with_model(plan: Plan, base: Base, facts: Facts) -> Plan:
    """Find the code that predicts, and name it to DEEPaaS."""
    root = root_of(base.folder)
    found = _only(find_predict(root))
    module = found.module if found.is_declared else f"{facts.names.module}_api"
    files, remarks = dict(plan.files), []
    if not found.is_declared:
        values = {**values_of(facts), "found": found}
        file = (root / f"{module}.py").relative_to(base.folder)
        files[str(file)] = render("adopt/api.py", values)
        remarks += _guesses(found, module)
    if not base.projects:
        files["pyproject.toml"] = _project(base, facts, module)
        return replace(plan, model=module, is_declared=True, files=files, by_hand=tuple(remarks))
    remarks.insert(0, _entry_point(base, facts, module))
    if not found.is_declared:
        remarks.append(f"The project file has to install the module {module} too.")
    return replace(plan, model=module, files=files, by_hand=tuple(remarks))


def _only(found: list[Found]) -> Found:
    declared = [each for each in found if each.is_declared] or found
    if not declared:
        raise ConfigurationError(
            "No module here has a function 'predict', and no entry point names a model. Write one"
            " around what predicts, and adopt again."
        )
    if len(declared) > 1:
        names = ", ".join(each.module for each in declared)
        raise ConfigurationError(
            f"Several modules have a function 'predict': {names}. Name one with an entry point in"
            f" the group '{GROUP}', and adopt again."
        )
    return declared[0]


def _guesses(found: Found, module: str) -> list[str]:
    guessed = ", ".join(each.name for each in found.parameters if each.is_guess)
    note = (
        f"{module}.py imports {found.module}: what it does when imported, it does in the service."
    )
    if not guessed:
        return [note]
    return [note, f"{module}.py declares as text what has no type that is known: {guessed}."]


def _project(base: Base, facts: Facts, module: str) -> str:
    """Return a project file that installs all the code of the folder."""
    root = root_of(base.folder)
    tops = {path.stem for path in code_of(root) if path.parent == root}
    packages = {path.parent.name for path in code_of(root) if path.parent != root}
    values: dict[str, Any] = {
        **values_of(facts),
        "model": module,
        "root": None if root == base.folder else root.name,
        "packages": sorted(name for package in packages for name in (package, f"{package}.*")),
        "modules": sorted({module, *tops} if "." not in module else tops),
    }
    return render("adopt/pyproject.toml", values)


def _entry_point(base: Base, facts: Facts, module: str) -> str:
    project = base.projects[0]
    is_pbr = base.has("setup.py") and "pbr" in (base.folder / "setup.py").read_text("utf-8")
    is_poetry = project == "pyproject.toml" and base.has_poetry
    lines = _ENTRY_POINTS["poetry" if is_poetry else project].format(
        group=GROUP,
        name=facts.names.distribution,
        model=module,
        section="entry_points" if is_pbr else "options.entry_points",
    )
    return f"{project} needs the entry point that names the model:\n{lines}"


def _with_files(plan: Plan, facts: Facts) -> Plan:
    values = {**values_of(facts), "model": plan.model}
    texts = {
        "metadata": (METADATA, metadata_text(facts)),
        "tests": ("tests/test_deepaas.py", render("adopt/test_deepaas.py", values)),
        ".gitignore": (".gitignore", render("new/gitignore", values)),
    }
    if facts.licence in LICENCES:
        texts["a licence"] = ("LICENSE", licence_text(facts))
    missing = dict(text for what, text in texts.items() if what not in plan.kept)
    return replace(plan, files={**plan.files, **missing})


def _remarks(plan: Plan, base: Base, facts: Facts) -> list[str]:
    remarks = []
    if base.has_version_1 and base.model is None:
        remarks.append("Its entry point is of version 1 of DEEPaaS, whose models are not served.")
    if plan.kept.get("metadata") == "metadata.json":
        remarks.append(
            "metadata.json is of version 1; `ai4-metadata migrate` makes an ai4-metadata.yml of it."
        )
    if METADATA in plan.files:
        remarks.append(f"{METADATA} has made-up values: the address of the code, tasks, libraries.")
    if "a licence" not in plan.kept and "LICENSE" not in plan.files:
        remarks.append(
            f"There is no file with the licence; --licence writes one of {', '.join(LICENCES)}."
        )
    if "a Dockerfile" not in plan.kept:
        remarks.append("Once it is installed, `deepaas export docker` writes a Dockerfile.")
    return remarks
