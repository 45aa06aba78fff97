# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Images in folders and archives are read, whatever wrote them; damaged ones are refused."""

from pathlib import Path

import pytest

from deepaas.errors import ConfigurationError
from deepaas.images import check_image, stored, stored_at
from deepaas.images.stored import open_stored
from tests.unit.images.stand import (
    CONFIG,
    Image,
    as_json,
    digest_of,
    docker_files,
    image_of,
    layout_files,
    write_archive,
    write_folder,
)


def test_a_layout_is_read(tmp_path: Path) -> None:
    write_folder(tmp_path, layout_files(image_of()))
    assert open_stored(tmp_path) == CONFIG
    assert all(each.is_good for each in check_image(f"oci:{tmp_path}"))


def test_archives_of_oci_and_of_docker_are_read(tmp_path: Path) -> None:
    oci = write_archive(tmp_path / "oci.tar", layout_files(image_of()))
    docker = write_archive(tmp_path / "docker.tar", docker_files())
    for reference in (f"oci-archive:{oci}", f"oci-archive:{oci}:leaves", f"{oci}"):
        assert all(each.is_good for each in check_image(reference))
    assert all(each.is_good for each in check_image(f"docker-archive:{docker}:leaves:1.0"))


def test_a_configuration_may_have_another_name_than_its_digest(tmp_path: Path) -> None:
    files = {"manifest.json": as_json([{"Config": "config.json"}]), "config.json": as_json(CONFIG)}
    assert open_stored(write_folder(tmp_path, files)) == CONFIG


def test_a_name_that_is_no_file_is_in_a_registry() -> None:
    assert stored_at("registry.example/leaves:1.0") is None
    assert stored_at("oci-archive:a.tar") == Path("a.tar")
    assert stored_at("oci:/x/y:1.0") == Path("/x/y")


def without(image: Image, digest: str) -> dict[str, bytes]:
    return layout_files(
        Image({k: v for k, v in image.parts.items() if k != digest}, image.index, "", "")
    )


def changed(image: Image, digest: str) -> dict[str, bytes]:
    return layout_files(Image({**image.parts, digest: b"{}"}, image.index, "", ""))


IMAGE = image_of()


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "holds no image"),
        ({"manifest.json": b"[]"}, "holds no image"),
        ({"manifest.json": as_json([{"Config": "x.json"}])}, "lacks 'x.json'"),
        ({"manifest.json": as_json([{"Config": "../secret.json"}])}, "lacks '../secret.json'"),
        (
            {**docker_files(), **{name: b"{}" for name in docker_files() if len(name) > 60}},
            "is not sha256:",
        ),
        ({"index.json": b"{"}, "is no JSON"),
        ({"index.json": b"[" * 100_000}, "is no JSON"),
        ({"index.json": b"[]"}, "no JSON object"),
        ({"index.json": b"{}"}, "not there for linux/amd64"),
        ({"index.json": as_json({"manifests": [{"digest": "md5:1"}]})}, "'md5:1'"),
        (
            {"index.json": as_json({"manifests": [{"digest": "sha256:../../../x"}]})},
            "sha256 is read",
        ),
        (without(IMAGE, IMAGE.manifest), "lacks its part"),
        (without(IMAGE, IMAGE.config), "lacks its part"),
        (changed(IMAGE, IMAGE.manifest), "is not sha256:"),
        (changed(IMAGE, IMAGE.config), "is not sha256:"),
    ],
)
def test_what_is_no_image_is_refused(files: dict[str, bytes], says: str, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    for path in (
        write_folder(tmp_path / "folder", {"x": b"", **files}),
        write_archive(tmp_path / "x.tar", files),
    ):
        with pytest.raises(ConfigurationError) as caught:
            open_stored(path)
        assert says in caught.value.message


def test_indices_without_end_are_left(tmp_path: Path) -> None:
    index = IMAGE.index
    files: dict[str, bytes] = {}
    for _ in range(6):
        image = Image({}, index, "", "")
        digest = digest_of(image.index)
        files[f"blobs/{digest.replace(':', '/')}"] = image.index
        index = as_json({"manifests": [{"digest": digest}]})
    write_folder(tmp_path, {"index.json": index, **files})
    with pytest.raises(ConfigurationError, match="indices only"):
        open_stored(tmp_path)


def test_a_part_without_measure_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path, layout_files(IMAGE))
    monkeypatch.setattr(stored, "MAX_BYTES", 100)
    with pytest.raises(ConfigurationError, match="more than 100 bytes"):
        open_stored(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_a_file_that_is_no_archive_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be read as an image"):
        open_stored(path)
    with pytest.raises(ConfigurationError, match="No such file"):
        open_stored(tmp_path / "nothing.tar")
