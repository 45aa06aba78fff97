# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every route with its policy, in one table, and the application made of it."""

from aiohttp import web

from deepaas.api.keys import AUTHENTICATOR, SERVICE, SETTINGS, ApiSettings
from deepaas.api.middleware import guard_requests
from deepaas.api.routing import Route, add_routes
from deepaas.api.v2 import health, models, predict, train, versions
from deepaas.auth import Authenticator, NoSignIn, Policy
from deepaas.service import Service

ROUTES = (
    Route("GET", "/", versions.list_versions, Policy.READ),
    Route("GET", "/v2/", versions.show_version, Policy.READ),
    Route("GET", "/v2/models/", models.list_models, Policy.READ),
    Route("GET", "/v2/models/{model}/", models.show_model, Policy.READ),
    Route("POST", "/v2/models/{model}/predict/", predict.predict, Policy.PREDICT),
    Route("POST", "/v2/models/{model}/train/", train.start, Policy.TRAIN),
    Route("GET", "/v2/models/{model}/train/", train.list_all, Policy.READ),
    Route("GET", "/v2/models/{model}/train/{uuid}", train.show, Policy.READ),
    Route("DELETE", "/v2/models/{model}/train/{uuid}", train.delete, Policy.TRAIN),
    Route("GET", "/v2/health/live", health.live, Policy.PUBLIC),
    Route("GET", "/v2/health/ready", health.ready, Policy.PUBLIC),
)


def create_app(
    service: Service,
    settings: ApiSettings | None = None,
    authenticator: Authenticator | None = None,
) -> web.Application:
    """Make the application; it opens and closes nothing.

    Args:
        service: The use cases.
        settings: Prefix and limits.
        authenticator: Tells who calls; without one, everyone may do everything.
    """
    # Limits are enforced where bodies are read (deepaas.api.input): aiohttp's own cover neither
    # streams nor, in its multipart reader, the sum of the parts.
    app = web.Application(middlewares=[guard_requests], client_max_size=0)
    app[SERVICE] = service
    app[SETTINGS] = settings or ApiSettings()
    app[AUTHENTICATOR] = authenticator or NoSignIn()
    add_routes(app, ROUTES, app[SETTINGS].base_path)
    return app
