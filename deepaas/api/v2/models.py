# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The models that are served."""

from typing import Any

from aiohttp import web

from deepaas.api.keys import PRINCIPAL, SERVICE, SETTINGS
from deepaas.api.v2.responses import json_response, json_tagged
from deepaas.auth import Policy
from deepaas.errors import NoModuleMetadata
from deepaas.records import ModelDescription


def _model(description: ModelDescription, base_path: str) -> dict[str, Any]:
    """Return a model as shown: what it says of itself overrides what we say of it."""
    name = description.name
    links = [{"rel": "self", "href": f"{base_path}/v2/models/{name}"}]
    return {"id": name, "name": name, "links": links, **description.metadata}


def sees_model(request: web.Request, name: str) -> bool:
    """Tell whether a model may be shown to who asks."""
    return request[PRINCIPAL].may(Policy.READ, name)


async def list_models(request: web.Request) -> web.Response:
    """Answer every model that may be shown."""
    service, base_path = request.app[SERVICE], request.app[SETTINGS].base_path
    names = [name for name in service.models.names() if sees_model(request, name)]
    await service.descriptions.refresh(names)
    shown = [_model(m.description, base_path) for m in service.models if m.name in names]
    return json_response({"models": shown})


async def show_model(request: web.Request) -> web.Response:
    """Answer one model."""
    service, name = request.app[SERVICE], request.match_info["model"]
    await service.descriptions.refresh([name])
    model = service.models.get(name)
    return json_response(_model(model.description, request.app[SETTINGS].base_path))


async def show_metadata(request: web.Request) -> web.Response:
    """Answer the metadata file of a model's package."""
    model = request.app[SERVICE].models.get(request.match_info["model"])
    if model.description.document is None:
        raise NoModuleMetadata(model.description.document_problem)
    return json_tagged(request, model.description.document)
