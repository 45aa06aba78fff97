# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A request's body, headers and query into a :class:`~deepaas.service.incoming.Incoming`.

Uploads go straight to files, large JSON straight to shared memory: neither is held in the memory of
the event loop, and limits are enforced while reading.
"""

from aiohttp import content_disposition_filename, web
from aiohttp.http import HttpVersion11

from deepaas.api.forms import Files, Texts, read_multipart, read_urlencoded
from deepaas.api.keys import SERVICE, SETTINGS
from deepaas.api.limits import Budget
from deepaas.api.multipart import disposition_of
from deepaas.api.routing import ROWS
from deepaas.errors import BodyTooSlow, DeepaasError, MalformedBody, Unavailable
from deepaas.execution.messages import memory_file, write_all
from deepaas.model.arguments import sole_upload
from deepaas.records import Argument, CallInput, UploadedFile
from deepaas.service.incoming import Incoming
from deepaas.service.uploads import Upload

#: A body up to this size is kept as bytes, a larger one in memory of its own.
_IN_LOOP_BYTES = 256 * 1024


async def receive(request: web.Request) -> Incoming:
    """Read a request whole; the caller releases what it is given.

    Raises:
        TooLarge: The body exceeds the limit.
        MalformedBody: A form cannot be parsed, or the body is not encoded as announced.
        BodyTooSlow: Nothing has come for too long (:mod:`deepaas.api.guards.connections`).
        StorageFull: No space is left for uploads.
        Unavailable: They cannot be stored, or there is no memory for the body.
    """
    incoming = Incoming()
    try:
        if (body := _json_at_hand(request)) is not None:
            incoming.given = _given(request, body=body)
        else:
            await _read(request, incoming)
    except web.RequestPayloadError as exc:
        incoming.release()
        kind = "json" if request.content_type.endswith("json") else "form"
        raise MalformedBody(kind, "The body is not encoded as its headers say.") from exc
    except TimeoutError as exc:
        incoming.release()
        raise BodyTooSlow from exc
    except BaseException:
        incoming.release()
        raise
    return incoming


async def _read(request: web.Request, incoming: Incoming) -> None:
    form: Texts = []
    files: Files = []
    body: bytes | None = None
    if request.body_exists:
        budget = Budget(request)
        await _ask_for_body(request)
        kind = request.content_type
        if kind == "multipart/form-data":
            uploads = request.app[SERVICE].uploads
            form, files = await read_multipart(request, budget, uploads, incoming)
        elif kind == "application/x-www-form-urlencoded":
            form = await read_urlencoded(request, budget)
        elif kind == "application/json" or kind.endswith("+json"):
            body = await _read_json(request, budget, incoming)
        elif (argument := _argument_for_raw(request)) is not None:
            files = await _read_raw(request, budget, incoming, argument.wire_name)
    incoming.given = _given(request, tuple(form), tuple(files), body)


async def _ask_for_body(request: web.Request) -> None:
    """Tell a client to send the body, if it waits for that; it has passed all guards."""
    expected = request.headers.get("Expect", "")
    if expected.lower() == "100-continue" and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer has not begun


def _given(
    request: web.Request,
    form: tuple[tuple[str, str], ...] = (),
    files: tuple[tuple[str, UploadedFile], ...] = (),
    body: bytes | None = None,
) -> CallInput:
    url, headers = request.rel_url, request.headers
    return CallInput(
        tuple(url.query.items()) if url.raw_query_string else (),
        form,
        files,
        body,
        tuple(headers.items()),
        tuple(request.cookies.items()) if "Cookie" in headers else (),
    )


def _json_at_hand(request: web.Request) -> bytes | None:
    """Return the body if it is JSON that has come with the head, as most are; else ``None``."""
    content = request.content
    if request.headers.get("Content-Type") != "application/json" or not content.is_eof():
        return None
    limit = request.app[SETTINGS].client_max_bytes or _IN_LOOP_BYTES
    if not 0 < content.total_bytes <= min(limit, _IN_LOOP_BYTES):
        return None
    return content.read_nowait()


async def _read_json(request: web.Request, budget: Budget, incoming: Incoming) -> bytes | None:
    content = request.content
    parts: list[bytes] = []
    size = 0
    while chunk := await content.readany():
        budget.check()
        size += len(chunk)
        if size <= _IN_LOOP_BYTES:
            parts.append(chunk)
            continue
        try:
            if incoming.body_fd is None:
                incoming.body_fd = memory_file(b"".join(parts))
            # At once: memory takes a chunk in less time than a thread needs to begin.
            write_all(incoming.body_fd, chunk)
        except OSError as exc:
            raise Unavailable("There is no memory for the body of the request.") from exc
    return b"".join(parts) if incoming.body_fd is None else None


def _argument_for_raw(request: web.Request) -> Argument | None:
    """Return the argument that a body of any other kind is meant for, if there is one."""
    row = request.app[ROWS].get(request.match_info.route)
    try:
        model = request.app[SERVICE].models.get(request.match_info["model"]).description
    except (DeepaasError, KeyError):
        return None  # what is asked for says so by itself
    return None if row is None else sole_upload(row.about.arguments_of(model))


async def _read_raw(request: web.Request, budget: Budget, incoming: Incoming, name: str) -> Files:
    """Read a body that is a file as it is; an empty one is none."""
    parameters = disposition_of(request.headers.get("Content-Disposition", ""))
    filename = content_disposition_filename(parameters)
    upload: Upload | None = None
    try:
        while chunk := await request.content.readany():
            budget.check()
            if upload is None:
                upload = Upload(request.app[SERVICE].uploads, filename or "", incoming)
            await upload.write(chunk)
        if upload is None:
            return []
        await upload.finish()
    finally:
        if upload is not None:
            upload.abandon()
    content_type = request.headers.get("Content-Type")
    return [(name, UploadedFile(name, str(upload.path), content_type, filename))]
