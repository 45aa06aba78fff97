# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The REST interface of the orchestrator, on loopback."""

import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from deepaas import __version__
from deepaas.errors import InvalidDocument, InvalidInputs, StorageUnavailable
from deepaas.orchestrator.local import processes, views
from deepaas.orchestrator.local.access import Access
from deepaas.orchestrator.local.planning import Template
from deepaas.orchestrator.local.records import Deployment, Refused
from deepaas.orchestrator.local.requests import PageRequest, read_page, read_request
from deepaas.orchestrator.local.service import Deployments

_DEPLOYMENTS: Final = web.AppKey("deployments", Deployments)
_ACCESS: Final = web.AppKey("access", Access)
#: Of a body; more than the template that it may hold.
_MOST_BYTES: Final = 32 * 1024 * 1024
_LOG_BYTES: Final = 256 * 1024
#: Paths for which nobody signs in.
_OPEN: Final = ("", "/info")
_NAME: Final = "DEEPaaS local orchestrator"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(deployments: Deployments, access: Access) -> web.Application:
    """Return the application.

    Args:
        deployments: What it shows and changes.
        access: Who may use it.
    """
    app = web.Application(middlewares=[_answer_by_contract], client_max_size=_MOST_BYTES)
    app[_DEPLOYMENTS] = deployments
    app[_ACCESS] = access
    own = "/deployments/{uuid}"
    for method, path, handler in (
        ("GET", "", _name),
        ("GET", "/info", _info),
        ("GET", "/configuration", _configuration),
        ("GET", "/deployments", _list),
        ("POST", "/deployments", _create),
        ("GET", own, _show),
        ("PUT", own, _update),
        ("PATCH", own, _reset),
        ("DELETE", own, _delete),
        ("GET", f"{own}/template", _template),
        ("GET", f"{own}/log", _log),
        ("GET", f"{own}/extrainfo", _extra),
        ("GET", f"{own}/resources", _resources),
        ("GET", f"{own}/resources/filter", _filtered),
        ("GET", f"{own}/resources/{{rid}}", _resource),
        ("POST", f"{own}/resources/{{rid}}/actions", _act),
    ):
        # Clients write it with a slash at the end, and without.
        for spelling in {f"{path}/", path or "/"}:
            app.router.add_route(method, spelling, handler)
    return app


@web.middleware
async def _answer_by_contract(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who may come in; give refusals the contract's shape."""
    access = request.app[_ACCESS]
    try:
        access.require_local(request)
        refusal = access.refusal(request.headers.get("Authorization", ""))
        if refusal is not None and request.path.rstrip("/") not in _OPEN:
            return web.json_response(refusal, status=401)
        return await handler(request)
    except Refused as exc:
        after = {} if exc.retry_after_s is None else {"Retry-After": str(exc.retry_after_s)}
        return _error(exc.status, exc.message, after)
    except web.HTTPRequestEntityTooLarge:
        return _error(400, f"The request body has more than {_MOST_BYTES} bytes.")
    except web.HTTPException as exc:
        allow = {"Allow": exc.headers["Allow"]} if "Allow" in exc.headers else {}
        return _error(exc.status, exc.text, allow)
    except StorageUnavailable as exc:
        return _error(500, exc.message)


def _error(status: int, message: str | None, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(views.error(status, message), status=status, headers=headers)


def _base(request: web.Request) -> str:
    return str(request.url.origin())


async def _deployment(request: web.Request) -> Deployment:
    return await request.app[_DEPLOYMENTS].get(request.match_info["uuid"])


async def _body(request: web.Request) -> Any:
    """Return the JSON of a request.

    Raises:
        Refused: It is none, or is not said to be.
    """
    if request.content_type != "application/json":
        raise Refused(415, f"Content type '{request.content_type}' not supported")
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as exc:
        raise Refused(400, f"The request body is no JSON: {exc}") from exc


async def _name(request: web.Request) -> web.Response:
    return web.Response(text=_NAME)


async def _info(request: web.Request) -> web.Response:
    return web.json_response(
        {
            "projectVersion": __version__,
            "serverHostname": "localhost",
            "projectRevision": "",
            "projectTimestamp": "",
        }
    )


async def _configuration(request: web.Request) -> web.Response:
    names = ("cpr_url", "slam_url", "cmdb_url", "im_url", "monitoring_url")
    return web.json_response(dict.fromkeys(names, ""))


async def _list(request: web.Request) -> web.Response:
    page = read_page(request.query)
    owner, group = request.query.get("createdBy"), request.query.get("userGroup")
    found, total = await request.app[_DEPLOYMENTS].list(page, owner, group)
    content = [views.deployment_view(each, _base(request)) for each in found]
    return web.json_response(_page(request, content, total, page))


def _page(request: web.Request, content: list[Any], total: int, page: PageRequest) -> Any:
    asked = {name: text for name, text in request.query.items() if name not in ("page", "size")}
    path = request.path.rstrip("/")
    return views.page_view(content, total, page, f"{_base(request)}{path}", asked)


async def _create(request: web.Request) -> web.Response:
    asked = read_request(await _body(request))
    created = await request.app[_DEPLOYMENTS].create(asked)
    return web.json_response(views.deployment_view(created, _base(request)), status=201)


async def _show(request: web.Request) -> web.Response:
    deployment = await _deployment(request)
    return web.json_response(views.deployment_view(deployment, _base(request)))


async def _update(request: web.Request) -> web.Response:
    asked = read_request(await _body(request))
    await request.app[_DEPLOYMENTS].update(request.match_info["uuid"], asked)
    return web.Response(status=202)


async def _reset(request: web.Request) -> web.Response:
    body = await _body(request)
    status = body.get("status") if isinstance(body, dict) else None
    await request.app[_DEPLOYMENTS].reset(request.match_info["uuid"], status)
    return web.Response(status=204)


async def _delete(request: web.Request) -> web.Response:
    await request.app[_DEPLOYMENTS].delete(request.match_info["uuid"])
    return web.Response(status=204)


async def _template(request: web.Request) -> web.Response:
    return web.Response(text=(await _deployment(request)).template)


async def _log(request: web.Request) -> web.Response:
    deployment = await _deployment(request)
    folder = request.app[_DEPLOYMENTS].deployer.folder_of(deployment.uuid)
    return web.Response(text=processes.tail(folder, _LOG_BYTES))


async def _extra(request: web.Request) -> web.Response:
    await _deployment(request)
    return web.Response(text=json.dumps({"vmProperties": []}))


async def _resources_of(request: web.Request) -> list[Any]:
    deployment = await _deployment(request)
    nodes: dict[str, dict[str, Any]] = {}
    # A template of an older version, perhaps, which was taken then.
    with suppress(InvalidDocument, InvalidInputs):
        nodes = Template(deployment.template, deployment.parameters).nodes
    found = views.resources_of(deployment, nodes, _base(request))
    kind = request.query.get("type")
    return [each for each in found if kind in (None, each["toscaNodeType"])]


async def _resources(request: web.Request) -> web.Response:
    found, page = await _resources_of(request), read_page(request.query)
    first = page.number * page.size
    return web.json_response(_page(request, found[first : first + page.size], len(found), page))


async def _filtered(request: web.Request) -> web.Response:
    if "type" not in request.query:
        raise Refused(400, "Required request parameter 'type' is not present")
    return web.json_response(await _resources_of(request))


async def _resource(request: web.Request) -> web.Response:
    rid = request.match_info["rid"]
    for each in await _resources_of(request):
        if each["uuid"] == rid:
            return web.json_response(each)
    raise Refused(404, f"The resource <{rid}> doesn't exist")


async def _act(request: web.Request) -> web.Response:
    await _body(request)
    await _resource(request)
    raise Refused(400, "Only compute nodes of cloud deployments are started and stopped.")
