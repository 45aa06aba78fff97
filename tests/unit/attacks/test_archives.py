# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Archives with members that lead out of where they are unpacked; what unpacks, looks at each."""

import io
import re
import tarfile
import zipfile
from pathlib import Path

import pytest
from aiohttp import FormData

from tests.unit.api.client import PREDICT, echo_client
from tests.unit.parts import ROOT

UNPACKING = re.compile(r"\b(extractall|extractfile|unpack_archive|ZipFile|tar\.extract)\b")


def tar_with_a_link_out(target: Path) -> bytes:
    """Return an archive that makes a link, and writes through it."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(target)
        archive.addfile(link)
        member = tarfile.TarInfo("link/planted")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    return data.getvalue()


def zip_with_a_name_that_leads_out() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("../planted", "x")
    return data.getvalue()


def unpack_carelessly(content: bytes, folder: Path) -> None:
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                (folder / name).write_bytes(archive.read(name))
        return
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        tar.extractall(folder, filter="fully_trusted")  # noqa: S202 - the attack


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("kind", ["tar", "zip"])
async def test_an_upload_that_is_an_archive(tmp_path: Path, kind: str, guarded: bool) -> None:
    outside = tmp_path / "outside"
    folder = outside / "inside"
    folder.mkdir(parents=True)
    content = tar_with_a_link_out(outside) if kind == "tar" else zip_with_a_name_that_leads_out()
    if guarded:
        async with echo_client(tmp_path) as client:
            form = FormData()
            form.add_field("data", io.BytesIO(content), filename=f"a.{kind}")
            response = await client.post(PREDICT, data=form)
            found = (await response.json())["predictions"]["data"]
        # It reaches the model as it is.
        assert found["content"].encode("latin-1") == content
    else:
        unpack_carelessly(content, folder)
    assert (outside / "planted").exists() is not guarded


def test_nothing_else_unpacks_archives() -> None:
    """Whoever begins to do so has to look at each member, and to change this test."""
    # What these refuse is shown by their own tests, in tests/unit.
    reading = ("functions/archives.py", "alien4cloud/archive_check.py", "images/stored.py")
    # These only write.
    writing = ("alien4cloud/archives.py", "images/calling.py")
    careful = {ROOT / "deepaas" / name for name in (*reading, *writing)}
    sources = set((ROOT / "deepaas").rglob("*.py"))
    assert {path for path in sources if UNPACKING.search(path.read_text("utf-8"))} == careful
    assert UNPACKING.search("tarfile.open(x).extractall(y)")
