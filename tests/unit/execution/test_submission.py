# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A job is submitted whole or not at all, and one can be given the input of another."""

import errno
import os
import resource
import shutil
from pathlib import Path

import pytest

from deepaas.errors import Conflict, KeyReused, StorageFull, StorageUnavailable
from deepaas.execution.jobcall import JobCall
from deepaas.execution.jobdir import JobDirectory
from deepaas.execution.submission import (
    abandoned,
    forget,
    storage_error,
    write,
    write_again,
    write_call,
)
from deepaas.records import CallInput, ModelSource, SourceKind, UploadedFile
from deepaas.testing import InMemoryJobStore, make_job, make_key
from tests.unit.execution.runner import served

JOB = make_job(1).id
SOURCE = ModelSource("cat", SourceKind.OBJECT, "cat:model")
NEWER = ModelSource("cat", SourceKind.OBJECT, "cat:model", version="2.0")
CALL = JobCall(SOURCE, CallInput(), warm=True)


def submit(folder: Path) -> JobDirectory:
    """Write the job's directory for the server ``a``."""
    directory = JobDirectory(folder / JOB)
    write(directory, lambda new: write_call(new, CALL, None), server="a", attempt=1)
    return directory


def test_a_mark_names_the_server_until_the_job_is_known(tmp_path: Path) -> None:
    submit(tmp_path)
    assert abandoned(tmp_path, lambda server: server == "a") == []
    assert abandoned(tmp_path, lambda server: server == "b") == [("a", JOB)]
    forget(tmp_path, "a", JOB, is_known=True)
    assert os.listdir(tmp_path) == [JOB]
    forget(tmp_path, "a", JOB, is_known=True)


def test_a_job_that_the_store_does_not_know_is_removed(tmp_path: Path) -> None:
    submit(tmp_path)
    forget(tmp_path, "a", JOB, is_known=False)
    assert os.listdir(tmp_path) == []


def test_a_mark_may_be_all_that_there_is(tmp_path: Path) -> None:
    (tmp_path / JOB).touch()
    with pytest.raises(FileExistsError):
        submit(tmp_path)
    (tmp_path / JOB).unlink()
    assert abandoned(tmp_path, lambda server: False) == [("a", JOB)]
    forget(tmp_path, "a", JOB, is_known=False)
    assert os.listdir(tmp_path) == []


def test_the_events_begin_with_the_queue(tmp_path: Path) -> None:
    directory = submit(tmp_path)
    assert '"state": "queued", "attempt": 1' in directory.events.read_text()


async def test_of_two_with_one_key_the_second_leaves_nothing(tmp_path: Path) -> None:
    store = InMemoryJobStore()
    async with served(tmp_path, store) as server:
        job = await server.runner.submit(make_job(1), server.call(), key=make_key())
        second = await server.runner.submit(make_job(2), server.call(), key=make_key())
        assert second.id == job.id
        other = make_key(fingerprint="other")
        with pytest.raises(KeyReused):
            await server.runner.submit(make_job(3), server.call(), key=other)
        assert os.listdir(tmp_path / "jobs") == [job.id]
        assert [found.id for found in await store.list()] == [job.id]
        await server.ended(job)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EACCES, StorageUnavailable),
    ],
)
def test_a_directory_that_cannot_be_written(
    tmp_path: Path, number: int, kind: type[StorageUnavailable]
) -> None:
    found = storage_error(OSError(number, os.strerror(number)), tmp_path)
    assert type(found) is kind
    assert str(tmp_path) in found.message


def ended(tmp_path: Path) -> JobDirectory:
    """Return the directory of a job with a file, a body and a checkpoint."""
    upload = tmp_path / "upload.csv"
    upload.write_text("1;2")
    given = CallInput(
        query=(("a", "1"),),
        files=(("data", UploadedFile("data", str(upload), "text/csv", "plan.csv")),),
        body=b'{"b": 2}',
    )
    made = JobDirectory(tmp_path / "ended")
    write_call(made, JobCall(SOURCE, given, warm=True, request_id="r", principal="ada"), None)
    (made.checkpoints / "deep").mkdir()
    (made.checkpoints / "deep" / "last").write_text("3")
    return made


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("keeps", [True, False])
def test_a_job_gets_the_input_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool, keeps: bool
) -> None:
    """Its files too, also where the file system has no links."""
    source = ended(tmp_path)
    if not links:

        def refuse(*_: object) -> None:
            raise PermissionError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "link", refuse)
    made = JobDirectory(tmp_path / "again")
    call = JobCall(NEWER, CallInput(), warm=False, request_id="s", principal="bob")
    write_again(source, made, call, keeps_checkpoints=keeps)

    was, is_now = JobCall.read(source), JobCall.read(made)
    assert (is_now.source, is_now.warm, is_now.request_id, is_now.principal) == (
        *(NEWER, False, "s", "bob"),
    )
    assert (is_now.input.query, is_now.input.body) == (was.input.query, was.input.body)
    ((name, file),) = is_now.input.files
    path = Path(file.filename or "")
    assert (name, file.original_filename) == ("data", "plan.csv")
    assert path.parent == made.inputs
    assert path.read_text() == "1;2"
    assert (path.stat().st_nlink == 2) == links
    assert (made.checkpoints / "deep" / "last").exists() == keeps


def test_an_input_that_is_gone(tmp_path: Path) -> None:
    made = JobDirectory(tmp_path / "again")
    call = JobCall(SOURCE, CallInput(), warm=True)
    with pytest.raises(FileNotFoundError):
        write_again(JobDirectory(tmp_path / "gone"), made, call, keeps_checkpoints=False)
    assert not made.path.exists()


def test_a_body_need_not_be_read(tmp_path: Path) -> None:
    source = ended(tmp_path)
    assert JobCall.read(source, with_body=False).input.body == b""
    assert JobCall.read(source).input.body == b'{"b": 2}'


def test_checkpoints_are_copied_as_they_are(tmp_path: Path) -> None:
    """Links stay links, and what is no file is left out."""
    source = ended(tmp_path)
    (source.checkpoints / "newest").symlink_to("deep/last")
    (source.checkpoints / "deep").chmod(0o700)
    os.mkfifo(source.checkpoints / "pipe")
    made = JobDirectory(tmp_path / "again")
    write_again(source, made, JobCall(SOURCE, CallInput(), warm=True), keeps_checkpoints=True)
    assert sorted(os.listdir(made.checkpoints)) == ["deep", "newest"]
    assert (made.checkpoints / "newest").readlink() == Path("deep/last")
    assert (made.checkpoints / "newest").read_text() == "3"
    assert (made.checkpoints / "deep").stat().st_mode & 0o777 == 0o700


def test_no_space_for_checkpoints_is_told_as_it_is(tmp_path: Path) -> None:
    """A file that is too large stands for a disk that is full."""
    source = ended(tmp_path)
    (source.checkpoints / "deep" / "last").write_bytes(b"x" * 100_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match="large") as caught:
            write_again(
                source,
                JobDirectory(tmp_path / "again"),
                JobCall(SOURCE, CallInput(), warm=True),
                keeps_checkpoints=True,
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG


def test_all_that_was_written_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = set()
    fsync = os.fsync

    def note(fd: int) -> None:
        synced.add(os.readlink(f"/proc/self/fd/{fd}"))
        fsync(fd)

    source = ended(tmp_path)
    monkeypatch.setattr(os, "fsync", note)
    made = JobDirectory(tmp_path / "again")
    call = JobCall(SOURCE, CallInput(), warm=True)
    write(
        made,
        lambda new: write_again(source, new, call, keeps_checkpoints=True),
        server="a",
        attempt=1,
    )
    folders = (made.path, made.inputs, made.checkpoints, made.checkpoints / "deep")
    files = (made.call, *made.inputs.iterdir(), made.checkpoints / "deep" / "last")
    assert {str(path) for path in (*folders, *files)} <= synced


@pytest.mark.parametrize("is_gone", [True, False])
async def test_files_that_go_away_while_they_are_copied(tmp_path: Path, is_gone: bool) -> None:
    """A client may start a new job, if they are gone; otherwise the folder is the reason."""
    async with served(tmp_path, InMemoryJobStore(), slots=0) as server:
        first = await server.submit(1)
        directory = server.runner.directory(first.id)
        shutil.rmtree(directory.path if is_gone else directory.inputs)
        kind = Conflict if is_gone else StorageUnavailable
        with pytest.raises(kind, match="gone" if is_gone else "cannot be written"):
            await server.runner.submit_again(
                make_job(2), first.id, server.call(), keeps_checkpoints=True
            )
        assert make_job(2).id not in os.listdir(tmp_path / "jobs")
