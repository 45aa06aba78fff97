# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Evaluations of the versions of a model; each is a job, and shown as one."""

from aiohttp import web

from deepaas.api import version_parameters
from deepaas.api.input import receive
from deepaas.api.keys import PRINCIPAL, REQUEST_ID, SERVICE
from deepaas.api.parameters import read_key
from deepaas.api.v2.jobshape import path_of, shape_of
from deepaas.api.v2.responses import json_response
from deepaas.service.history import JobView


async def start(request: web.Request) -> web.Response:
    """Start an evaluation."""
    key = read_key(request)
    version = version_parameters.read_evaluated(request)
    incoming = await receive(request)
    job = await request.app[SERVICE].evaluations.start(
        request.match_info["model"],
        incoming,
        version,
        principal=request[PRINCIPAL],
        request_id=request[REQUEST_ID],
        key=key,
    )
    response = json_response(shape_of(request, JobView(job, None)), status=202)
    response.headers["Location"] = path_of(request, job)
    return response
