# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""S3 through fsspec keeps the contract, on a server of others."""

import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from deepaas.errors import RemoteFailed
from deepaas.storage.base import FileStore, Limits
from deepaas.storage.opening import Driver, open_store
from deepaas.storage.remotes import read_remote
from deepaas.storage.transfer import Transfer
from deepaas.testing import FileStoreContract
from tests import shares
from tests.shares import Share


class TestS3FileStore(FileStoreContract):
    """The contract, on moto."""

    top = "models"

    @pytest.fixture(autouse=True)
    def served(self, buckets: Share, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
        self.environ = buckets.environ()

    def open_store(self, folder: Path) -> FileStore:
        remote = read_remote("buckets", self.environ)
        return open_store(remote, self.environ, Limits(), Driver.FSSPEC)


def opened(**options: str) -> FileStore:
    """Open a remote with these options."""
    environ = {f"RCLONE_CONFIG_B_{name}": text for name, text in options.items()}
    environ["RCLONE_CONFIG_B_TYPE"] = "s3"
    return open_store(read_remote("b", environ), environ, Limits(20, 20), Driver.FSSPEC)


KEYS = {"ACCESS_KEY_ID": "ada", "SECRET_ACCESS_KEY": "secret", "REGION": "us-east-1"}


@pytest.mark.parametrize(
    ("code", "said"),
    [("InvalidAccessKeyId", "RCLONE_CONFIG_B_ACCESS_KEY_ID"), ("QuotaExceeded", "quota")],
)
def test_what_the_service_says_is_told(code: str, said: str) -> None:
    body = f"<Error><Code>{code}</Code></Error>".encode()
    with shares.answering(403, body) as port:
        store = opened(ENDPOINT=f"http://127.0.0.1:{port}", **KEYS)
        with closing(store), pytest.raises(RemoteFailed, match=said):
            store.put(Path(__file__), "models/file")


def test_a_page_is_no_s3() -> None:
    with shares.answering(200, b"<html>Welcome<br></html>") as port:
        store = opened(ENDPOINT=f"http://127.0.0.1:{port}", **KEYS)
        with closing(store), pytest.raises(RemoteFailed, match="s3 at"):
            store.check("models/folder")


def test_credentials_of_the_environment_are_used_where_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    endpoint = "http://127.0.0.1:9"
    store = opened(ENDPOINT=endpoint, ENV_AUTH="true")
    with closing(store), pytest.raises(RemoteFailed, match="401"):
        store.check("models")


def test_what_stands_for_a_folder_is_no_file(buckets: Share, tmp_path: Path) -> None:
    """Consoles make an object with a slash behind its name where a folder is made."""
    for name in ("marked/", "marked/folder/", "marked/folder/file"):
        url = f"http://127.0.0.1:{buckets.port}/models/{name}"
        urllib.request.urlopen(urllib.request.Request(url, b"", method="PUT")).close()
    with closing(opened(ENDPOINT=f"http://127.0.0.1:{buckets.port}", **KEYS)) as store:
        report = Transfer(store).pull("models/marked", tmp_path)
    assert (report.done, report.failed) == (["folder/file"], {})


def test_a_pull_that_dies_is_told(buckets: Share, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    endpoint = f"http://127.0.0.1:{buckets.port}"
    with closing(opened(ENDPOINT=endpoint, **KEYS)) as store:
        store.put(tmp_path / "file", "models/dies/file")
    with (
        shares.breaking(buckets.port, ["GET"], times=99) as port,
        closing(opened(ENDPOINT=f"http://127.0.0.1:{port}", **KEYS)) as store,
    ):
        transfer = Transfer(store, attempts=1)
        report = transfer.pull("models/dies/file", tmp_path / "here")
        assert "ended in the middle" in report.failed["file"]
        assert list((tmp_path / "here").iterdir()) == []


def test_a_push_that_dies_is_told(buckets: Share, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    with shares.breaking(buckets.port, ["PUT"], times=99) as port:
        store = opened(ENDPOINT=f"http://127.0.0.1:{port}", **KEYS)
        with closing(store), pytest.raises(RemoteFailed, match="ended in the middle"):
            store.put(tmp_path / "file", "models/dies too/file")
