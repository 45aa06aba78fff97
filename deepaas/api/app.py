# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Every route with its policy, in one table, and the application made of it."""

from aiohttp import web

from deepaas.api import metrics, openwhisk, pages
from deepaas.api.documents import about, about_jobs
from deepaas.api.documents.cache import Documents
from deepaas.api.guards import Guards
from deepaas.api.keys import (
    AUTHENTICATOR,
    DOCUMENTS,
    GUARDS,
    METER,
    PRINCIPAL,
    SERVICE,
    SETTINGS,
    ApiSettings,
)
from deepaas.api.metering import RequestMeter
from deepaas.api.middleware import guard_requests
from deepaas.api.routing import ROWS, Route, add_routes
from deepaas.api.v2 import (
    debug,
    evaluate,
    health,
    jobfiles,
    jobs,
    model_versions,
    models,
    monitoring,
    predict,
    train,
    versions,
)
from deepaas.auth import STRANGER, Authenticator, NoSignIn, Policy
from deepaas.service import Service

_JOBS = "/v2/models/{model}/jobs/"
_JOB = _JOBS + "{job}"
_READ, _TRAIN, _PUBLIC = Policy.READ, Policy.TRAIN, Policy.PUBLIC

_JOB_ROUTES = tuple(
    Route(
        *(method, path, handler, policy, about),
        is_new=True,
        # Which of the two a change takes, the service sees by the kind of the job.
        or_policy=Policy.PREDICT if policy is _TRAIN else None,
    )
    for method, path, handler, policy, about in (
        ("GET", _JOBS, jobs.list_all, _READ, about_jobs.JOBS),
        ("GET", _JOB, jobs.show, _READ, about_jobs.JOB),
        ("DELETE", _JOB, jobs.remove, _TRAIN, about_jobs.REMOVE),
        ("POST", _JOB + "/cancel", jobs.cancel, _TRAIN, about_jobs.CANCEL),
        ("POST", _JOB + "/retry", jobs.retry, _TRAIN, about_jobs.RETRY),
        ("GET", _JOB + "/arguments", jobs.arguments, _READ, about_jobs.ARGUMENTS),
        ("GET", _JOB + "/result", jobs.result, _READ, about_jobs.RESULT),
        ("GET", _JOB + "/metrics", jobs.metrics, _READ, about_jobs.METRICS),
        ("GET", _JOB + "/log", jobfiles.log, _READ, about_jobs.LOG),
        ("GET", _JOB + "/events", jobfiles.events, _READ, about_jobs.EVENTS_OF_JOB),
        ("GET", _JOB + "/artifacts/", jobs.artifacts, _READ, about_jobs.ARTIFACTS),
        ("GET", _JOB + "/artifacts/{path:(?s:.+)}", jobfiles.artifact, _READ, about_jobs.ARTIFACT),
    )
)

ROUTES = (
    Route("GET", "/", versions.list_versions, Policy.READ, about.VERSIONS),
    Route("GET", "/v2/", versions.show_version, Policy.READ, about.VERSION),
    Route("GET", "/v2/models/", models.list_models, Policy.READ, about.MODELS),
    Route("GET", "/v2/models/{model}/", models.show_model, Policy.READ, about.MODEL),
    Route(
        "GET",
        "/v2/models/{model}/metadata",
        models.show_metadata,
        Policy.READ,
        about.METADATA,
        is_new=True,
    ),
    Route("POST", "/v2/models/{model}/predict/", predict.predict, Policy.PREDICT, about.PREDICT),
    Route("POST", "/v2/models/{model}/train/", train.start, Policy.TRAIN, about.START_TRAINING),
    Route(
        "POST",
        "/v2/models/{model}/evaluate/",
        evaluate.start,
        Policy.TRAIN,
        about.START_EVALUATION,
        is_new=True,
    ),
    Route("GET", "/v2/models/{model}/train/", train.list_all, Policy.READ, about.TRAININGS),
    Route("GET", "/v2/models/{model}/train/{uuid}", train.show, Policy.READ, about.TRAINING),
    Route(
        "DELETE",
        "/v2/models/{model}/train/{uuid}",
        train.delete,
        Policy.TRAIN,
        about.DELETE_TRAINING,
    ),
    *_JOB_ROUTES,
    Route(
        "POST",
        "/v2/models/{model}/jobs/{job}/promote",
        model_versions.promote,
        Policy.MANAGE,
        about.PROMOTE,
        is_new=True,
    ),
    Route(
        "GET",
        "/v2/models/{model}/versions/",
        model_versions.list_all,
        Policy.READ,
        about.MODEL_VERSIONS,
        is_new=True,
    ),
    Route(
        "POST",
        "/v2/models/{model}/versions/rollback",
        model_versions.rollback,
        Policy.MANAGE,
        about.ROLLBACK,
        is_new=True,
    ),
    Route(
        "GET",
        "/v2/models/{model}/history",
        monitoring.history,
        Policy.READ,
        about.HISTORY,
        is_new=True,
    ),
    Route("GET", "/v2/debug/", debug.show, Policy.MANAGE, about.DEBUG),
    Route("GET", "/v2/health/live", health.live, Policy.PUBLIC, about.LIVE, is_new=True),
    Route("GET", "/v2/health/ready", health.ready, Policy.PUBLIC, about.READY, is_new=True),
    Route(
        "GET",
        "/v2/models/{model}/ready",
        health.model_ready,
        Policy.PUBLIC,
        about.MODEL_READY,
        is_new=True,
    ),
    Route("GET", "/metrics", metrics.show, Policy.READ, about.SERVER_METRICS, is_new=True),
    Route("GET", "/swagger.json", pages.show_swagger, Policy.READ, about.SWAGGER),
    Route("GET", "/openapi.json", pages.show_openapi, Policy.READ, about.OPENAPI, is_new=True),
    # The page itself tells nothing: it asks for a key where the document is not for everybody.
    Route("GET", "/api", pages.show_page, _PUBLIC, about.PAGE, is_page=True),
    Route("GET", "/ui", pages.lead_to_page, _PUBLIC, about.WEB_PAGE, is_page=True),
    Route(
        "GET",
        "/static/swagger/{file}",
        pages.send_asset,
        _PUBLIC,
        about.ASSET,
        is_page=True,
    ),
)

#: Only where OpenWhisk runs the service, and at these very paths. Whoever reaches them may do what
#: the request may that they stand for, and that one passes the table above.
OPENWHISK_ROUTES = (
    Route("POST", "/init", openwhisk.init, _PUBLIC, about.OPENWHISK_INIT),
    Route("POST", "/run", openwhisk.run, _PUBLIC, about.OPENWHISK_RUN),
)


def create_app(
    service: Service,
    settings: ApiSettings | None = None,
    authenticator: Authenticator | None = None,
    guards: Guards | None = None,
) -> web.Application:
    """Make the application; it opens and closes nothing.

    Args:
        service: The use cases.
        settings: Prefix and limits, and what is switched on.
        authenticator: Tells who calls; without one, everyone may do everything.
        guards: Tell what is refused whoever calls; without them, nothing is.
    """
    # Limits are enforced where bodies are read (deepaas.api.input): aiohttp's own cover neither
    # streams nor, in its multipart reader, the sum of the parts.
    app = web.Application(middlewares=[guard_requests], client_max_size=0)
    app[SERVICE] = service
    app[SETTINGS] = settings or ApiSettings()
    app[AUTHENTICATOR] = authenticator or NoSignIn()
    app[GUARDS] = guards or Guards()
    app.on_response_prepare.append(app[GUARDS].headers.add)
    routes = [row for row in ROUTES if _is_on(row, app[SETTINGS])]
    app.on_shutdown.append(_end_followers)
    add_routes(app, routes, app[SETTINGS].base_path)
    if app[SETTINGS].openwhisk:
        add_routes(app, OPENWHISK_ROUTES, "")
        app.cleanup_ctx.append(openwhisk.opened)
    rows = app[ROWS]
    proxies = app[GUARDS].proxies if app[SETTINGS].access_log else None
    app[METER] = RequestMeter(service.traffic, rows, service.models, logs_through=proxies)
    signs_in = not isinstance(app[AUTHENTICATOR], NoSignIn)
    app[DOCUMENTS] = Documents(routes, service.models, app[SETTINGS].base_path, signs_in=signs_in)
    if signs_in:
        app.on_response_prepare.append(_keep_from_caches)
    return app


def _is_on(route: Route, settings: ApiSettings) -> bool:
    if route.handler is metrics.show:
        return settings.metrics_endpoint
    return settings.doc_endpoint or not route.is_page


async def _end_followers(app: web.Application) -> None:
    """Let go of who follows a job; they come again when the server does."""
    app[SERVICE].history.close()


async def _keep_from_caches(request: web.Request, response: web.StreamResponse) -> None:
    """Let no cache on the way answer one caller with what was for another.

    It knows that an answer to ``Authorization`` is for nobody else (RFC 9111, section 3.5), and
    takes ``X-API-Key`` for any header.
    """
    if request.get(PRINCIPAL) is not STRANGER:
        response.headers.setdefault("Cache-Control", "no-store")
