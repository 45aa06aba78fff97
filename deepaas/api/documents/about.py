# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the routes answer, for the documents; each route of the table names one of these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from deepaas.api import monitoring_parameters, parameters, version_parameters
from deepaas.model.arguments import ArgumentParser
from deepaas.records import Argument, ModelDescription

JSON = "application/json"
TEXT = "text/plain"
PROBLEM = "application/problem+json"
HTML = "text/html"
ANYTHING = "*/*"


@dataclass(frozen=True, slots=True)
class Answer:
    """One response of an operation."""

    description: str
    #: Media type to the name of a schema in :data:`~deepaas.api.documents.shapes.SHAPES`, or
    #: ``None`` for what has none; empty where there is no body.
    content: Mapping[str, str | None] = field(default_factory=dict)
    #: Whether a header says which version of the model has answered.
    has_version: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """A route in words: what the documents say of it beyond method, path and arguments."""

    #: Unique among the routes; with the model's name it is the operation's id.
    name: str
    #: The heading under which it stands.
    tag: str
    summary: str
    success: Answer
    #: Further statuses; what they mean is said once, in :data:`ERRORS`.
    errors: tuple[int, ...] = ()
    description: str | None = None
    #: The model's function whose declared arguments it takes.
    function: Literal["predict", "train", "evaluate"] | None = None
    #: Other successes, and errors that are answered in a form of their own.
    others: Mapping[int, Answer] = field(default_factory=dict)
    status: int = 200
    #: Makes what reads the route's own parameters, which are documented by it.
    parameters: Callable[[], ArgumentParser] | None = None
    #: Of those that Swagger 2.0 has in words only: the front end of version 2 makes an input of
    #: each parameter of a prediction.
    preferences: Callable[[], ArgumentParser] | None = None

    def arguments_of(self, model: ModelDescription) -> tuple[Argument, ...]:
        """Return those declared arguments of a model that the route takes."""
        match self.function:
            case "predict":
                return model.predict_arguments
            case "train":
                return model.train_arguments
            case "evaluate":
                return model.evaluate_arguments
            case _:
                return ()


_TEXT_ERROR: Mapping[str, str | None] = MappingProxyType({TEXT: "Text"})

#: Every error by its status, in the form that version 2 knows.
ERRORS: Mapping[int, Answer] = MappingProxyType(
    {
        400: Answer(
            "The body cannot be parsed, or the model refused the input.",
            {JSON: "Messages", TEXT: "Text"},
        ),
        401: Answer("The caller has not signed in, or not with a valid key or token.", _TEXT_ERROR),
        402: Answer("This endpoint is switched off.", _TEXT_ERROR),
        403: Answer("The caller may not do this.", _TEXT_ERROR),
        404: Answer("There is no such model, training or job.", _TEXT_ERROR),
        408: Answer("The body did not come in time.", _TEXT_ERROR),
        409: Answer("This cannot be done as things stand.", _TEXT_ERROR),
        413: Answer("The body is larger than this service allows.", _TEXT_ERROR),
        416: Answer("The range begins behind the end.", _TEXT_ERROR),
        422: Answer("Arguments are missing or wrong.", {JSON: "Messages"}),
        429: Answer("The caller asks for too much; try again later.", _TEXT_ERROR),
        431: Answer("The address or a header is too long.", _TEXT_ERROR),
        500: Answer("The model failed, or the service did.", _TEXT_ERROR),
        501: Answer("The model does not have this function.", _TEXT_ERROR),
        503: Answer("Nothing can answer at the moment; try again.", _TEXT_ERROR),
        507: Answer("No space is left on the server.", _TEXT_ERROR),
    }
)

_SHOWN = (403, 500)
_OF_MODEL = (403, 404, 500, 503)
_OF_TRAININGS = (402, 403, 404, 500, 503)
_CALLED = (400, 402, 403, 404, 408, 413, 422, 429, 431, 500, 501, 503, 507)

VERSIONS = About(
    "list_versions",
    "versions",
    "List the versions of this API.",
    Answer("The versions, and where they are described.", {JSON: "Versions"}),
    _SHOWN,
)
VERSION = About(
    "show_version",
    "versions",
    "Show version 2 of this API.",
    Answer("The version.", {JSON: "Version"}),
    _SHOWN,
)
MODELS = About(
    "list_models",
    "models",
    "List the models.",
    Answer("Every model that is served.", {JSON: "Models"}),
    _SHOWN,
)
MODEL = About(
    "show_model",
    "models",
    "Show what the model says of itself.",
    Answer("The model.", {JSON: "ModelMeta"}),
    _OF_MODEL,
)
METADATA = About(
    "show_metadata",
    "models",
    "Show the metadata file of the model's package.",
    Answer("What the file and the package say.", {JSON: "ModuleMetadata"}),
    _OF_MODEL,
    description="The file is ai4-metadata.yml, or metadata.json; without one the answer is 404.",
)
PREDICT = About(
    "predict",
    "models",
    "Make a prediction.",
    Answer("The prediction.", {JSON: "Predicted"}, has_version=True),
    _CALLED,
    description=(
        "An argument that stands in the query here may also be sent in a form or in a JSON object"
        " as the body; the first hit in this order counts. A model may answer with a status of its"
        " own that is not listed. With the header 'Prefer: respond-async' the call is queued as a"
        " job, and answered with 202; 'Prefer: respond-async, wait=10' waits some seconds for the"
        " answer first. The header Idempotency-Key then names the request."
    ),
    function="predict",
    others={202: Answer("The call is queued; Location says as which job.", {JSON: "Job"})},
    preferences=parameters.preferences,
)
START_TRAINING = About(
    "start_training",
    "models",
    "Start a training.",
    Answer("The training, which runs now or waits for its turn.", {JSON: "Training"}),
    _CALLED,
    description=(
        "An argument that stands in the query here may also be sent in a form or in a JSON object"
        " as the body; the first hit in this order counts."
    ),
    function="train",
    parameters=parameters.idempotency,
)
START_EVALUATION = About(
    "start_evaluation",
    "models",
    "Evaluate a version of the model.",
    Answer("The job, which runs now or waits for its turn.", {JSON: "Job"}),
    (*_CALLED, 409),
    description=(
        "The numbers that it finds out stand beside the version in the list of versions. An"
        " argument that stands in the query here may also be sent in a form or in a JSON object as"
        " the body; the first hit in this order counts."
    ),
    function="evaluate",
    status=202,
    parameters=version_parameters.evaluation,
)
TRAININGS = About(
    "list_trainings",
    "models",
    "List the trainings of the model.",
    Answer("The newest trainings, the latest last.", {JSON: "Trainings"}),
    _OF_TRAININGS,
)
TRAINING = About(
    "show_training",
    "models",
    "Show a training, and how far it is.",
    Answer("The training.", {JSON: "Training"}),
    _OF_TRAININGS,
)
DELETE_TRAINING = About(
    "delete_training",
    "models",
    "Cancel a training, and take it out of the list.",
    Answer("The training as it ended.", {JSON: "Training"}),
    _OF_TRAININGS,
)
HISTORY = About(
    "show_history",
    "models",
    "Show how the model did over time.",
    Answer("What was seen, oldest first.", {JSON: "History"}),
    (403, 404, 422, 500, 503),
    description="Servers that share a state directory add to the same history.",
    parameters=monitoring_parameters.history,
)
MODEL_VERSIONS = About(
    "list_model_versions",
    "models",
    "List the versions of the model, and which is served.",
    Answer("The versions, newest first; 0 is the package as installed.", {JSON: "ModelVersions"}),
    _OF_MODEL,
)
_VERSION_FAILED = Answer(
    "Arguments are wrong, or the version cannot be served: nothing has changed.",
    {PROBLEM: "Problem"},
)
_PROMOTING = {
    202: Answer("The version is being loaded.", {JSON: "ModelVersion"}),
    422: _VERSION_FAILED,
}
PROMOTE = About(
    "promote_job",
    "models",
    "Serve what a training has made.",
    Answer("The version that is served from now on.", {JSON: "ModelVersion"}),
    (400, 403, 404, 409, 413, 500, 503, 507),
    description=(
        "A worker loads the artifacts of the training first; predictions go on meanwhile. If it"
        " cannot, nothing changes."
    ),
    others=_PROMOTING,
    parameters=version_parameters.promotion,
)
ROLLBACK = About(
    "roll_back",
    "models",
    "Serve another version that is there.",
    Answer("The version that is served from now on.", {JSON: "ModelVersion"}),
    (400, 403, 404, 409, 413, 500, 503, 507),
    description="The version may also be sent in a form or in a JSON object as the body.",
    others=_PROMOTING,
    parameters=version_parameters.rollback,
)
DEBUG = About(
    "debug",
    "debug",
    "Show what the service and its models printed.",
    Answer("The last lines.", {TEXT: "Text"}),
    _SHOWN,
    others={204: Answer("This is switched off.")},
)
LIVE = About(
    "live",
    "health",
    "Answer that the server answers.",
    Answer("It does.", {JSON: "Liveness"}),
    (500,),
)
READY = About(
    "ready",
    "health",
    "Tell whether every model can be called.",
    Answer("Every model can be called.", {JSON: "Readiness"}),
    (500,),
    others={503: Answer("Some model cannot be called, and why.", {JSON: "Readiness"})},
)
MODEL_READY = About(
    "modelReady",
    "health",
    "Tell whether one model can be called.",
    Answer("It can be called.", {JSON: "ModelReadiness"}),
    (404, 500),
    others={503: Answer("It cannot be called, and why.", {JSON: "ModelReadiness"})},
)
SERVER_METRICS = About(
    "show_server_metrics",
    "health",
    "Show what the service does and has done, for Prometheus.",
    Answer("Every metric.", {TEXT: "Text", "application/openmetrics-text": None}),
    _SHOWN,
    description="The reference of DEEPaaS describes each; OpenMetrics where Accept prefers it.",
)
SWAGGER = About(
    "swagger",
    "documents",
    "Describe this API as Swagger 2.0.",
    Answer("The document.", {JSON: "Document"}),
    _SHOWN,
)
OPENAPI = About(
    "openapi",
    "documents",
    "Describe this API as OpenAPI 3.1.",
    Answer("The document.", {JSON: "Document"}),
    _SHOWN,
)
PAGE = About(
    "page",
    "documents",
    "Show a page that describes this API and tries it out.",
    Answer("The page.", {HTML: "Text"}),
    _SHOWN,
)
WEB_PAGE = About(
    "web_page",
    "documents",
    "Lead to the page for browsers.",
    Answer("It is there.", {TEXT: "Text"}),
    _SHOWN,
    status=302,
)
OPENWHISK_INIT = About(
    "openwhisk_init", "openwhisk", "Begin, as OpenWhisk asks.", Answer("Begun.", {JSON: None})
)
OPENWHISK_RUN = About(
    "openwhisk_run",
    "openwhisk",
    "Answer the request that an activation stands for.",
    Answer("What the service answers.", {JSON: None}),
)
ASSET = About(
    "asset",
    "documents",
    "Send a file that the page needs.",
    Answer("The file.", {ANYTHING: None}),
    (403, 404, 500),
)
