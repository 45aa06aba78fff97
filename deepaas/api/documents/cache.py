# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The two documents as bytes, made when they are first asked for and when the models change."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from deepaas import __version__
from deepaas.api.documents.operations import describe_api
from deepaas.api.routing import Route
from deepaas.model.encoding import encode_json
from deepaas.model.registry import ModelRegistry
from deepaas.records import ModelDescription

#: As version 2 had it.
TITLE = "DEEP as a Service API endpoint"
#: Of documents: each dialect, for so many different views of the models.
_MOST_KEPT: Final = 32


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
        signs_in: Whether callers sign in here.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        registry: ModelRegistry,
        base_path: str,
        *,
        signs_in: bool = False,
    ) -> None:
        self._routes = tuple(routes)
        self._registry = registry
        self._base_path = base_path
        self._signs_in = signs_in
        #: By the names of the models in it too: not everybody sees every model.
        self._made: dict[tuple[Dialect, tuple[str, ...]], tuple[int, Document]] = {}
        self._making = asyncio.Lock()

    async def get(self, dialect: Dialect, sees: Callable[[str], bool] | None = None) -> Document:
        """Return the document for the models that are served now.

        Args:
            dialect: Of the document.
            sees: Tells by a model's name whether it may be shown; ``None``: every one.
        """
        async with self._making:
            revision = self._registry.revision
            models = [
                model.description
                for model in self._registry
                if sees is None or sees(model.description.name)
            ]
            key = dialect, tuple(model.name for model in models)
            made = self._made.get(key)
            if made is not None and made[0] == revision:
                return made[1]
            # Some hundred milliseconds the first time, most of it for the import.
            document = await asyncio.to_thread(self._make, dialect, models)
            if len(self._made) >= _MOST_KEPT:
                self._made.clear()
            self._made[key] = (revision, document)
            return document

    def _make(self, dialect: Dialect, models: Sequence[ModelDescription]) -> Document:
        made = make_document(
            dialect, self._routes, models, self._base_path, signs_in=self._signs_in
        )
        body = encode_json(made)
        return Document(body, hashlib.sha256(body).hexdigest()[:32])


def make_document(
    dialect: Dialect,
    routes: Sequence[Route],
    models: Sequence[ModelDescription],
    base_path: str,
    *,
    signs_in: bool = False,
) -> dict[str, Any]:
    """Return a document; blocks, and may be called from any thread."""
    api = describe_api(routes, models, base_path, signs_in=signs_in)
    if dialect is Dialect.SWAGGER:
        from deepaas.api.documents.swagger import write_swagger

        return write_swagger(api, TITLE, __version__)
    from deepaas.api.documents.openapi import write_openapi

    return write_openapi(api, TITLE, __version__)
