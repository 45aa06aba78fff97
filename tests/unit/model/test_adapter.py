# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A module, a class, an instance or a factory behind one interface."""

import asyncio
import logging
import pickle
from collections.abc import Callable
from functools import partial
from importlib.metadata import metadata
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from marshmallow import Schema, fields

import deepaas
from deepaas.errors import ModelLoadError, NotImplementedByModel
from deepaas.model.adapter import ModelAdapter, load_model
from deepaas.model.description import describe
from deepaas.records import CallInput, ModelSource, SourceKind

SOURCE = ModelSource("cats", SourceKind.ENTRY_POINT, "cats.api:Model", "cats-pkg", "1.2")


class Plain:
    """A model of an author's own making."""

    def __init__(self) -> None:
        self.weights: int | None = None

    def warm(self) -> None:
        self.weights = 7

    def get_predict_args(self) -> dict[str, Any]:
        return {"n": fields.Int(required=True), "kind": fields.Str}

    def predict(self, **kwargs: Any) -> Any:
        return {"weights": self.weights, **kwargs}


class Extended(deepaas.BaseModel):
    def predict(self, **kwargs: Any) -> Any:
        return "ok"

    def train(self, **kwargs: Any) -> Any:
        return super().train(**kwargs)

    def warm(self) -> None:
        super().warm()


class PredictNotImplemented:
    def predict(self) -> None:
        raise NotImplementedError


class DeepNotImplemented:
    def predict(self) -> None:
        self.kernel()

    def kernel(self) -> None:
        raise NotImplementedError("no kernel for this device")


def empty_module() -> ModuleType:
    return ModuleType("cats")


def adapt(loaded: Any) -> ModelAdapter:
    return ModelAdapter(SOURCE, loaded)


def model_with(**attributes: Any) -> Any:
    return type("Model", (), attributes)()


def raising(exc: BaseException) -> Any:
    def function(self: Any) -> Any:
        raise exc

    return function


def test_a_class_that_fails_is_explained() -> None:
    class NeedsArguments(Plain):
        def __init__(self, path: str) -> None: ...

    with pytest.raises(ModelLoadError, match=r"package cats-pkg 1\.2: TypeError.*'path'"):
        adapt(NeedsArguments)


@pytest.mark.parametrize("exc", [RuntimeError("no GPU"), SystemExit("no GPU")])
def test_a_factory_that_fails_is_explained(exc: BaseException) -> None:
    def factory() -> Any:
        raise exc

    with pytest.raises(ModelLoadError, match="no GPU") as caught:
        adapt(factory)
    assert "in factory" in caught.value.traceback
    assert "_guarded" not in caught.value.traceback


def test_a_factory_that_returns_nothing() -> None:
    with pytest.raises(ModelLoadError, match="there is None where a model should be"):
        adapt(lambda: None)


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ([1], r"get_predict_args\(\) must return a dict of fields, not \[1\]"),
        ({"a": 5}, r"get_predict_args\(\): argument 'a' must be a field, not 5"),
        ({"a": fields.Int(data_key="x"), "b": fields.Int(data_key="x")}, "data_key"),
    ],
)
def test_a_declaration_that_cannot_be_used(declared: Any, reason: str) -> None:
    with pytest.raises(ModelLoadError, match=reason):
        adapt(model_with(get_predict_args=lambda self: declared))


def test_a_declaration_that_fails() -> None:
    with pytest.raises(ModelLoadError, match="RuntimeError: no folder"):
        adapt(model_with(get_train_args=raising(RuntimeError("no folder"))))


@pytest.mark.parametrize("schema", [5, logging, int])
def test_a_response_schema_that_is_none(schema: Any) -> None:
    with pytest.raises(ModelLoadError, match="'schema' must be a dict of marshmallow fields"):
        adapt(model_with(schema=schema))


@pytest.mark.row("C80", "C81")
@pytest.mark.parametrize("loaded", [empty_module(), model_with(), deepaas.BaseModel])
def test_every_function_may_be_missing(loaded: Any) -> None:
    model = adapt(loaded)
    model.warm()

    assert not model.has_predict
    assert not model.has("train")
    assert model.fields == {"predict": {}, "train": {}, "evaluate": {}}
    assert model.predict_parser.parse(CallInput()) == {}
    assert model.response_schema is None
    assert model.metadata() == {
        "id": "0",
        "name": "cats",
        "description": "Could not load description from underlying model (loaded 'cats')",
    }
    functions: list[Callable[[], Any]] = [
        model.predict,
        partial(model.run, "train"),
        partial(model.run, "evaluate"),
    ]
    for function in functions:
        with pytest.raises(
            NotImplementedByModel,
            match=r"^Not implemented by underlying model \(loaded 'cats'\)$",
        ):
            function()


@pytest.mark.parametrize("exc", [NotImplementedError(), AttributeError("x")])
def test_functions_that_say_they_are_not_there(
    exc: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    model = adapt(
        model_with(
            get_metadata=raising(exc), get_predict_args=raising(exc), get_train_args=raising(exc)
        )
    )

    for _ in range(3):
        assert model.metadata()["id"] == "0"
        assert model.loop.run(model.metadata_async())["id"] == "0"
    # Each look at the model asks for it, which is told once.
    assert [each.message for each in caplog.records].count(
        "get_metadata of model cats is not implemented"
    ) == 1
    assert model.fields == {"predict": {}, "train": {}, "evaluate": {}}


def test_metadata_may_be_those_of_a_package() -> None:
    """A message of e-mail, which is a mapping in all but its class."""
    message = metadata("pytest")
    shown = adapt(model_with(get_metadata=lambda self: message)).metadata()
    assert (shown["Name"], shown["Version"]) == ("pytest", pytest.__version__)


def test_metadata_that_is_no_mapping_is_none() -> None:
    model = adapt(model_with(get_metadata=lambda self: None))
    assert model.metadata()["id"] == model.loop.run(model.metadata_async())["id"] == "0"


def test_an_attribute_that_is_no_function_is_none() -> None:
    assert not adapt(model_with(predict=5)).has_predict


def test_warm_that_is_not_implemented_is_no_error() -> None:
    adapt(model_with(warm=raising(NotImplementedError()))).warm()


def test_an_exception_of_warm_passes() -> None:
    with pytest.raises(AttributeError, match="mistake"):
        adapt(model_with(warm=raising(AttributeError("mistake")))).warm()


@pytest.mark.parametrize("loaded", [PredictNotImplemented, Extended])
def test_a_function_that_only_says_not_implemented(loaded: Any) -> None:
    model = adapt(loaded)
    model.warm()

    with pytest.raises(NotImplementedByModel):
        model.run("train") if loaded is Extended else model.predict()


def test_a_not_implemented_from_deeper_down_is_a_failure() -> None:
    with pytest.raises(NotImplementedError, match="no kernel"):
        adapt(DeepNotImplemented).predict()


def test_exceptions_of_the_model_pass() -> None:
    with pytest.raises(AttributeError, match="mistake"):
        adapt(model_with(predict=raising(AttributeError("mistake")))).predict()


def make_plain() -> Plain:
    return Plain()


def make_class() -> type[Plain]:
    return Plain


@pytest.mark.parametrize("loaded", [Plain, Plain(), make_plain, make_class])
def test_every_kind_of_model_keeps_what_warm_stored(loaded: Any) -> None:
    model = adapt(loaded)
    model.warm()

    assert model.has_predict
    assert not model.has("train")
    assert model.predict(n=1) == {"weights": 7, "n": 1}
    assert list(model.fields["predict"]) == ["n", "kind"]
    assert model.predict_parser.parse(CallInput(query=(("n", "2"), ("kind", "a")))) == {
        "n": 2,
        "kind": "a",
    }


def test_a_module_is_used_as_it_is() -> None:
    module = empty_module()
    module.__dict__["predict"] = lambda: "yes"

    assert adapt(module).predict() == "yes"


def test_a_factory_may_return_a_module() -> None:
    module = empty_module()
    module.__dict__["get_metadata"] = lambda: {"id": "7"}

    assert adapt(lambda: module).metadata() == {"id": "7"}


def test_an_instance_that_can_be_called_and_predicts_is_no_factory() -> None:
    class Network(Plain):
        def __call__(self) -> None:
            raise AssertionError

    assert adapt(Network()).has_predict


class Arguments(Schema):
    a = fields.Int()


@pytest.mark.parametrize("declared", [Arguments, Arguments(), Arguments().fields])
def test_a_schema_is_a_declaration_too(declared: Any) -> None:
    model = adapt(model_with(get_train_args=lambda self: declared))

    assert list(model.fields["train"]) == ["a"]
    assert model.parsers["train"].parse(CallInput(query=(("a", "1"),))) == {"a": 1}


def test_the_author_is_asked_once() -> None:
    asked = []

    def get_predict_args(self: Any) -> dict[str, Any]:
        asked.append(1)
        return {"a": fields.Int()}

    model = adapt(model_with(get_predict_args=get_predict_args))

    assert model.parsers["predict"].parse(CallInput(query=(("a", "1"),))) == {"a": 1}
    assert len(asked) == 1


@pytest.mark.parametrize("schema", [{"a": fields.Int()}, Arguments, Arguments()])
def test_response_schemas(schema: Any) -> None:
    model = adapt(model_with(schema=schema))

    assert model.response_schema is not None
    assert model.response_schema.load({"a": "1"}) == {"a": 1}


def test_a_source_is_loaded_and_adapted() -> None:
    source = ModelSource("base", SourceKind.ENTRY_POINT, "deepaas.model.base:BaseModel")
    model = load_model(source)

    assert (model.name, model.source) == ("base", source)


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        (deepaas.Training(resumable=True, retries=3), deepaas.Training(resumable=True, retries=3)),
        (True, deepaas.Training()),
        (None, deepaas.Training()),
    ],
)
def test_a_model_says_what_becomes_of_its_trainings(
    declared: object, found: deepaas.Training
) -> None:
    """Beside its functions; what a package calls so for its own ends does not count."""
    module = ModuleType("m")
    module.training = declared  # type: ignore[attr-defined]
    for loaded in (module, type("Model", (deepaas.BaseModel,), {"training": declared})):
        model = ModelAdapter(SOURCE, loaded)
        assert model.training == found
        assert pickle.loads(pickle.dumps(describe(model))).training == found


class Batched(deepaas.BaseModel):
    """Has no function for one call."""

    batch = deepaas.Batch(max_size=5)
    limits = deepaas.Limits(predict_timeout_s=3, concurrency=9)

    def predict_batch(self, calls: list[dict[str, Any]]) -> list[Any]:
        return [ValueError("bad") if call["n"] == 0 else call["n"] for call in calls]


def test_a_model_may_have_a_function_for_batches_only() -> None:
    model = ModelAdapter(SOURCE, Batched)
    assert model.has_predict
    assert not model.has_single_predict
    assert not model.is_async
    assert model.predict(n=3) == 3
    with pytest.raises(ValueError, match="bad"):
        model.predict(n=0)
    described = describe(model)
    assert (described.at_once, described.predict_timeout_s) == (5, 3)
    assert described.can_predict


@pytest.mark.parametrize("batch", [None, 7, deepaas.Batch, {"max_size": 3}])
def test_only_an_instance_of_batch_switches_batching_on(batch: Any) -> None:
    """Existing models may use the names for things of their own."""
    owner = SimpleNamespace(batch=batch, limits=batch, predict_batch=lambda paths: 1)
    model = ModelAdapter(SOURCE, owner)
    assert model.batch is None
    assert not model.has_predict
    with pytest.raises(NotImplementedByModel):
        model.predict()
    described = describe(model)
    assert (described.at_once, described.predict_timeout_s) == (1, None)


def test_a_batch_needs_its_function() -> None:
    with pytest.raises(ModelLoadError, match="no function 'predict_batch'"):
        ModelAdapter(SOURCE, SimpleNamespace(batch=deepaas.Batch(), predict=lambda: 1))


class Async(deepaas.BaseModel):
    """Every function is async."""

    async def get_metadata(self) -> dict[str, Any]:  # type: ignore[override]
        return {"id": "async"}

    async def warm(self) -> None:  # type: ignore[override]
        self.loop = asyncio.get_running_loop()

    async def predict(self, **kwargs: Any) -> Any:
        if kwargs:
            return await super().predict(**kwargs)
        return asyncio.get_running_loop() is self.loop

    async def train(self, **kwargs: Any) -> Any:
        return "trained"

    async def health(self) -> str:
        return "well"


def test_async_functions_run_in_the_models_loop() -> None:
    model = ModelAdapter(SOURCE, Async)
    assert model.is_async
    model.warm()
    assert model.predict() is True
    assert model.run("train") == "trained"
    assert model.health() == "well"
    assert model.metadata() == model.loop.run(model.metadata_async()) == {"id": "async"}
    assert model.loop.run(model.predict_async({})) is True
    assert model.loop.run(model.health_async()) == "well"
    assert describe(model).at_once == deepaas.Limits().concurrency


def test_an_async_function_that_is_not_implemented() -> None:
    class Absent:
        async def predict(self, deep: bool) -> None:
            if deep:
                await self.kernel()
            raise NotImplementedError

        async def kernel(self) -> None:
            raise NotImplementedError

    for model, deep in ((ModelAdapter(SOURCE, Absent), False), (ModelAdapter(SOURCE, Async), 1)):
        with pytest.raises(NotImplementedByModel):
            model.predict(deep=deep)
        with pytest.raises(NotImplementedByModel):
            model.loop.run(model.predict_async({"deep": deep}))
    model = ModelAdapter(SOURCE, Absent)
    with pytest.raises(NotImplementedError):
        model.predict(deep=True)
    with pytest.raises(NotImplementedError):
        model.loop.run(model.predict_async({"deep": True}))


class Strict:
    """Needs to be told what to look at."""

    def health(self, part: str) -> str:
        return part


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        (lambda: None, True),
        (lambda verbose=False, **more: None, True),
        (Strict().health, False),
        ("fine", False),
        (type.mro, False),
        (dict.fromkeys, False),
        (None, False),
    ],
)
def test_a_health_that_needs_arguments_is_something_else(health: Any, expected: bool) -> None:
    model = ModelAdapter(SOURCE, SimpleNamespace(health=health))
    assert describe(model).has_health == expected


def test_the_health_of_ours_counts_as_absent() -> None:
    assert not describe(ModelAdapter(SOURCE, Plain)).has_health
    assert not describe(ModelAdapter(SOURCE, Extended)).has_health


def _numbers(self: Any, **kwargs: Any) -> dict[str, Any]:
    return {"n": fields.Int(load_default=1)}


def _measured(self: Any, **kwargs: Any) -> dict[str, Any]:
    return {"given": kwargs}


def test_a_model_that_can_be_evaluated() -> None:
    model = adapt(model_with(get_evaluate_args=_numbers, evaluate=_measured))
    assert model.has("evaluate")
    description = describe(model)
    assert description.can_evaluate
    assert [argument.name for argument in description.evaluate_arguments] == ["n"]
    assert description.evaluate_fields is not None
    arguments = model.parsers["evaluate"].parse(CallInput(query=(("n", "2"),)))
    assert model.run("evaluate", **arguments) == {"given": {"n": 2}}


@pytest.mark.parametrize(
    "functions",
    [
        {"evaluate": _measured},
        {"get_evaluate_args": raising(RuntimeError("meant for something else"))},
    ],
)
def test_a_helper_of_that_name_is_no_evaluation(functions: dict[str, Any]) -> None:
    """Packages from before this function may have either, and load as ever."""
    model = adapt(model_with(**functions))
    assert not model.has("evaluate")
    assert not describe(model).can_evaluate
    assert model.fields["evaluate"] == {}
    with pytest.raises(NotImplementedByModel):
        model.run("evaluate")
