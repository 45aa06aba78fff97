# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""WebDAV through fsspec keeps the contract, on a server of others."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from deepaas.errors import RemoteFailed
from deepaas.storage.base import FileStore, Limits
from deepaas.storage.opening import Driver, open_store
from deepaas.storage.remotes import read_remote
from deepaas.storage.webdav import WebdavFileStore
from deepaas.testing import FileStoreContract
from tests import shares
from tests.shares import Share


class TestWebdavFileStore(FileStoreContract):
    """The contract, on WsgiDAV."""

    @pytest.fixture(autouse=True)
    def served(self, share: Share) -> None:
        self.environ = share.environ()

    def open_store(self, folder: Path) -> FileStore:
        remote = read_remote("rshare", self.environ)
        return open_store(remote, self.environ, Limits(), Driver.FSSPEC)


def open_at(port: int, **options: str) -> FileStore:
    """Return the share that somebody serves at a port, and that is not waited for for long."""
    said = {"TYPE": "webdav", "URL": f"http://127.0.0.1:{port}/", **options}
    environ = {f"RCLONE_CONFIG_T_{name}": text for name, text in said.items()}
    return open_store(read_remote("t", environ), environ, Limits(20, 20), Driver.FSSPEC)


def test_a_token_signs_in_where_there_is_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor() as threads:
        store = open_at(listening.getsockname()[1], BEARER_TOKEN="of-somebody")
        checking = threads.submit(store.check, "")
        connection, _ = listening.accept()
        with connection:
            asked = connection.recv(65536)
        with closing(store), pytest.raises(RemoteFailed, match="ended in the middle"):
            checking.result()
    assert b"Authorization: Bearer of-somebody\r\n" in asked


def test_what_cannot_be_written_here_is_told(share: Share, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with closing(WebdavFileStore(read_remote("rshare", share.environ()), Limits())) as store:
        store.put(tmp_path / "file", "file")
        with pytest.raises(RemoteFailed, match="it failed: IsADirectoryError"):
            store.fetch("file", tmp_path)


class Forgets(WebdavFileStore):
    """A share that keeps less than it was sent, and says that all is well."""

    def _put(self, source: Path, path: str) -> None:
        half = source.parent / "half"
        half.write_bytes(source.read_bytes()[:2])
        super()._put(half, path)


def test_what_did_not_all_arrive_is_told(share: Share, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("four")
    store = Forgets(read_remote("rshare", share.environ()), Limits())
    with closing(store), pytest.raises(RemoteFailed, match="2 of 4 bytes are there") as caught:
        store.put(tmp_path / "file", "forgotten")
    assert caught.value.may_pass


def test_a_listing_without_an_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(shares.Handler):
        def answer(self) -> None:
            self.send_response(207)
            self.end_headers()
            self.close_connection = True
            # Where it is not hung up, the test would not end.
            with suppress(OSError):
                while True:
                    self.wfile.write(b" " * 65536)

    monkeypatch.setattr("deepaas.storage.webdav._MOST_BYTES", 1_000_000)
    with shares.serving(Endless) as port:
        store = open_at(port)
        with closing(store), pytest.raises(RemoteFailed, match="not as webdav does"):
            store.find("")


def test_a_share_whose_folders_lead_in_a_circle_is_told() -> None:
    class Circle(shares.Handler):
        def answer(self) -> None:
            places = (self.path, f"{self.path.rstrip('/')}/again/")
            folder = (
                "<D:response><D:href>{}</D:href><D:propstat><D:prop><D:resourcetype>"
                "<D:collection/></D:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status>"
                "</D:propstat></D:response>"
            )
            listed = "".join(folder.format(place) for place in places)
            body = f'<D:multistatus xmlns:D="DAV:">{listed}</D:multistatus>'.encode()
            self.send_response(207)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with shares.serving(Circle) as port:
        store = open_at(port)
        with closing(store), pytest.raises(RemoteFailed, match="not as webdav does"):
            store.find("")
