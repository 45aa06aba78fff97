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
    return {"type": "object", "properties": dict(properties), "required": required, **more}


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
        "ModelVersion": _object(
            {
                "version": {"type": "integer", "minimum": 0},
                "state": {"type": "string", "enum": [str(state) for state in VersionState]},
                "served": {"type": "boolean"},
                "job": {"type": ["string", "null"], "description": "Whose artifacts it is."},
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
                "links": _array("Location"),
            }
        ),
        "ModelVersions": _object({"versions": _array("ModelVersion")}),
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
