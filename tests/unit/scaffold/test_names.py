# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A name is valid everywhere that it is used, or refused with the reason."""

import pytest

from deepaas.errors import ConfigurationError
from deepaas.scaffold.names import Names, names_of, require_free


@pytest.mark.parametrize(
    ("text", "distribution", "module"),
    [
        ("leaves", "leaves", "leaves"),
        ("Leaf-Kinds", "leaf-kinds", "leaf_kinds"),
        ("leaf_kinds", "leaf-kinds", "leaf_kinds"),
        ("leaf.kinds--2", "leaf-kinds-2", "leaf_kinds_2"),
        ("x" * 64, "x" * 64, "x" * 64),
    ],
)
def test_one_name_makes_all(text: str, distribution: str, module: str) -> None:
    assert names_of(text) == Names(distribution, module)


@pytest.mark.parametrize(
    "text",
    [
        *("", "-leaves", "leaves-", "two words", "a/b", "..", "a;b", "naïve", "a\n", "x" * 65),
        *("{{ x }}", "$(id)", '"; rm -rf /"'),
    ],
)
def test_what_names_no_distribution_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="names no package") as refusal:
        names_of(text)
    assert repr(text) in refusal.value.message


@pytest.mark.parametrize("text", ["3d", "class", "Lambda", "async"])
def test_what_names_no_module_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="names no Python module"):
        names_of(text)


@pytest.mark.parametrize("text", ["json", "JSON", "email", "deepaas", "tests", "test", "pytest"])
def test_a_name_of_another_module_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{text.lower()}-model' is free"):
        names_of(text)


@pytest.mark.parametrize("text", ["yaml", "NumPy"])
def test_a_new_package_hides_no_installed_one(text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{text.lower()}' is installed here already"):
        require_free(names_of(text))
    require_free(names_of("leaf-kinds-of-nobody"))
