# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""What the server learns of a model."""

import json
import logging
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from marshmallow import fields

from deepaas.errors import InvalidArguments, ModelNotFound
from deepaas.model.adapter import ModelAdapter
from deepaas.model.description import describe
from deepaas.model.registry import ModelRegistry
from deepaas.records import (
    PROCESS_KINDS,
    CallInput,
    ModelDescription,
    ModelSource,
    SourceKind,
    Training,
)

SOURCE = ModelSource("cats", SourceKind.ENTRY_POINT, "cats.api", "cats-pkg", "1.2")


class Own(fields.Str):
    """A field of an author's own."""


class Cats:
    schema: ClassVar = {"label": fields.Str(required=True)}

    def get_metadata(self) -> dict[str, Any]:
        return {"name": "Cats", "sizes": {1}, "model": int}

    def get_predict_args(self) -> dict[str, Any]:
        return {"n": fields.Int(required=True)}

    def predict(self, n: int) -> int:
        return n

    def get_train_args(self) -> dict[str, Any]:
        return {"own": Own()}


class NoMetadata:
    def get_metadata(self) -> Any:
        raise LookupError("the package has no metadata")


def described(model: Any = Cats) -> ModelDescription:
    return describe(ModelAdapter(SOURCE, model))


def test_metadata_that_fail_do_not_stop_the_model(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        description = described(NoMetadata)

    assert description.metadata["id"] == "0"
    assert "the package has no metadata" in caplog.text


def test_a_description_says_it_all_in_json() -> None:
    description = described()

    assert json.loads(json.dumps(description.metadata)) == {
        "name": "Cats",
        "sizes": [1],
        "model": "<class 'int'>",
    }
    assert [argument.name for argument in description.predict_arguments] == ["n"]
    assert [argument.name for argument in description.train_arguments] == ["own"]
    assert description.predict_fields is not None
    assert description.train_fields is None
    assert description.can_predict
    assert not description.can_train
    assert description.name == "cats"
    assert description.response_schema == {
        "title": "ModelPredictionResponse",
        "type": "object",
        "properties": {"label": {"type": "string"}},
        "additionalProperties": False,
        "required": ["label"],
    }
    assert described(NoMetadata).response_schema is None


def test_an_unknown_model_is_not_found() -> None:
    with pytest.raises(ModelNotFound, match="'dogs'"):
        ModelRegistry().get("dogs")


def test_a_failed_model_is_not_found_and_its_reason_is_known() -> None:
    registry = ModelRegistry()
    registry.put(described())
    registry.fail("cats", "died")
    registry.fail("dogs", "no GPU")

    with pytest.raises(ModelNotFound):
        registry.get("cats")
    assert registry.names() == ()
    assert registry.failures == {"cats": "died", "dogs": "no GPU"}


def test_fields_that_cannot_be_read_are_left_to_the_worker() -> None:
    model = ModelRegistry().put(replace(described(), predict_fields=b"garbage"))

    assert model.predict_parser is None


def test_the_server_checks_what_it_can() -> None:
    registry = ModelRegistry()
    registry.fail("cats", "not yet")
    model = registry.put(described())

    assert registry.get("cats") is model
    assert registry.failures == {}
    assert model.job_functions["train"].parser is None
    assert model.predict_parser is not None
    with pytest.raises(InvalidArguments):
        model.predict_parser.parse(CallInput())


def test_models_come_in_order() -> None:
    registry = ModelRegistry()
    for name in ("b", "a"):
        registry.put(replace(described(), name=name))

    assert registry.names() == ("b", "a")
    assert [model.name for model in registry] == ["b", "a"]
    assert len(registry) == 2


def test_models_stand_in_the_order_in_which_they_were_announced() -> None:
    registry = ModelRegistry()
    for name in ("b", "a"):
        registry.expect(name)
    for name in ("c", "a", "b"):
        registry.put(replace(described(), name=name))

    assert registry.names() == ("b", "a", "c")


def test_the_revision_grows_when_something_changes() -> None:
    registry = ModelRegistry()
    registry.put(described())
    first = registry.revision
    registry.put(described())
    registry.fail("dogs", "never came")
    assert registry.revision == first
    registry.put(replace(described(), metadata={}))
    registry.fail("cats", "died")
    assert registry.revision == first + 2


def test_what_runs_as_a_job_is_known_by_its_kind() -> None:
    description = replace(described(), can_evaluate=True, training=Training(retries=2))
    functions = ModelRegistry().put(description).job_functions
    assert set(functions) == set(PROCESS_KINDS)
    assert (functions["train"].is_there, functions["evaluate"].is_there) == (False, True)
    # What a model asks for its trainings is not meant for its evaluations.
    assert functions["train"].training == Training(retries=2)
    assert functions["evaluate"].training == Training()
