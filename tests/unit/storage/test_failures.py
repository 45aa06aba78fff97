# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Remotes that fail in every way, on real sockets: by each driver, the same words."""

import shutil
import socket
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from deepaas.errors import RemoteFailed
from deepaas.storage.base import FileStore, Limits
from deepaas.storage.obscure import obscure
from deepaas.storage.opening import Driver, open_store
from deepaas.storage.remotes import read_remote
from deepaas.storage.transfer import Report, Transfer
from tests import shares
from tests.shares import PASSWORD, Share

#: Enough for a host on loopback that answers at all, on a busy machine too.
LIMITS = Limits(connect_s=20, stall_s=20)
IMPATIENT = Limits(connect_s=20, stall_s=0.5)


@pytest.fixture(params=[Driver.FSSPEC, Driver.RCLONE])
def driver(request: pytest.FixtureRequest) -> Driver:
    """Return each driver."""
    if request.param is Driver.RCLONE and shutil.which("rclone") is None:
        pytest.skip("there is no rclone; install the package rclone")
    return Driver(request.param)


def opened(served: Share, driver: Driver, limits: Limits = LIMITS, **changes: str) -> FileStore:
    """Open a share, with some variables changed."""
    prefix, name = ("BUCKETS", "buckets") if served.folder is None else ("RSHARE", "rshare")
    changed = {f"RCLONE_CONFIG_{prefix}_{key}": text for key, text in changes.items()}
    environ = served.environ(**changed)
    return open_store(read_remote(name, environ), environ, limits, driver)


def failed(store: FileStore, path: str = "") -> RemoteFailed:
    """Return why a check fails; no secret is in it."""
    with closing(store), pytest.raises(RemoteFailed) as caught:
        store.check(path)
    assert PASSWORD not in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value


def test_every_way_to_give_the_password_signs_in(
    share: Share, driver: Driver, tmp_path: Path
) -> None:
    obscured = obscure(PASSWORD)
    with closing(opened(share, driver, PASS_PLAIN="", PASS=obscured)) as store:
        store.check("")
    (tmp_path / "obscured").write_text(f"{obscured}\n")
    with closing(opened(share, driver, PASS_PLAIN="", PASS_FILE=f"{tmp_path}/obscured")) as store:
        store.check("")


def test_both_addresses_of_a_nextcloud_work(share: Share, driver: Driver, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    url = f"http://127.0.0.1:{share.port}/remote.php/webdav/"
    with closing(opened(share, driver, URL=url)) as store:
        store.put(tmp_path / "file", f"{driver}/by webdav")
    with closing(opened(share, driver)) as store:
        assert [file.bytes for file in store.find(f"{driver}/by webdav")] == [7]


def test_a_wrong_password_is_told(share: Share, driver: Driver) -> None:
    error = failed(opened(share, driver, PASS_PLAIN="wrong-one"))
    assert "(401)" in error.message
    assert "RCLONE_CONFIG_RSHARE_PASS" in error.message
    assert "wrong-one" not in error.message
    assert not error.may_pass


@pytest.mark.parametrize(
    ("status", "said", "may_pass"),
    [(403, "(403)", False), (507, "507, quota", False), (503, "at the moment", True)],
)
def test_a_status_is_told(
    share: Share, driver: Driver, status: int, said: str, may_pass: bool
) -> None:
    with shares.answering(status) as port:
        error = failed(opened(share, driver, URL=f"http://127.0.0.1:{port}/"))
    assert said in error.message
    assert error.may_pass is may_pass


def test_what_is_no_webdav_is_told(share: Share, driver: Driver) -> None:
    with shares.answering(200, b"<html>Sign in<br></html>") as port:
        error = failed(opened(share, driver, URL=f"http://127.0.0.1:{port}/"))
    assert "/remote.php/dav/files/USER" in error.message


def test_a_host_that_says_nothing_is_not_waited_for(share: Share, driver: Driver) -> None:
    with shares.silent() as port:
        error = failed(opened(share, driver, IMPATIENT, URL=f"http://127.0.0.1:{port}/"))
    assert "20 s to connect, 0.5 s to go on" in error.message
    assert error.may_pass


def test_a_name_that_is_none_is_told(share: Share, driver: Driver) -> None:
    error = failed(opened(share, driver, URL="http://nothing.invalid/"))
    assert "cannot be resolved" in error.message


def test_a_port_that_nobody_listens_on_is_told(share: Share, driver: Driver) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        error = failed(opened(share, driver, URL=f"http://127.0.0.1:{port}/"))
    assert "refuses the connection" in error.message


def test_a_host_that_speaks_no_tls_is_told(share: Share, driver: Driver) -> None:
    url = f"https://127.0.0.1:{share.port}/"
    assert "TLS" in failed(opened(share, driver, URL=url)).message


def test_a_share_without_the_path_is_told(share: Share, driver: Driver) -> None:
    error = failed(opened(share, driver), "not there")
    assert "'not there'" in error.message
    assert error.is_missing


def pulled(served: Share, driver: Driver, port: int, here: Path) -> Report:
    """Pull a folder through a proxy."""
    url = f"http://127.0.0.1:{port}/remote.php/dav/files/ada"
    with closing(opened(served, driver, URL=url)) as store:
        return Transfer(store, attempts=1).pull("dies", here)


def test_a_pull_that_dies_leaves_nothing_half_done(
    share: Share, driver: Driver, tmp_path: Path
) -> None:
    assert share.folder is not None
    folder = share.folder / "dies"
    folder.mkdir(exist_ok=True)
    for name in ("a", "b", "c"):
        (folder / name).write_bytes(name.encode() * 100_000)
    here = tmp_path / "here"
    with shares.breaking(share.port, ["GET"], times=1) as port:
        report = pulled(share, driver, port, here)
        assert list(report.failed) == ["a"]
        assert report.left == ["b", "c"]
        assert list(here.iterdir()) == []
        again = pulled(share, driver, port, here)
    assert again.is_whole
    assert (here / "c").read_bytes() == b"c" * 100_000


def test_a_push_that_dies_leaves_nothing_half_done(
    share: Share, driver: Driver, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"x" * 300_000)
    target = f"push {driver}"
    with shares.breaking(share.port, ["PUT"], times=1) as port:
        url = f"http://127.0.0.1:{port}/remote.php/dav/files/ada"
        with closing(opened(share, driver, URL=url)) as store:
            transfer = Transfer(store, attempts=1)
            report = transfer.push(tmp_path / "file", target)
            assert list(report.failed) == ["file"]
            # The folder may be there; the file is not, nor half of it.
            assert _found(store, target) == []
            assert transfer.push(tmp_path / "file", target).is_whole
            assert [file.bytes for file in store.find(target)] == [300_000]


def _found(store: FileStore, path: str) -> list[str]:
    """Return what is in a folder, which may not be there."""
    try:
        return [file.path for file in store.find(path)]
    except RemoteFailed:
        return []


def test_s3_fails_with_the_same_words(buckets: Share, driver: Driver) -> None:
    with closing(opened(buckets, driver)) as store, pytest.raises(RemoteFailed) as caught:
        store.put(Path(__file__), "nobucket/x")
    assert caught.value.is_missing
    assert failed(opened(buckets, driver), "nobucket/x").is_missing
    with shares.answering(403) as port:
        error = failed(opened(buckets, driver, ENDPOINT=f"http://127.0.0.1:{port}"), "models")
        assert "(403)" in error.message
    with shares.silent() as port:
        endpoint = f"http://127.0.0.1:{port}"
        error = failed(opened(buckets, driver, IMPATIENT, ENDPOINT=endpoint), "models")
        assert "did not answer in time" in error.message
    error = failed(opened(buckets, driver, ENDPOINT="nothing.invalid"), "models")
    assert "cannot be resolved" in error.message
    error = failed(opened(buckets, driver, ENDPOINT=f"127.0.0.1:{buckets.port}"), "models")
    assert "TLS" in error.message


def test_an_empty_bucket_can_be_used(buckets: Share, driver: Driver) -> None:
    url = f"http://127.0.0.1:{buckets.port}/empty"
    urllib.request.urlopen(urllib.request.Request(url, method="PUT")).close()
    with closing(opened(buckets, driver)) as store:
        store.check("empty")
        assert store.find("empty") == ()


def test_a_name_in_s3_that_leads_out_of_the_folder_is_refused(
    buckets: Share, driver: Driver, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    # rclone would not put it there.
    with closing(opened(buckets, Driver.FSSPEC)) as store:
        store.put(tmp_path / "file", f"models/{driver}/../../x")
        store.put(tmp_path / "file", f"models/{driver}/good")
    with closing(opened(buckets, driver)) as store:
        report = Transfer(store).pull(f"models/{driver}", tmp_path / "here")
    assert report.done == ["good"]
    assert not (tmp_path.parent / "x").exists()
