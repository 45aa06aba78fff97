# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Equal requests have equal fingerprints, and others do not."""

import os
from pathlib import Path

from deepaas.execution.messages import memory_file
from deepaas.records import CallInput, UploadedFile
from deepaas.service.idempotency import input_fingerprint, operation_fingerprint


def upload(path: Path, content: str, name: str = "data", original: str = "a.txt") -> CallInput:
    path.write_text(content)
    return CallInput(files=((name, UploadedFile(name, str(path), "text/plain", original)),))


def test_what_differs_in_any_part_is_another_request(tmp_path: Path) -> None:
    inputs = [
        CallInput(),
        CallInput(query=(("a", "1"),)),
        CallInput(query=(("a", "2"),)),
        CallInput(form=(("a", "1"),)),
        CallInput(headers=(("a", "1"),)),
        CallInput(cookies=(("a", "1"),)),
        CallInput(body=b'{"a": 1}'),
        CallInput(body=b'{"a": 2}'),
        CallInput(query=(("\udcff", "\udcfe"),)),
        upload(tmp_path / "1", "content"),
        upload(tmp_path / "2", "Content"),
        upload(tmp_path / "3", "content", name="other"),
        upload(tmp_path / "4", "content", original="b.txt"),
    ]
    assert len({input_fingerprint(given) for given in inputs}) == len(inputs)


def test_the_same_content_is_the_same_request(tmp_path: Path) -> None:
    """Wherever its files lie, however its headers are written, and wherever its body is held."""
    assert input_fingerprint(upload(tmp_path / "1", "content")) == input_fingerprint(
        upload(tmp_path / "2", "content")
    )
    assert input_fingerprint(CallInput(headers=(("A", "1"),))) == input_fingerprint(
        CallInput(headers=(("a", "1"),))
    )
    body = b'{"a": 1}' * 400_000
    fd = memory_file(body)
    try:
        assert input_fingerprint(CallInput(), fd) == input_fingerprint(CallInput(body=body))
        assert input_fingerprint(CallInput(), fd) == input_fingerprint(
            CallInput(body=memoryview(body))
        )
    finally:
        os.close(fd)


def test_operations_on_jobs() -> None:
    prints = {
        operation_fingerprint(*what) for what in (("retry", "1"), ("retry", "2"), ("other", "1"))
    }
    assert len(prints) == 3
    assert operation_fingerprint("retry", "1") in prints


def test_another_version_is_another_request() -> None:
    """Without one the digest is what it was before versions could be named."""
    found = [input_fingerprint(CallInput(), None, version) for version in (None, 0, 1)]
    assert len(set(found)) == 3
    assert found[0] == input_fingerprint(CallInput())


def test_another_form_of_a_stream_is_another_request() -> None:
    forms = ("", "text/event-stream", "application/jsonl")
    found = [input_fingerprint(CallInput(), stream=form) for form in forms]
    assert len(set(found)) == 3
    assert found[0] == input_fingerprint(CallInput())
