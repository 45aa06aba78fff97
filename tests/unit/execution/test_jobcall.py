# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What a job runs is read back as it was written."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deepaas.execution.jobcall import JobCall, body_file
from deepaas.execution.jobdir import JobDirectory
from deepaas.records import CallInput, ModelSource, SourceKind, UploadedFile

SOURCE = ModelSource("cat", SourceKind.ENTRY_POINT, "cat.model:Cat", "cat-package", "1.0")
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple)
FILES = st.builds(UploadedFile, TEXT, TEXT, st.none() | TEXT, TEXT)


def kept(call: JobCall, tmp_path: Path) -> JobCall:
    """Write a call as the job runner does, and read it back."""
    directory = JobDirectory(tmp_path / "job")
    if not directory.path.is_dir():
        directory.create(b"")
    if call.input.body is not None:
        body_file(directory).write_bytes(call.input.body)
    directory.call.write_bytes(call.dump())
    return JobCall.read(directory)


def test_there_is_no_call(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        JobCall.read(JobDirectory(tmp_path))


def test_a_body_that_was_removed(tmp_path: Path) -> None:
    directory = JobDirectory(tmp_path / "job")
    directory.create(JobCall(SOURCE, CallInput(body=b"{}"), warm=True).dump())
    with pytest.raises(FileNotFoundError, match=r"body\.json"):
        JobCall.read(directory)


@pytest.mark.parametrize("kind", SourceKind)
def test_the_smallest_call(kind: SourceKind, tmp_path: Path) -> None:
    call = JobCall(ModelSource("cat", kind, "/a/cat.py"), CallInput(), warm=False)
    assert kept(call, tmp_path) == call
    assert kept(call, tmp_path).source.kind is kind


def test_everything_that_a_client_can_send(tmp_path: Path) -> None:
    file = UploadedFile("data", "/tmp/x.png", None, 'ö "1".png')
    call = JobCall(
        SOURCE,
        CallInput(
            query=(("a", "1"), ("a", "2")),
            form=(("b", ""),),
            files=(("data", file), ("data", file)),
            body=b'{"c": [1]}',
            headers=(("Accept", "*/*"),),
            cookies=(("d", "\x00"),),
        ),
        warm=True,
    )
    read = kept(call, tmp_path)
    assert read == call
    assert isinstance(read.input.files[0][1], UploadedFile)


def test_the_body_is_a_file_of_its_own(tmp_path: Path) -> None:
    call = JobCall(SOURCE, CallInput(body=b'{"c": "text"}'), warm=True)
    assert b"text" not in call.dump()
    assert json.loads(call.dump())["input"]["has_body"] is True
    directory = JobDirectory(tmp_path)
    assert body_file(directory).parent == directory.inputs


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.builds(
        CallInput,
        query=PAIRS,
        form=PAIRS,
        files=st.lists(st.tuples(TEXT, FILES), max_size=2).map(tuple),
        body=st.none() | st.binary(max_size=20),
        headers=PAIRS,
        cookies=PAIRS,
    )
)
def test_whatever_was_sent_comes_back(tmp_path: Path, given: CallInput) -> None:
    call = JobCall(SOURCE, given, warm=True)
    assert kept(call, tmp_path) == call
