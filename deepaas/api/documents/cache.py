# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The two documents as bytes, made when they are first asked for and when the models change."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from deepaas import __version__
from deepaas.api.documents.operations import describe_api
from deepaas.api.routing import Route
from deepaas.model.encoding import encode_json
from deepaas.model.registry import ModelRegistry
from deepaas.records import ModelDescription

#: As version 2 had it.
TITLE = "DEEP as a Service API endpoint"


class Dialect(StrEnum):
    """What the API is described in."""

    SWAGGER = "Swagger 2.0"
    OPENAPI = "OpenAPI 3.1"


@dataclass(frozen=True, slots=True)
class Document:
    """A finished document."""

    body: bytes
    #: Changes with the body; the value of an entity tag, without quotes.
    tag: str


class Documents:
    """Makes the documents of one application, and keeps them.

    Args:
        routes: The routes that are registered.
        registry: The models; looked at for each request.
        base_path: Empty or ``/x``.
    """

    def __init__(self, routes: Sequence[Route], registry: ModelRegistry, base_path: str) -> None:
        self._routes = tuple(routes)
        self._registry = registry
        self._base_path = base_path
        self._made: dict[Dialect, tuple[int, Document]] = {}
        self._making = asyncio.Lock()

    async def get(self, dialect: Dialect) -> Document:
        """Return the document for the models that are served now."""
        async with self._making:
            revision = self._registry.revision
            made = self._made.get(dialect)
            if made is not None and made[0] == revision:
                return made[1]
            models = [model.description for model in self._registry]
            # Some hundred milliseconds the first time, most of it for the import.
            document = await asyncio.to_thread(self._make, dialect, models)
            self._made[dialect] = (revision, document)
            return document

    def _make(self, dialect: Dialect, models: Sequence[ModelDescription]) -> Document:
        body = encode_json(make_document(dialect, self._routes, models, self._base_path))
        return Document(body, hashlib.sha256(body).hexdigest()[:32])


def make_document(
    dialect: Dialect, routes: Sequence[Route], models: Sequence[ModelDescription], base_path: str
) -> dict[str, Any]:
    """Return a document; blocks, and may be called from any thread."""
    api = describe_api(routes, models, base_path)
    if dialect is Dialect.SWAGGER:
        from deepaas.api.documents.swagger import write_swagger

        return write_swagger(api, TITLE, __version__)
    from deepaas.api.documents.openapi import write_openapi

    return write_openapi(api, TITLE, __version__)
