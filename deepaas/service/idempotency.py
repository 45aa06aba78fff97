# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Tell whether two requests ask for the same (draft-ietf-httpapi-idempotency-key-header)."""

import hashlib
import json
import os
from collections.abc import Iterable
from typing import Any

from deepaas.records import CallInput, UploadedFile

_BLOCK_BYTES = 1024 * 1024


def input_fingerprint(
    given: CallInput, body_fd: int | None = None, version: int | None = None, stream: str = ""
) -> str:
    """Return a digest of a call's whole input, the content of its files included; blocks.

    Args:
        given: Without what differs from request to request and is no argument.
        body_fd: A memory file with the JSON body, where it is not in ``given``; its position stays.
        version: The version of the model that is named, ``None`` if none is.
        stream: The media type of the stream that is asked for, empty if none is.

    Raises:
        OSError: A file cannot be read.
    """
    files = [[field, *_shown(file), _digest_of_file(file)] for field, file in given.files]
    body = given.body if body_fd is None else None
    parts: dict[str, Any] = {
        "query": given.query,
        "form": given.form,
        "headers": [(name.lower(), value) for name, value in given.headers],
        "cookies": given.cookies,
        "files": files,
        "body": _digest(_blocks(body_fd) if body_fd is not None else [body or b""]),
    }
    if version is not None:
        parts["version"] = version
    if stream:
        parts["stream"] = stream
    return _digest([json.dumps(parts).encode()])


def operation_fingerprint(operation: str, job_id: str) -> str:
    """Return a digest of an operation on a job, which has no other input."""
    return _digest([f"{operation} {job_id}".encode()])


def _shown(file: UploadedFile) -> tuple[str | None, str | None, str | None]:
    return file.name, file.content_type, file.original_filename


def _digest_of_file(file: UploadedFile) -> str:
    with open(file.filename or "", "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _blocks(fd: int) -> Iterable[bytes]:
    offset = 0
    while block := os.pread(fd, _BLOCK_BYTES, offset):
        yield block
        offset += len(block)


def _digest(blocks: Iterable[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
