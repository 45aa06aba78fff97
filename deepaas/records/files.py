# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Files on their way to a model, and from it."""

from typing import NamedTuple


class UploadedFile(NamedTuple):
    """A file that a client sent, as a model receives it."""

    #: Name of the form field.
    name: str | None = None
    #: Absolute path on local disk; removed when the call ends.
    filename: str | None = None
    #: Media type as the client stated it.
    content_type: str | None = None
    #: The client's name for the file; never use it as a path.
    original_filename: str | None = None


class ReturnedFile(NamedTuple):
    """A file that a model returns."""

    name: str | None = None
    filename: str | None = None
    content_type: str | None = None
    original_filename: str | None = None
