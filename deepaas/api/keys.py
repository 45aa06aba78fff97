# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What hangs on the application and on a request, by typed keys."""

from dataclasses import dataclass

from aiohttp import web

from deepaas.api.documents.cache import Documents
from deepaas.api.guards import Guards
from deepaas.api.metering import RequestMeter
from deepaas.auth import Authenticator, Principal
from deepaas.service import Service


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """What the HTTP layer needs to know."""

    #: Prefix of every route and link, empty or ``/x``.
    base_path: str = ""
    #: Largest body in bytes, 0 for no limit.
    client_max_bytes: int = 0
    #: Whether there is a page for people that describes the API.
    doc_endpoint: bool = True
    #: Whether clients are not told what the exceptions of models say.
    hide_model_errors: bool = False
    #: The most parts of a multipart form, and the most fields of an urlencoded one.
    form_max_parts: int = 1000
    form_max_fields: int = 10_000
    #: The most text of a form, all of it together; text is held in memory, files are not.
    form_max_text_bytes: int = 16 * 1024 * 1024
    #: Whether there is a route for Prometheus.
    metrics_endpoint: bool = True
    #: Whether there is a line in the log for each request.
    access_log: bool = False
    #: Whether OpenWhisk drives the service.
    openwhisk: bool = False


SERVICE = web.AppKey("service", Service)
SETTINGS = web.AppKey("settings", ApiSettings)
DOCUMENTS = web.AppKey("documents", Documents)
METER = web.AppKey("meter", RequestMeter)
AUTHENTICATOR = web.AppKey("authenticator", Authenticator)
GUARDS = web.AppKey("guards", Guards)

REQUEST_ID = web.RequestKey("request_id", str)
PRINCIPAL = web.RequestKey("principal", Principal)
