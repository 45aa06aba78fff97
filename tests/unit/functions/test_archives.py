# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Zip archives of objects: what leads out of them, and what is too much."""

import zipfile
from pathlib import Path

import pytest

from deepaas.errors import InvalidInput
from deepaas.functions.archives import Archive, is_archive


def packed(
    folder: Path, *names: str, content: bytes = b"x", method: int = zipfile.ZIP_STORED
) -> Path:
    path = folder / "batch.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return path


def opened(path: Path, max_bytes: int = 0) -> Archive:
    return Archive(path, "batch.zip", max_bytes)


def refuses(archive: Archive, name: str, folder: Path, message: str) -> None:
    with pytest.raises(InvalidInput, match=message), archive.member(name, folder):
        raise AssertionError("it was unpacked")


def test_what_is_packed_is_taken_out_one_by_one(tmp_path: Path) -> None:
    names = ("a b.json", "more/größe.png", ".hidden", "__MACOSX/x", "folder/")
    archive = opened(packed(tmp_path, *names, content=b"content"))
    assert archive.names == ("a b.json", "more/größe.png")
    with archive.member("more/größe.png", tmp_path) as path:
        assert (path.read_bytes(), path.suffix, path.parent) == (b"content", ".png", tmp_path)
    assert not path.exists()
    archive.close()


def test_an_archive_is_one_by_name_and_content(tmp_path: Path) -> None:
    path = packed(tmp_path, "a")
    assert is_archive(path, "BATCH.ZIP")
    assert not is_archive(path, "weights.npz")
    (tmp_path / "text.zip").write_text("text")
    assert not is_archive(tmp_path / "text.zip", "text.zip")


@pytest.mark.parametrize("name", ["../planted", "a/../../planted", "/planted", "C:/x", "a\\..\\b"])
def test_a_member_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path, "good.json", name)
    with pytest.raises(InvalidInput, match="which leads out of it"):
        opened(path)


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "batch.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", "2")
    with pytest.raises(InvalidInput, match="'a', which is there twice"):
        opened(path)


def test_an_archive_without_objects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no object"):
        opened(packed(tmp_path, "folder/"))
    (tmp_path / "no.zip").write_bytes(b"PK\x05\x06")
    with pytest.raises(InvalidInput, match="is no zip archive that can be read"):
        opened(tmp_path / "no.zip")


def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    path = packed(tmp_path, "bomb", content=bytes(10_000_000), method=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(InvalidInput, match="more than 1000000 bytes when it is unpacked"):
        opened(path, 1_000_000)


def test_all_members_count_together(tmp_path: Path) -> None:
    path = packed(tmp_path, "a", "b", content=bytes(60))
    with pytest.raises(InvalidInput, match="more than 100 bytes"):
        opened(path, 100)
    opened(path, 120).close()


def test_a_bomb_that_lies_about_its_size_does_not_get_far(tmp_path: Path) -> None:
    path = packed(tmp_path, "bomb", content=bytes(5000), method=zipfile.ZIP_DEFLATED)
    # The size in the directory at the end and in the head of the member.
    path.write_bytes(path.read_bytes().replace((5000).to_bytes(4, "little"), b"\x0a\0\0\0"))
    archive = opened(path, 100)
    refuses(archive, "bomb", tmp_path, "cannot be unpacked")
    archive.close()
    assert list(tmp_path.iterdir()) == [path]


def test_one_that_is_too_much_after_all_leaves_nothing(tmp_path: Path) -> None:
    archive = opened(packed(tmp_path, "a", content=bytes(60)), 100)
    with archive.member("a", tmp_path):
        pass
    refuses(archive, "a", tmp_path, "more than 100 bytes")
    archive.close()
    assert [path.name for path in tmp_path.iterdir()] == ["batch.zip"]


def test_too_many_members_are_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, *map(str, range(10_001)), content=b"")
    with pytest.raises(InvalidInput, match="holds 10001 objects; 10000 is the most"):
        opened(path)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, "secret")
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    archive = opened(path)
    refuses(archive, "secret", tmp_path, "'secret' cannot be unpacked")
    archive.close()
