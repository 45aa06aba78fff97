# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Archives are what Alien4Cloud imports, the same each time, and bad ones are refused."""

import io
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepaas.alien4cloud import archive_check, archives
from deepaas.alien4cloud.archive_check import check_archive
from deepaas.alien4cloud.archives import META_FILE, topology_archive
from deepaas.alien4cloud.bundle import type_archives
from deepaas.alien4cloud.from_alien import from_alien
from deepaas.errors import InvalidDocument
from deepaas.tosca.documents import parse_document, read_document

TEMPLATE = """\
tosca_definitions_version: tosca_simple_yaml_1_0
imports: [{indigo_custom_types: deepaas_indigo_types.yaml}]
topology_template:
  node_templates:
    my-docker: {type: tosca.nodes.indigo.Container.Runtime.Docker}
    app:
      type: tosca.nodes.indigo.Container.Application.Docker.Marathon
      properties: {command: "no"}
      requirements: [{host: my-docker}]
"""
ALIEN = """\
tosca_definitions_version: alien_dsl_2_0_0
metadata: {template_name: topology, template_version: 0.1.0-SNAPSHOT, template_author: a, icon: }
imports: [normative-types:1.0.0, indigo_custom_types:5.0.0]
topology_template:
  node_templates:
    app: {type: tosca.nodes.indigo.Container.Runtime.Docker}
"""


def made(tmp_path: Path, text: str = TEMPLATE, stem: str = "t", **options: Any) -> Path:
    """Return the archive of a template."""
    packed = topology_archive(parse_document(text, "t.yml"), stem, **options)
    (tmp_path / "t.zip").write_bytes(packed.content)
    return tmp_path / "t.zip"


def inside(path: Path, name: str) -> Any:
    with zipfile.ZipFile(path) as archive:
        return parse_document(archive.read(name), name).data


def test_an_archive_has_both_entries(tmp_path: Path) -> None:
    path = made(tmp_path)
    assert check_archive(path) == ()
    assert zipfile.ZipFile(path).namelist() == [META_FILE, "t.yml"]
    assert inside(path, META_FILE) == {
        "TOSCA-Meta-File-Version": 1.0,
        "CSAR-Version": 1.1,
        "Name": "t",
        "Created-By": "DEEP team",
        "Entry-Definitions": "t.yml",
    }
    data = inside(path, "t.yml")
    assert next(iter(data)) == "tosca_definitions_version"
    assert data["imports"] == [{"normative-types": "1.0.0"}, {"indigo_custom_types": "5.0.0"}]
    assert data["description"] == "DEEP template"
    metadata = data["metadata"]
    assert (metadata["template_name"], metadata["template_version"]) == ("t", "4.0.1")
    assert "my_docker" in data["topology_template"]["node_templates"]


def test_what_is_packed_comes_back_from_alien(tmp_path: Path) -> None:
    document = parse_document(TEMPLATE, "t.yml")
    root = parse_document(zipfile.ZipFile(made(tmp_path)).read("t.yml"), "t.yml")
    back = from_alien(root).data
    assert back["topology_template"] == document.data["topology_template"]
    assert back["imports"] == document.data["imports"]


@pytest.mark.parametrize("name", ['"; rm -rf', "{{ x }}", "$(id)", "no", "1e3", "2019-01-01", "é"])
def test_hostile_names_read_back(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, stem=name, author=f"{name}\n\tx", version="1.0")
    assert check_archive(path) == ()
    metadata = inside(path, f"{name}.yml")["metadata"]
    assert metadata["template_name"] == name
    assert metadata["template_author"] == f"{name}\n\tx"
    assert inside(path, META_FILE)["Entry-Definitions"] == f"{name}.yml"


def test_names_that_the_catalogue_would_refuse_are_not_packed(tmp_path: Path) -> None:
    path = made(tmp_path, TEMPLATE + "metadata: {template_name: 5, template_version: 1.10}\n")
    assert check_archive(path) == ()
    with pytest.raises(
        InvalidDocument, match=r"t\.yml:1: template_author is ' '; it must be a text"
    ):
        made(tmp_path, author=" ")
    wrong = TEMPLATE + "metadata: {template_version: 1.0 beta}\n"
    with pytest.raises(
        InvalidDocument, match=r"t\.yml:10: template_version is '1\.0 beta'; it must"
    ):
        made(tmp_path, wrong)


def test_the_bytes_depend_on_the_content_alone(tmp_path: Path) -> None:
    icon = tmp_path / "i.png"
    icon.write_bytes(b"png")
    first = made(tmp_path, icon=icon).read_bytes()
    os.utime(icon, (1, 1))
    icon.chmod(0o600)
    assert made(tmp_path, icon=icon).read_bytes() == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {1980}


def test_what_alien_wrote_is_packed_as_it_is(tmp_path: Path) -> None:
    path = made(tmp_path, ALIEN)
    assert check_archive(path) == ()
    data = inside(path, "t.yml")
    assert data["tosca_definitions_version"] == "alien_dsl_2_0_0"
    assert data["metadata"] == {
        "template_name": "topology",
        "template_version": "0.1.0-SNAPSHOT",
        "template_author": "a",
    }


def test_an_icon_is_a_file_and_never_fetched(tmp_path: Path) -> None:
    text = f"{TEMPLATE}metadata: {{icon: https://example.org/i.png, template_version: 1.0}}\n"
    packed = topology_archive(parse_document(text, "t.yml"), "t")
    assert "t.yml:10: the icon 'https://example.org/i.png' is left out" in packed.warnings[-1]
    (tmp_path / "i.png").write_bytes(b"png")
    path = made(tmp_path, text, icon=tmp_path / "i.png")
    metadata = inside(path, "t.yml")["metadata"]
    assert (metadata["icon"], metadata["template_version"]) == ("images/i.png", "1.0")
    assert zipfile.ZipFile(path).read("images/i.png") == b"png"
    with pytest.raises(InvalidDocument, match=r"nothing\.png: No such file"):
        made(tmp_path, icon=tmp_path / "nothing.png")


def test_metadata_that_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument, match=r"t\.yml:10: metadata must be a mapping"):
        made(tmp_path, f"{TEMPLATE}metadata: [a]\n")


def test_too_much_is_not_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_ARCHIVE_BYTES", 100)
    with pytest.raises(InvalidDocument, match=r"t\.yml: the archive has \d+ bytes"):
        made(tmp_path)
    (tmp_path / "i.png").write_bytes(bytes(101))
    with pytest.raises(InvalidDocument, match="more than 100 bytes"):
        made(tmp_path, icon=tmp_path / "i.png")


def test_the_bundle_is_importable_and_complete(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "docker.png").write_bytes(b"png")
    made = type_archives(tmp_path / "images")
    assert list(made) == [
        "normative-types.zip",
        "indigo_custom_types.zip",
        "grycap_custom_types.zip",
    ]
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
        assert check_archive(tmp_path / name) == ()
    types = inside(tmp_path / "indigo_custom_types.zip", "custom_types.yaml")
    assert types["imports"] == [{"normative-types": "1.0.0"}]
    assert types["metadata"]["template_name"] == "indigo_custom_types"
    docker = types["node_types"]["tosca.nodes.indigo.Container.Runtime.Docker"]
    assert docker["metadata"] == {"icon": "/images/docker.png"}
    assert types["node_types"]["tosca.nodes.indigo.Compute"]["metadata"] == {}
    normative = inside(tmp_path / "normative-types.zip", "normative-types.yaml")
    assert "tosca.nodes.Compute" in normative["node_types"]
    with zipfile.ZipFile(tmp_path / "normative-types.zip") as archive:
        assert b"Apache License" in archive.read("normative-types.yaml")
    assert type_archives()["normative-types.zip"] == made["normative-types.zip"]


Entries = dict[str, bytes | str]
GOOD: Entries = {"t.yml": ALIEN.replace(", icon: ", "")}


def zipped(path: Path, entries: Entries, change: Callable[[zipfile.ZipInfo], None] | None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if change is not None:
                change(info)
            archive.writestr(info, content)
    return path


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (GOOD, ""),
        ({**GOOD, "folder/u.yml": "- a"}, ""),
        ({**GOOD, "u.yaml": "- a"}, "2 files of YAML at the root: Alien only supports"),
        ({"folder/t.yml": "a: 1"}, "0 files of YAML at the root"),
        ({META_FILE: "Entry-Definitions: folder/t.yml", "folder/t.yml": GOOD["t.yml"]}, ""),
        ({META_FILE: "CSAR-Version: 1.1", **GOOD}, "Entry-Definitions is missing"),
        ({META_FILE: "Entry-Definitions: u.yml", **GOOD}, "names 'u.yml', which is not there"),
        ({META_FILE: "- a", **GOOD}, "this is no mapping"),
        ({"t.yml": "a: ["}, "t.zip!t.yml:1: while parsing"),
        ({"t.yml": "- a"}, "this is no mapping"),
        ({**GOOD, "../u.yml": ""}, "the name '../u.yml' leads out of the archive"),
        ({**GOOD, "/u.yml": ""}, "the name '/u.yml' leads out"),
        ({**GOOD, "a\\b": ""}, "leads out"),
        ({**GOOD, "C:u": ""}, "the name 'C:u' leads out"),
        ({"t.yml": TEMPLATE}, "metadata.template_name is no text: None"),
        ({"t.yml": ALIEN.replace("topology,", "' ',")}, "metadata.template_name is no text: ' '"),
        ({"t.yml": ALIEN.replace("0.1.0-SNAPSHOT", "first")}, "template_version is 'first'"),
        ({"t.yml": ALIEN.replace("icon: ", "icon: /images/i.png")}, "has no icon '/images/i.png'"),
        ({"t.yml": ALIEN.replace("alien_dsl_2_0_0", "tosca_2_0")}, "does not know the"),
        ({"t.yml": ALIEN.replace("Runtime.Docker", "Nothing")}, "t.zip!t.yml:6: "),
        ({"t.yml": ALIEN.replace("{type:", "{properties: 1, type:")}, "have the wrong form"),
        (
            {"t.yml": ALIEN.replace("[normative", "[../../etc/passwd, normative")},
            "lies outside",
        ),
    ],
)
def test_what_alien_refuses_is_said(tmp_path: Path, entries: Entries, said: str) -> None:
    faults = check_archive(zipped(tmp_path / "t.zip", entries, None))
    assert said in "\n".join(faults)
    assert bool(faults) == bool(said)


def test_links_are_refused(tmp_path: Path) -> None:
    def link(info: zipfile.ZipInfo) -> None:
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    (fault,) = check_archive(zipped(tmp_path / "t.zip", {"t.yml": "/etc/passwd"}, link))
    assert fault.endswith("'t.yml' is a link or a device.")


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "t.zip", GOOD, None)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("t.yml", "a: 1")
    assert "'t.yml' is there twice" in check_archive(path)[0]


def test_an_encrypted_file_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "t.zip", GOOD, None)
    raw = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + offset] |= 1
    path.write_bytes(raw)
    assert "'t.yml' is encrypted" in check_archive(path)[0]


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped(tmp_path / "t.zip", {**GOOD, "zeros": bytes(3_000_000)}, None)
    assert bomb.stat().st_size < 10_000
    monkeypatch.setattr(archive_check, "_MAX_UNPACKED_BYTES", 1_000_000)
    assert "unpacked it has more than 1000000 bytes" in check_archive(bomb)[0]
    yaml = zipped(tmp_path / "y.zip", {"t.yml": b"# " + bytes([65]) * 900_000}, None)
    assert "it has more than" in check_archive(yaml)[0]
    monkeypatch.setattr(archive_check, "_MAX_FILES", 1)
    assert "it has 2 files; 1 are read at most" in check_archive(bomb)[0]
    monkeypatch.setattr(archive_check, "MAX_ARCHIVE_BYTES", 10)
    assert "Alien4Cloud takes 10" in check_archive(bomb)[0]


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.zip").write_bytes(b"no zip")
    assert "this is no zip that can be read" in check_archive(tmp_path / "t.zip")[0]
    assert "No such file" in check_archive(tmp_path / "nothing.zip")[0]
    broken = zipped(tmp_path / "b.zip", GOOD, None)
    raw = bytearray(broken.read_bytes())
    raw[45:60] = bytes(15)
    broken.write_bytes(raw)
    assert "this is no zip that can be read" in check_archive(broken)[0]


def test_the_templates_of_the_tests_are_packed(tmp_path: Path) -> None:
    for file in sorted((Path(__file__).parent / "topologies").glob("*.yaml")):
        packed = topology_archive(read_document(file), file.stem)
        assert packed.content
