# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""How much a client may send: bytes, parts and fields of a form, and text."""

from aiohttp import web

from deepaas.api.keys import SETTINGS
from deepaas.errors import MalformedBody, TooLarge


class Budget:
    """Holds one body to its limits while it is read, whatever it is made of.

    Raises:
        TooLarge: The body is announced as larger than the limit; later, it became so.
    """

    def __init__(self, request: web.Request) -> None:
        self._settings = request.app[SETTINGS]
        self._content = request.content
        self._text_bytes = 0
        self._parts = 0
        self._check(request.content_length or 0)

    def _check(self, count: int) -> None:
        limit = self._settings.client_max_bytes
        if limit and count > limit:
            raise TooLarge(limit)

    def check(self) -> None:
        """Count every byte that came, those around and between the parts of a form too."""
        self._check(self._content.total_bytes)

    def add_text(self, count: int) -> None:
        """Count what stays in memory."""
        self._text_bytes += count
        if self._text_bytes > self._settings.form_max_text_bytes:
            raise TooLarge(self._settings.form_max_text_bytes)

    def add_part(self) -> None:
        """Count a part of a multipart form."""
        self._parts += 1
        if self._parts > self._settings.form_max_parts:
            raise MalformedBody(
                "form",
                f"A form has at most {self._settings.form_max_parts} parts;"
                " send fewer, or put the values into a JSON body.",
            )

    def check_fields(self, count: int) -> None:
        """Check the fields of an urlencoded form."""
        if count > self._settings.form_max_fields:
            raise MalformedBody(
                "form",
                f"A form has at most {self._settings.form_max_fields} fields, this one has"
                f" {count}; send fewer, or put the values into a JSON body.",
            )
