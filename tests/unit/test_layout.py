# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The tree keeps its shape."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEADER = [
    "# SPDX-FileCopyrightText: The DEEPaaS developers",
    "# SPDX-License-Identifier: Apache-2.0",
]
LONGEST_MODULE_LINES = 400


def sources(*folders: str) -> list[Path]:
    """Return the Python files of these folders, what was built there apart."""
    return [
        file
        for folder in folders
        for file in sorted((ROOT / folder).rglob("*.py"))
        if not {"build", ".envs", ".venv"} & set(file.relative_to(ROOT).parts)
    ]


def without_header(files: list[Path]) -> list[str]:
    """Return the files that do not begin with the two SPDX lines."""
    return [str(file) for file in files if file.read_text("utf-8").split("\n", 2)[:2] != HEADER]


def too_long(files: list[Path]) -> list[str]:
    """Return the files that have grown past the longest a module may be."""
    return [
        str(file)
        for file in files
        if len(file.read_text("utf-8").splitlines()) > LONGEST_MODULE_LINES
    ]


def test_every_file_states_its_licence() -> None:
    assert (
        without_header(sources("benchmarks", "deepaas", "doc", "examples", "tests", "tools")) == []
    )


def test_no_module_is_too_long() -> None:
    assert too_long(sources("benchmarks", "deepaas", "examples")) == []


def test_the_checks_find_what_they_look_for(tmp_path: Path) -> None:
    file = tmp_path / "long.py"
    file.write_text("pass\n" * (LONGEST_MODULE_LINES + 1))
    assert without_header([file]) == too_long([file]) == [str(file)]
    file.write_text("\n".join([*HEADER, *["pass"] * (LONGEST_MODULE_LINES - 2)]) + "\n")
    assert without_header([file]) == too_long([file]) == []


@pytest.mark.parametrize("library", ["aiohttp", "marshmallow", "stevedore", "oslo_config", "flaat"])
def test_importing_the_package_is_cheap(library: str) -> None:
    """Guards and workers import it too."""
    program = f"import sys, deepaas; print({library!r} in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "deepaas" / "py.typed").is_file()


def test_public_names_exist() -> None:
    import deepaas

    missing = [name for name in deepaas.__all__ if not hasattr(deepaas, name)]
    assert missing == []
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = deepaas.nothing
