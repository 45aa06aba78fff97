# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The input of a job: what is kept of it, and what is shown."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from deepaas.execution.base import ModelPool
from deepaas.model.arguments import ArgumentParser, display
from deepaas.model.encoding import encode_json
from deepaas.records import Argument, CallInput
from deepaas.service.incoming import Incoming
from deepaas.service.job_request import JobRequest
from deepaas.service.predictions import error_of

#: From declared arguments and their values to what is shown of them.
Show = Callable[[Sequence[Argument], Mapping[str, Any]], dict[str, Any]]


async def shown_arguments(
    request: JobRequest,
    incoming: Incoming,
    *,
    parser: ArgumentParser | None,
    pool: ModelPool,
    show: Show = display,
) -> str:
    """Check the arguments and return them as they are shown, as JSON text.

    Args:
        request: What the arguments are for.
        incoming: The input.
        parser: Checks a small input here; ``None`` where only the model's own process can.
        pool: The model's workers, which check the rest.
        show: How a small input is shown; the workers know it for each kind of job.

    Raises:
        InvalidArguments, MalformedBody: The input is wrong.
    """
    if parser is not None and incoming.is_small:
        shown = show(parser.arguments, parser.parse(incoming.given))
        return encode_json(shown).decode()
    answer, fd, *_ = await pool.call(
        f"check-{request.kind}",
        request_id=request.request_id,
        given=incoming.given,
        body_fd=incoming.body_fd,
        principal=request.principal.name,
    )
    if answer.failure is not None:
        raise error_of(answer.failure, request.model)
    # A large answer comes as a descriptor.
    body = answer.body if fd is None else await asyncio.to_thread(_read_all, fd)
    return (body or b"{}").decode()


def without_credentials(given: CallInput, arguments: Sequence[Argument]) -> CallInput:
    """Leave out the headers and cookies that no argument declares: a job keeps its input."""
    headers = {item.wire_name.lower() for item in arguments if item.location == "headers"}
    cookies = {item.wire_name for item in arguments if item.location == "cookies"}
    return replace(
        given,
        headers=tuple(pair for pair in given.headers if pair[0].lower() in headers),
        cookies=tuple(pair for pair in given.cookies if pair[0] in cookies),
    )


def _read_all(fd: int) -> bytes:
    """Read a descriptor from its start, and close it."""
    with open(fd, "rb") as file:
        file.seek(0)
        return file.read()
