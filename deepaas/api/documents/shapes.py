# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The JSON Schemas (2020-12) of what the service itself answers, by name.

A reference is the bare name, ``{"$ref": "Training"}``; each document puts its own prefix before it.
What a model may override, its metadata above all, has no type here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from deepaas.store.versions import VersionState

Shape = Mapping[str, Any]

_LOCAL_TIME = "Local time, as YYYY-MM-DD HH:MM:SS.ffffff."
#: Of a training, in paths.
UUID: Shape = MappingProxyType({"type": "string", "pattern": "^[0-9a-f]{32}$"})
#: Parameters of paths that are no id.
PATH_SHAPES: Mapping[str, Shape] = MappingProxyType(
    {"path": MappingProxyType({"type": "string", "minLength": 1})}
)
#: The header that every answer has, as OpenAPI 3.1 describes it.
REQUEST_ID: dict[str, Any] = {
    "description": "The request's id, as the client gave it or a new one; the log names it.",
    "schema": {"type": "string"},
}
#: The header that a model's answer has.
MODEL_VERSION: dict[str, Any] = {
    "description": "The version of the model that has answered; 0: the package as installed.",
    "schema": {"type": "integer", "minimum": 0},
}
_NULLABLE_TEXT = {"type": ["string", "null"]}
_TIME = {"type": "string", "description": "RFC 3339, in UTC."}
_NULLABLE_TIME = {**_NULLABLE_TEXT, "description": "RFC 3339, in UTC."}
_READY: Shape = {"type": "string", "enum": ["ready", "not ready"]}
_MODEL_HEALTH: Mapping[str, Shape] = {
    "name": {"type": "string"},
    "workers": {"type": "integer", "minimum": 0},
    "reason": _NULLABLE_TEXT,
    "version": {"type": "integer", "minimum": 0},
    "version_problem": _NULLABLE_TEXT,
}


def _object(properties: Mapping[str, Shape], *optional: str, **more: Any) -> Shape:
    """Return the schema of an object; all properties are required but the optional ones."""
    required = [name for name in properties if name not in optional]
    shape = {"type": "object", "properties": dict(properties), **more}
    return {**shape, "required": required} if required else shape


_COUNTS: Shape = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
_SECONDS: Shape = {"type": ["number", "null"], "description": "Null where there were none."}
#: What was seen of a model in a piece of time.
_SAMPLE: Shape = _object(
    {
        "time": {**_TIME, "format": "date-time"},
        "samples": {"type": "integer", "minimum": 0, "description": "How often it was looked at."},
        "ready": {
            "type": ["number", "null"],
            "description": "The share of those looks at which it could be called.",
        },
        "requests": {**_COUNTS, "description": "By class of status, such as 2xx; or gone."},
        "predictions": _object(
            {
                "count": {"type": "integer", "minimum": 0},
                "sum_s": {"type": "number"},
                "p50_s": _SECONDS,
                "p95_s": _SECONDS,
                "p99_s": _SECONDS,
            },
            description="How many were asked for, and how long they took.",
        ),
        "jobs": {**_COUNTS, "description": "By state, when it was last looked at."},
    }
)


def _array(items: str) -> Shape:
    return {"type": "array", "items": {"$ref": items}}


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "Text": {"type": "string"},
        "Document": {"type": "object", "description": "A document of this kind."},
        "Messages": {
            "type": "object",
            "description": "What is wrong, by argument; of a list, by index.",
            "additionalProperties": True,
        },
        "Problem": _object(
            {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
            },
            "detail",
            description="An error, as RFC 9457 has it.",
        ),
        "Location": _object(
            {
                "rel": {"type": "string"},
                "type": {"type": "string", "description": "Media type."},
                "href": {"type": "string", "description": "Path on this server."},
            },
            "type",
        ),
        "Version": _object(
            {
                "version": {"type": "string"},
                "id": {"type": "string"},
                "links": _array("Location"),
            }
        ),
        "Versions": _object({"versions": _array("Version"), "links": _array("Location")}),
        "ModelMeta": _object(
            {
                "id": {"description": "Identifier."},
                "name": {"description": "Name."},
                "links": {"description": "Where the model is found."},
            },
            description="What the model says of itself.",
            additionalProperties=True,
        ),
        "Models": _object({"models": _array("ModelMeta")}),
        "ModuleMetadata": _object(
            {
                "file": {"type": "string", "description": "The name of the file."},
                "schema_version": {"type": "string"},
                "title": _NULLABLE_TEXT,
                "summary": _NULLABLE_TEXT,
                "description": _NULLABLE_TEXT,
                "license": _NULLABLE_TEXT,
                "keywords": {"type": "array", "items": {"type": "string"}},
                "links": {"type": "object", "additionalProperties": {"type": "string"}},
                "package": {
                    "type": ["object", "null"],
                    "description": "What the installed package says; null where there is none.",
                },
                "document": {"type": "object", "description": "The file as it is."},
            }
        ),
        "Predicted": _object(
            {
                "status": {"type": "string", "enum": ["OK"]},
                "predictions": {"description": "What the model returned."},
            }
        ),
        "Training": _object(
            {
                "date": {"type": "string", "description": _LOCAL_TIME},
                "args": {"type": "object", "description": "The arguments, secrets masked."},
                "uuid": dict(UUID),
                "status": {"type": "string", "enum": ["running", "done", "error", "cancelled"]},
                "message": {"type": "string", "description": "Why it failed."},
                "result": _object(
                    {
                        "output": {"description": "What the model's function returned."},
                        "finish_date": {"type": "string", "description": _LOCAL_TIME},
                        "duration": {"type": "string", "description": "As H:MM:SS.ffffff."},
                    }
                ),
                "progress": {"type": "object", "description": "What the model last reported."},
            },
            "message",
            "result",
            "progress",
        ),
        "Trainings": _array("Training"),
        "Job": _object(
            {
                "id": dict(UUID),
                "kind": {"type": "string", "enum": ["train", "predict", "evaluate"]},
                "model": {"type": "string"},
                "version": {
                    "type": "integer",
                    "minimum": 0,
                    "description": "Of the model; an evaluation has one.",
                },
                "state": {
                    "type": "string",
                    "enum": ["queued", "running", "done", "error", "cancelled", "interrupted"],
                },
                "created": _TIME,
                "started": _NULLABLE_TIME,
                "finished": _NULLABLE_TIME,
                "arguments": {"type": "object", "description": "The arguments, secrets masked."},
                "progress": {
                    "type": ["object", "null"],
                    "description": "What was last reported: time, done, total, metrics.",
                },
                "message": {**_NULLABLE_TEXT, "description": "Why it ended, or what holds it up."},
                "attempt": {"type": "integer", "minimum": 1},
                "links": _array("Location"),
            },
            "version",
        ),
        "Jobs": _object(
            {
                "jobs": _array("Job"),
                "next": {**_NULLABLE_TEXT, "description": "The cursor of the next page."},
            }
        ),
        "Arguments": {"type": "object", "description": "The arguments, secrets masked."},
        "Result": {"description": "What the job's function returned."},
        "Metrics": _object(
            {
                "metrics": {
                    "type": "object",
                    "description": "By name, points in order.",
                    "additionalProperties": {
                        "type": "array",
                        "items": _object(
                            {
                                "attempt": {"description": "The attempt that reported it."},
                                "done": {"description": "How far the job was."},
                                "time": {"description": "When it was reported."},
                                "value": {"description": "The number, null for NaN."},
                            }
                        ),
                    },
                }
            }
        ),
        "ServerSentEvent": _object(
            {
                "event": {"type": "string"},
                "id": {"type": "string", "description": "To go on behind it: Last-Event-ID."},
                "data": {"type": "string"},
                "retry": {"type": "integer"},
            },
            *("event", "id", "data", "retry"),
        ),
        "Events": _object(
            {"events": {"type": "array", "items": {"type": "object"}}},
        ),
        "Artifacts": _object(
            {
                "artifacts": {
                    "type": "array",
                    "items": _object(
                        {
                            "path": {"type": "string"},
                            "bytes": {"type": "integer", "minimum": 0},
                            "sha256": {
                                **_NULLABLE_TEXT,
                                "description": "Hexadecimal; null while the job may write.",
                            },
                            "href": {"type": "string", "description": "Path on this server."},
                        }
                    ),
                },
                "record": {
                    "type": ["object", "null"],
                    "description": "How they were made: versions, code, arguments, hardware.",
                },
            }
        ),
        "ModelVersion": _object(
            {
                "version": {"type": "integer", "minimum": 0},
                "state": {"type": "string", "enum": [str(state) for state in VersionState]},
                "served": {"type": "boolean"},
                "job": {
                    "type": ["string", "null"],
                    "description": "Whose artifacts it is; null for who does not see that job.",
                },
                "promoted": {"type": ["string", "null"], "format": "date-time"},
                "promoted_by": _NULLABLE_TEXT,
                "reason": {
                    "type": ["string", "null"],
                    "description": "Why it could not be served when it was last asked for.",
                },
                "metrics": {
                    "type": ["object", "null"],
                    "description": "What its training reported last.",
                },
                "evaluation": {
                    "type": ["object", "null"],
                    "description": "What it was last evaluated to: job, finished, metrics.",
                },
                "links": _array("Location"),
            }
        ),
        "ModelVersions": _object({"versions": _array("ModelVersion")}),
        "History": _object(
            {
                "step_s": {"type": "integer", "description": "Seconds that a sample stands for."},
                "samples": {"type": "array", "items": _SAMPLE},
            }
        ),
        "Liveness": _object({"status": {"type": "string", "enum": ["live"]}}),
        "ModelReadiness": _object({"status": _READY, **_MODEL_HEALTH}),
        "Readiness": _object(
            {
                "status": _READY,
                "models": {
                    "type": "array",
                    "items": _object(_MODEL_HEALTH),
                },
                "trainings": _NULLABLE_TEXT,
            }
        ),
    }
)
