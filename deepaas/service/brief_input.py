# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The arguments of a queued prediction, checked, and as its job shows them."""

import asyncio

from deepaas.execution.base import ModelPool
from deepaas.model.arguments import display_briefly
from deepaas.model.encoding import encode_json
from deepaas.model.registry import RegisteredModel
from deepaas.service.incoming import Incoming
from deepaas.service.job_input import read_all
from deepaas.service.predictions import error_of


async def brief_arguments(
    registered: RegisteredModel,
    incoming: Incoming,
    *,
    pool: ModelPool,
    request_id: str,
    principal: str | None,
) -> str:
    """Check the arguments, and return them as JSON text; of a long one, how long it is.

    Args:
        registered: The model.
        incoming: The input; a small one is checked here, if it can be.
        pool: Its workers check the rest.
        request_id: Of the request.
        principal: Who asks.

    Raises:
        InvalidArguments, MalformedBody: The input is wrong.
    """
    parser = registered.predict_parser
    if parser is not None and incoming.is_small:
        shown = display_briefly(parser.arguments, parser.parse(incoming.given))
        return encode_json(shown).decode()
    answer, fd, *_ = await pool.call(
        "check-predict",
        request_id=request_id,
        given=incoming.given,
        body_fd=incoming.body_fd,
        principal=principal,
    )
    if answer.failure is not None:
        raise error_of(answer.failure, registered.name)
    # Of very many arguments, each of them brief, the answer comes as a descriptor.
    body = answer.body if fd is None else await asyncio.to_thread(read_all, fd)
    return (body or b"{}").decode()
