# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The contract of file stores as tests; published through :mod:`deepaas.testing`."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

from deepaas.errors import RemoteFailed
from deepaas.storage.base import FileStore
from deepaas.whole import part_name

#: Each is told apart from what it would be if it were quoted, or not, once too often.
NAMES = (
    "plain.txt",
    "with space.txt",
    "100%.txt",
    "%41.txt",
    "A.txt",
    "a+b&c=d;e.txt",
    "#hash?query.txt",
    "Größe 中文.txt",
    "{{ braces }} $(x) '\".txt",
    ".hidden",
)

Body = Callable[["FileStoreContract", FileStore, str, Path], None]


def with_store(body: Body) -> Callable[["FileStoreContract", Path], None]:
    """Give a test a store, a folder of its own in it, and one here."""

    @wraps(body)
    def test(self: "FileStoreContract", tmp_path: Path) -> None:
        top = "/".join(filter(None, (self.top, uuid.uuid4().hex)))
        with closing(self.open_store(tmp_path / "store")) as store:
            body(self, store, top, tmp_path)

    # What pytest looks at, to know which fixtures a test wants.
    del test.__wrapped__
    return test


class FileStoreContract:
    """Every promise of :class:`~deepaas.storage.base.FileStore` that a test can check."""

    #: What files are called there, whatever a store does with a name.
    names: tuple[str, ...] = NAMES
    #: Below this folder of the store tests may write.
    top = ""

    def open_store(self, folder: Path) -> FileStore:
        """Return the store; ``folder`` does not exist, and is for whoever needs one."""
        raise NotImplementedError

    @with_store
    def test_what_was_put_comes_back(self, store: FileStore, top: str, here: Path) -> None:
        """Whatever characters the name has, and whether there is any content."""
        for name in self.names:
            put(store, here, f"{top}/a folder/{name}", name.encode())
        put(store, here, f"{top}/empty", b"")
        put(store, here, f"{top}/large", bytes(range(256)) * 12_000)
        assert [file.path for file in store.find(top)] == sorted(
            [*(f"{top}/a folder/{name}" for name in self.names), f"{top}/empty", f"{top}/large"]
        )
        for name in self.names:
            assert fetch(store, here, f"{top}/a folder/{name}") == name.encode()
        assert fetch(store, here, f"{top}/empty") == b""
        assert fetch(store, here, f"{top}/large") == bytes(range(256)) * 12_000

    @with_store
    def test_a_file_is_found_by_itself(self, store: FileStore, top: str, here: Path) -> None:
        """With its size and time; also where a folder and its only file have one name."""
        before = datetime.now(UTC)
        put(store, here, f"{top}/same/same", b"four")
        for path in (f"{top}/same/same", f"{top}/same", top):
            (found,) = store.find(path)
            assert (found.path, found.bytes) == (f"{top}/same/same", 4)
            assert found.modified is not None
            assert abs(found.modified - before) < timedelta(hours=1)
            store.check(path)

    @with_store
    def test_put_replaces(self, store: FileStore, top: str, here: Path) -> None:
        """Also what has the same size."""
        for content in (b"one", b"two"):
            put(store, here, f"{top}/file", content)
            assert fetch(store, here, f"{top}/file") == content
        assert len(store.find(top)) == 1

    @with_store
    def test_what_is_not_there_is_told(self, store: FileStore, top: str, here: Path) -> None:
        """By each method that reads."""
        put(store, here, f"{top}/there/file", b"")
        target = here / "target"
        target.touch()
        for path in (f"{top}/nothing", f"{top}/there/nothing"):
            for call in (
                lambda path=path: store.check(path),
                lambda path=path: store.find(path),
                lambda path=path: store.fetch(path, target),
            ):
                with fails() as failure:
                    call()
                assert failure[0].is_missing
                assert not failure[0].may_pass
                assert path in failure[0].message

    @with_store
    def test_what_is_being_written_is_not_listed(
        self, store: FileStore, top: str, here: Path
    ) -> None:
        """A push that was killed has left it."""
        put(store, here, f"{top}/file", b"")
        put(store, here, f"{top}/{part_name()}", b"half")
        assert [file.path for file in store.find(top)] == [f"{top}/file"]

    @with_store
    def test_a_file_is_no_folder(self, store: FileStore, top: str, here: Path) -> None:
        """Nor a folder a file: where that is a clash, it is told; what was there stays."""
        put(store, here, f"{top}/folder/file", b"kept")
        for path in (f"{top}/folder/file/below", f"{top}/folder"):
            with suppress(RemoteFailed):
                put(store, here, path, b"")
        assert fetch(store, here, f"{top}/folder/file") == b"kept"

    @with_store
    def test_it_may_be_closed_twice(self, store: FileStore, top: str, here: Path) -> None:
        """The second time does nothing."""
        store.close()


def put(store: FileStore, here: Path, path: str, content: bytes) -> None:
    """Put a file with this content."""
    source = here / "source"
    source.write_bytes(content)
    store.put(source, path)


def fetch(store: FileStore, here: Path, path: str) -> bytes:
    """Return the content of a file."""
    target = here / "fetched"
    target.write_bytes(b"")
    store.fetch(path, target)
    return target.read_bytes()


@contextmanager
def fails() -> Iterator[list[RemoteFailed]]:
    """Expect the block to fail; the error is in the list behind it."""
    caught: list[Any] = []
    try:
        yield caught
    except RemoteFailed as exc:
        caught.append(exc)
    assert caught, "it did not fail"
