# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the API offers."""

from typing import Any

from aiohttp import web

from deepaas.api.keys import SETTINGS
from deepaas.api.v2.responses import json_response


def _version(base_path: str) -> dict[str, Any]:
    link = {"rel": "self", "type": "application/json", "href": f"{base_path}/v2/"}
    return {"version": "stable", "id": "v2", "links": [link]}


async def list_versions(request: web.Request) -> web.Response:
    """Answer the versions, and where they are described."""
    settings = request.app[SETTINGS]
    base_path = settings.base_path
    links = [
        {"rel": "describedby", "type": "application/json", "href": f"{base_path}/swagger.json"}
    ]
    if settings.doc_endpoint:
        links.insert(0, {"rel": "help", "type": "text/html", "href": f"{base_path}/api"})
    return json_response({"versions": [_version(base_path)], "links": links})


async def show_version(request: web.Request) -> web.Response:
    """Answer version 2."""
    return json_response(_version(request.app[SETTINGS].base_path))
