# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""The declared arguments of a model as a JSON document that can travel with its files."""

from typing import Any

from deepaas.records import MISSING, Argument, ModelDescription


def declared(description: ModelDescription) -> dict[str, Any]:
    """Return JSON Schemas of what a model's functions take, by function and name on the wire.

    Each is an object's: ``{"predict": {"type": "object", "properties": {…}, "required": […]}}``.
    What the model does not have is missing. ``x-in`` says where a value is sent. Values of a secret
    argument are left out.
    """
    functions = {
        "predict": (description.can_predict, description.predict_arguments),
        "train": (description.can_train, description.train_arguments),
        "evaluate": (description.can_evaluate, description.evaluate_arguments),
    }
    return {name: _of(arguments) for name, (there, arguments) in functions.items() if there}


def _of(arguments: tuple[Argument, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {each.wire_name: _schema(each) for each in arguments},
    }
    if required := [each.wire_name for each in arguments if each.required]:
        schema["required"] = required
    return schema


def _schema(argument: Argument) -> dict[str, Any]:
    schema = dict(argument.schema)
    if argument.description is not None:
        schema["description"] = argument.description
    if argument.location is not None:
        schema["x-in"] = argument.location
    if argument.allow_none:
        schema["x-nullable"] = True
    if not argument.is_secret:
        if argument.choices is not None:
            schema["x-choices" if argument.has_open_choices else "enum"] = list(argument.choices)
        if argument.default is not MISSING:
            schema["default"] = argument.default
    return schema
