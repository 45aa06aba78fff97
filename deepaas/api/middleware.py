# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The one middleware: request id, guards, sign-in, policy, and errors into responses."""

import logging
import re
from random import Random

from aiohttp import web
from aiohttp.typedefs import Handler

from deepaas import telemetry
from deepaas.api.errors import problem_of, response_of, told
from deepaas.api.guards.connections import note_request
from deepaas.api.guards.rates import Callers, caller_at
from deepaas.api.keys import AUTHENTICATOR, GUARDS, METER, PRINCIPAL, REQUEST_ID
from deepaas.api.routing import ROWS, Route
from deepaas.auth import STRANGER, Policy, Principal
from deepaas.errors import DeepaasError, Forbidden, InvalidCredentials, Unauthenticated

logger = logging.getLogger(__name__)

HEADER = "X-Request-ID"
#: Of a generator of our own: models seed Python's, with --workers 0 in this very process.
_random_bits = Random().getrandbits  # noqa: S311 - an id, no secret
_USABLE_ID = re.compile(r"[\x21-\x7e]{1,128}")


@web.middleware
async def guard_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serve a request: whatever happens, the answer is clear and carries the request's id."""
    given = request.headers.get(HEADER)
    current = given if given and _USABLE_ID.fullmatch(given) else f"{_random_bits(128):032x}"
    request[REQUEST_ID] = current
    # Each request has a task of its own, and with it a context: nothing is to be taken back.
    telemetry.request_id.set(current)
    meter = request.app[METER]
    started_s = meter.begin(request)
    response: web.StreamResponse | None = None
    try:
        note_request(request)
        guards = request.app[GUARDS]
        guards.check(request)
        if guards.callers is None:
            await _authorize(request)
            response = await handler(request)
        else:
            response = await _serve_within_limits(request, handler, guards.callers)
    except Exception as exc:
        if isinstance(exc, ConnectionError) and _is_gone(request):
            raise  # there is nobody to answer
        response = await _answer(request, exc)
    finally:
        meter.end(request, started_s, response)
    if not response.prepared:
        response.headers[HEADER] = current
    return response


def _is_gone(request: web.Request) -> bool:
    """Tell whether the client has left."""
    return request.transport is None or request.transport.is_closing()


async def _answer(request: web.Request, exc: Exception) -> web.StreamResponse:
    """Return what a client is told of an exception."""
    if request.writer.output_size:
        return _break_off(request, exc)
    if isinstance(exc, web.HTTPMethodNotAllowed):
        return _options(request, exc)
    if isinstance(exc, web.HTTPException):
        return await _with_slash(request) or _form(request, exc)
    if isinstance(exc, DeepaasError):
        return _form(request, told(request, exc))
    logger.error("A request failed.", exc_info=exc, extra={"action": "request_failed"})
    return _form(request, DeepaasError("Internal Server Error"))


def _break_off(request: web.Request, exc: Exception) -> web.StreamResponse:
    """End the connection: an error would read as a part of the answer that has begun."""
    logger.error(
        "A request failed within its answer.",
        exc_info=exc,
        extra={"action": "answer_broken_off"},
    )
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)  # for the access log; it goes nowhere


def _form(request: web.Request, exc: DeepaasError | web.HTTPException) -> web.StreamResponse:
    """Put an error in the form that clients of this route know."""
    if isinstance(exc, web.HTTPException) and exc.status < 400:
        return _plain(exc)
    row = request.app[ROWS].get(request.match_info.route)
    if row is not None and row.is_new:
        return problem_of(exc)
    return _plain(exc) if isinstance(exc, web.HTTPException) else response_of(exc)


def _options(request: web.Request, exc: web.HTTPMethodNotAllowed) -> web.StreamResponse:
    """Answer OPTIONS with the methods; another method that does not exist is an error."""
    methods = ", ".join(sorted({*exc.allowed_methods, "OPTIONS"}))
    if request.method == "OPTIONS":
        cors = request.app[GUARDS].cors
        preflight = {} if cors is None else cors.preflight_headers(request, methods)
        return web.Response(status=204, headers={"Allow": methods, **preflight})
    exc.headers["Allow"] = methods
    return _plain(exc)


async def _serve_within_limits(
    request: web.Request, handler: Handler, callers: Callers
) -> web.StreamResponse:
    """Serve a request unless its caller asks for too much; probes have no limits."""
    row = request.app[ROWS].get(request.match_info.route)
    if row is not None and row.policy is Policy.PUBLIC and not row.is_page:
        await _authorize(request)
        return await handler(request)
    address = request.app[GUARDS].proxies.client_of(request).address
    callers.check_failures(address)
    try:
        await _authorize(request)
    except InvalidCredentials:
        callers.count_failure(address)
        raise
    except (Unauthenticated, Forbidden):
        with callers.admit(caller_at(address)):
            raise
    principal = request.get(PRINCIPAL)
    name = None if principal is None else principal.name
    with callers.admit(name or caller_at(address)):
        return await handler(request)


async def _authorize(request: web.Request) -> None:
    match = request.match_info
    row = request.app[ROWS].get(match.route)
    if row is None:
        if match.http_exception is not None:
            return  # no route, or not this method: the handler raises that
        raise Forbidden
    if row.policy is Policy.PUBLIC:
        # Not even asked: a probe must not depend on an issuer.
        request[PRINCIPAL] = STRANGER
        return
    principal = await request.app[AUTHENTICATOR].authenticate(request.headers)
    model = match.get("model")
    if not _may(principal, row, model):
        raise _refusal(principal, row, model)
    request[PRINCIPAL] = principal
    telemetry.principal.set(principal.name)
    telemetry.model.set(match.get("model", ""))


def _may(principal: Principal, row: Route, model: str | None) -> bool:
    if model is None and row.policy is Policy.READ:
        # What is about all models shows those that the principal may see.
        return principal.may_somewhere(Policy.READ)
    return principal.may(row.policy, model) or (
        row.or_policy is not None and principal.may(row.or_policy, model)
    )


def _refusal(principal: Principal, row: Route, model: str | None) -> DeepaasError:
    if principal.name is None:
        return Unauthenticated()
    what = row.policy if row.or_policy is None else f"{row.policy} or {row.or_policy}"
    where = "" if model is None else f" (model {model!r})"
    return Forbidden(f"You are signed in as {principal.name} and may not {what} here{where}.")


def _plain(exc: web.HTTPException) -> web.Response:
    """Return what aiohttp raised as an ordinary response: it will stop sending exceptions."""
    return web.Response(status=exc.status, reason=exc.reason, headers=exc.headers, body=exc.body)


async def _with_slash(request: web.Request) -> web.Response | None:
    """Redirect to the path with slashes merged and one appended, if that leads somewhere."""
    missing = request.match_info.http_exception
    if missing is None or missing.status != 404:
        return None
    path = re.sub("//+", "/", request.rel_url.raw_path)
    for candidate in (path, path + "/"):
        if candidate == request.rel_url.raw_path or candidate.endswith("//"):
            continue
        url = request.rel_url.with_path(candidate, encoded=True).with_query(None)
        match = await request.app.router.resolve(request.clone(rel_url=url))
        if match.http_exception is None or match.http_exception.status == 405:
            query = request.rel_url.raw_query_string
            where = candidate + (f"?{query}" if query else "")
            return web.Response(status=308, headers={"Location": where})
    return None
