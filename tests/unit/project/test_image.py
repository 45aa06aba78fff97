# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""An image is named by who decides, and always with a tag."""

from pathlib import Path

import pytest

from deepaas.errors import ConfigurationError
from deepaas.model.metadata import ModuleMetadata
from deepaas.project import ProjectSettings, image_of, parse_image

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    ("text", "name", "tag"),
    [
        ("leaves", "leaves", None),
        ("leaves:1.0", "leaves", "1.0"),
        (" hub/leaves:cpu ", "hub/leaves", "cpu"),
        ("registry.example:5000/a/b-c/d__e:x_1", "registry.example:5000/a/b-c/d__e", "x_1"),
        ("localhost/leaves", "localhost/leaves", None),
        ("Registry.Example/leaves", "Registry.Example/leaves", None),
        (f"leaves@{DIGEST}", "leaves", DIGEST),
        (f"leaves:1@{DIGEST}", "leaves", DIGEST),
        ("https://hub.docker.com/r/hub/leaves/", "hub/leaves", None),
        ("https://hub.docker.com/repository/docker/hub/leaves", "hub/leaves", None),
        ("http://hub.docker.com/hub/leaves", "hub/leaves", None),
    ],
)
def test_a_reference_in_its_parts(text: str, name: str, tag: str | None) -> None:
    assert parse_image(text) == (name, tag)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "Leaves", "Hub/leaves", "a b", "a:", "a:b:c", "/a", "a//b", "-a", "a/-b", "é"),
        *("https://git.example/a", "a@sha256:00", "a:-1", f"a:{'1' * 129}", "a\nb", "a\n:1"),
        *("{{ x }}", "$(id)", '"; rm -rf /"', "a;b", "localhost:x/a"),
    ],
)
def test_what_is_no_reference_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no reference of an image") as refusal:
        parse_image(text)
    assert repr(text) in refusal.value.message


def metadata(image: str | None) -> ModuleMetadata:
    return ModuleMetadata(Path("x"), {"links": {"docker_image": image}})


@pytest.mark.parametrize(
    ("own", "said", "image"),
    [
        ("own/a:2", "said/b:3", "own/a:2"),
        ("own/a", "said/b:3", "own/a:1.0"),
        (None, "said/b:3", "said/b:3"),
        (None, "said/b", "said/b:1.0"),
        (None, None, "leaf-kinds:1.0"),
        (f"own/a@{DIGEST}", None, f"own/a@{DIGEST}"),
    ],
)
def test_the_table_decides_then_the_metadata_then_the_name(
    own: str | None, said: str | None, image: str
) -> None:
    assert image_of("Leaf_Kinds", "1.0", metadata(said), ProjectSettings(image=own)) == image


@pytest.mark.parametrize(
    ("name", "version", "image"),
    [
        ("", "", "model:0"),
        ("é--漢", "1.0+local", "model:1.0-local"),
        ('"; rm -rf /"', "$(id)", "rm-rf:id-"),
        ("a" * 300, "." * 9 + "v" * 300, f"{'a' * 300}:{'v' * 119}"),
    ],
)
def test_any_name_and_version_make_a_reference(name: str, version: str, image: str) -> None:
    found = image_of(name, version, None, ProjectSettings())
    assert found == image
    parse_image(found)
