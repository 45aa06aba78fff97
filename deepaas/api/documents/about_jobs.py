# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the routes of jobs answer, for the documents."""

from deepaas.api import parameters
from deepaas.api.documents.about import ANYTHING, JSON, PROBLEM, TEXT, About, Answer

EVENTS = "text/event-stream"

_TAG = "models"
_OF_LIST = (402, 403, 404, 422, 500, 503)
_OF_JOB = (402, 403, 404, 500, 503)
_PART = Answer("The range that was asked for.", {ANYTHING: None})
_NOTHING_LEFT = Answer("There is nothing behind the event that was named.")
_SAME = Answer("The client has it already.")

JOBS = About(
    "list_jobs",
    _TAG,
    "List the jobs of the model, page by page.",
    Answer("Some jobs, and where the next ones begin.", {JSON: "Jobs"}),
    _OF_LIST,
    description=(
        "Those that were deleted from the list of trainings are here too. A page is cut at a job:"
        " what comes or goes meanwhile neither repeats a job nor leaves one out."
    ),
    parameters=parameters.jobs,
)
JOB = About(
    "show_job",
    _TAG,
    "Show a job.",
    Answer("The job.", {JSON: "Job"}),
    _OF_JOB,
)
CANCEL = About(
    "cancel_job",
    _TAG,
    "Cancel a job; one that has ended stays as it ended.",
    Answer("The job as it ended.", {JSON: "Job"}),
    (*_OF_JOB, 507),
)
RETRY = About(
    "retry_job",
    _TAG,
    "Start a job that has ended anew, as another job with the same input.",
    Answer("The new job.", {JSON: "Job"}),
    (402, 403, 404, 409, 422, 500, 501, 503, 507),
    status=201,
    parameters=parameters.idempotency,
)
REMOVE = About(
    "remove_job",
    _TAG,
    "Remove a job that has ended, and all that it made.",
    Answer("It is gone."),
    (402, 403, 404, 409, 500, 503),
    status=204,
)
ARGUMENTS = About(
    "show_arguments",
    _TAG,
    "Show what a job was given.",
    Answer("The arguments.", {JSON: "Arguments"}),
    _OF_JOB,
)
_FAILED = Answer("The prediction failed so.", {PROBLEM: "Problem", JSON: "Messages", TEXT: "Text"})
RESULT = About(
    "show_result",
    _TAG,
    "Show what a job returned.",
    Answer("The result.", {JSON: "Result", ANYTHING: None}, has_version=True),
    (402, 403, 409, 416),
    description=(
        "A queued prediction is answered as the direct call would have been, errors included, in"
        " the form that they have there; the model may have chosen another status than those."
    ),
    others={206: _PART, **dict.fromkeys((400, 404, 422, 500, 501, 503, 504), _FAILED)},
)
METRICS = About(
    "show_metrics",
    _TAG,
    "Show a job's metrics as series.",
    Answer("The points of every metric; of a long series some of them.", {JSON: "Metrics"}),
    _OF_JOB,
)
LOG = About(
    "show_log",
    _TAG,
    "Send what a job printed, or follow it.",
    Answer("The log; followed, its text as events.", {TEXT: "Text", EVENTS: "ServerSentEvent"}),
    (402, 403, 404, 416, 422, 500, 503),
    description=(
        "With follow=true, or where Accept prefers text/event-stream, the text comes as events"
        " until the job has ended; the id of an event is an offset in bytes."
    ),
    others={204: _NOTHING_LEFT, 206: _PART},
    parameters=parameters.log,
)
EVENTS_OF_JOB = About(
    "show_events",
    _TAG,
    "Show a job's newest events, or follow them.",
    Answer("The events.", {JSON: "Events", EVENTS: "ServerSentEvent"}),
    (402, 403, 404, 422, 500, 503),
    description=(
        "Where Accept prefers text/event-stream they come as they happen, until the job has ended."
    ),
    others={204: _NOTHING_LEFT},
    parameters=parameters.events,
)
ARTIFACTS = About(
    "list_artifacts",
    _TAG,
    "List the files that a job made.",
    Answer("The files, with their checksums.", {JSON: "Artifacts"}),
    _OF_JOB,
)
ARTIFACT = About(
    "get_artifact",
    _TAG,
    "Send a file that a job made.",
    Answer("The file.", {ANYTHING: None}),
    (402, 403, 404, 416, 500, 503),
    others={206: _PART, 304: _SAME},
)
