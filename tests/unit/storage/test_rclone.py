# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The program rclone keeps the contract, on servers of others."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from deepaas.errors import RemoteFailed
from deepaas.storage.base import FileStore, Limits
from deepaas.storage.contract import fetch, put
from deepaas.storage.opening import Driver, open_store
from deepaas.storage.remotes import Remote, read_remote
from deepaas.storage.transfer import Transfer
from deepaas.testing import FileStoreContract
from tests.shares import Share

pytestmark = pytest.mark.skipif(
    shutil.which("rclone") is None, reason="there is no rclone; install the package rclone"
)


class TestRcloneOnWebdav(FileStoreContract):
    """The contract, on WsgiDAV."""

    # Each takes three processes; the second is written under its name at once.
    names = ("%41 100% +&=# Größe 中文 {{ b }} $(x) '\".txt", "A%41;b?.txt")

    @pytest.fixture(autouse=True)
    def served(self, share: Share) -> None:
        self.environ = share.environ()

    def open_store(self, folder: Path) -> FileStore:
        return by_rclone("rshare", self.environ)


def by_rclone(name: str, environ: Mapping[str, str]) -> FileStore:
    return open_store(read_remote(name, environ), environ, Limits(), Driver.RCLONE)


def test_in_s3_what_was_put_comes_back_and_what_was_not_is_missing(
    buckets: Share, tmp_path: Path
) -> None:
    """Any name below a bucket is an empty folder to rclone."""
    store, name = by_rclone("buckets", buckets.environ()), "models/by rclone/100%41.txt"
    put(store, tmp_path, name, b"content")
    assert [file.path for file in store.find("models/by rclone")] == [name]
    assert fetch(store, tmp_path, name) == b"content"
    with pytest.raises(RemoteFailed) as caught:
        store.find("models/by rclone/nothing")
    assert caught.value.is_missing


def odd(tmp_path: Path, script: str, *, kind: str = "webdav", **environ: str) -> FileStore:
    """Return the store of a program that is named as rclone is."""
    program = tmp_path / "rclone"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    remote = Remote("a", kind, {"url": "http://x/", "bearer_token": "token"}, "secret")
    environ["PATH"] = f"{tmp_path}:/usr/bin:/bin"
    return open_store(remote, environ, Limits(), Driver.RCLONE)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo no JSON", "rclone gave no JSON"),
        (
            'echo "odd: $RCLONE_CONFIG_A_PASS $RCLONE_CONFIG_A_BEARER_TOKEN" >&2; exit 1',
            "odd: *** ***",
        ),
        ("echo '.part: 404 in a name' >&2; exit 1", "404"),
        ("case $* in *.part) exit 1;; *--stat*) echo '{}';; *) echo '[]';; esac", "rclone says"),
        ("case $* in *--stat*) echo null;; *) echo '[]';; esac", "(404)"),
    ],
)
def test_what_an_odd_program_says_is_told(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(RemoteFailed) as caught:
        odd(tmp_path, script).check("folder")
    assert said in caught.value.message
    assert "secret" not in caught.value.message
    assert "token" not in caught.value.message


def test_a_name_with_a_status_in_it_is_none(tmp_path: Path) -> None:
    with pytest.raises(RemoteFailed) as caught:
        odd(tmp_path, "echo 'odd: 507 401/x' >&2; exit 1").check("507 401/x")
    assert "rclone says" in caught.value.message
    with pytest.raises(RemoteFailed, match="refuses the connection"):
        odd(tmp_path, "echo 'connection refused' >&2; exit 1").check("o")
    here = tmp_path / "401" / "part"
    with pytest.raises(RemoteFailed, match=r"rclone says 'write /.*/401/part: file too large'"):
        odd(tmp_path, f"echo 'write {here}: file too large' >&2; exit 1").fetch("x", here)


def test_a_folder_here_is_no_option_and_no_remote(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, share: Share
) -> None:
    folder = "-out 12:30"
    monkeypatch.chdir(tmp_path)
    Path(folder).mkdir()
    (Path(folder) / "file").write_text("content")
    store = by_rclone("rshare", share.environ())
    assert Transfer(store).push(Path(folder), folder).done == ["file"]
    assert Transfer(store).pull(folder, Path(f"{folder} again")).done == ["file"]
    assert (tmp_path / f"{folder} again" / "file").read_text() == "content"


def test_its_own_part_files_are_not_wanted(tmp_path: Path) -> None:
    """From 1.63 on it makes them beside ours, and leaves them when it is killed."""
    with pytest.raises(RemoteFailed, match="'inplace true'"):
        odd(tmp_path, 'echo "inplace $RCLONE_INPLACE" >&2; exit 1').check("folder")


def test_the_authority_of_s3_is_given_as_rclone_reads_it(tmp_path: Path) -> None:
    """It fails where AWS_CA_BUNDLE is set."""
    script = 'echo "[$AWS_CA_BUNDLE] [$SSL_CERT_FILE]" >&2; exit 1'
    for given, taken in ({}, "/ca"), ({"SSL_CERT_FILE": "/other"}, "/other"):
        with pytest.raises(RemoteFailed) as caught:
            odd(tmp_path, script, kind="s3", AWS_CA_BUNDLE="/ca", **given).check("folder")
        assert f"'[] [{taken}]'" in caught.value.message
