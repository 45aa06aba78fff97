# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The documents, and the page for people that reads them; nothing in it comes from elsewhere."""

from functools import cache, partial
from html import escape
from pathlib import Path

from aiohttp import web

from deepaas.api.documents.cache import Dialect
from deepaas.api.keys import DOCUMENTS, SETTINGS
from deepaas.api.v2.models import sees_model

_STATIC = Path(__file__).parent / "static"
#: What the page may ask for, and the file that it gets; no other file is sent.
ASSETS = {
    "page.js": _STATIC / "page.js",
    **{
        name: _STATIC / "swagger" / name
        for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
    },
}
_CACHING = {
    # Asked for again each time, and answered with 304 where nothing has changed.
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}
# Styles in attributes are what Swagger UI's pictures and highlighting are made with.
_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


async def show_swagger(request: web.Request) -> web.Response:
    """Answer the Swagger 2.0 document."""
    return await _document(request, Dialect.SWAGGER)


async def show_openapi(request: web.Request) -> web.Response:
    """Answer the OpenAPI 3.1 document."""
    return await _document(request, Dialect.OPENAPI)


async def _document(request: web.Request, dialect: Dialect) -> web.Response:
    document = await request.app[DOCUMENTS].get(dialect, partial(sees_model, request))
    tags = request.if_none_match
    if tags is not None and any(tag.value in (document.tag, "*") for tag in tags):
        response = web.Response(status=304, headers=_CACHING)
    else:
        response = web.Response(
            body=document.body,
            content_type="application/json",
            charset="utf-8",
            headers=_CACHING,
        )
    response.etag = document.tag
    return response


@cache
def _template() -> str:
    return (_STATIC / "page.html").read_text("utf-8")


async def show_page(request: web.Request) -> web.Response:
    """Answer the page."""
    base_path = escape(request.app[SETTINGS].base_path, quote=True)
    return web.Response(
        text=_template().replace("BASE_PATH", base_path),
        content_type="text/html",
        charset="utf-8",
        headers={
            **_CACHING,
            "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
            "Referrer-Policy": "no-referrer",
        },
    )


async def lead_to_page(request: web.Request) -> web.Response:
    """Redirect to the page."""
    location = request.app[SETTINGS].base_path + "/api"
    raise web.HTTPFound(location)


async def send_asset(request: web.Request) -> web.StreamResponse:
    """Send a file of the page."""
    path = ASSETS.get(request.match_info["file"])
    if path is None:
        raise web.HTTPNotFound
    return web.FileResponse(path, headers=_CACHING)
