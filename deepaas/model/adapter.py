# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A module, a class, an instance or a factory behind one interface."""

import inspect
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from deepaas.errors import InvalidAnswer, NotImplementedByModel
from deepaas.model import base
from deepaas.model.arguments import ArgumentParser
from deepaas.model.awaited import AWAITED, ModelLoop, is_async
from deepaas.model.discovery import load_error, load_object
from deepaas.records import Batch, Limits, ModelSource, Training

if TYPE_CHECKING:
    from marshmallow import Schema
    from marshmallow.fields import Field

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

#: The functions whose arguments a model declares, and the functions that declare them.
DECLARATIONS = {
    "predict": "get_predict_args",
    "train": "get_train_args",
    "evaluate": "get_evaluate_args",
}
#: What a model may define; an object that has none of it and can be called is a factory.
FUNCTIONS = ("get_metadata", "warm", *DECLARATIONS, *DECLARATIONS.values())


def load_model(source: ModelSource) -> "ModelAdapter":
    """Import a model into this process, make its instance and look at its declarations.

    ``warm`` is left to the caller.

    Raises:
        ModelLoadError: Its code fails, or what it declares cannot be used.
    """
    return ModelAdapter(source, load_object(source))


class ModelAdapter:
    """One loaded model.

    The object is made once and kept, so what it stores on itself stays. The methods run the
    author's code in the calling thread and take no locks.

    Args:
        source: What was loaded; its name is the model's.
        loaded: A module, an instance, a class (it is instantiated), or a function without
            arguments that returns one of these.

    Raises:
        ModelLoadError: The class or the function fails, or what the model declares cannot be used.
    """

    def __init__(self, source: ModelSource, loaded: Any) -> None:
        self.source = source
        self.name = source.name
        self._model = self._guarded(lambda: _make_model(loaded))
        #: Where the model's ``async`` functions run.
        self.loop = ModelLoop()
        self.limits = self._guarded(lambda: self._instance("limits", Limits)) or Limits()
        #: What becomes of its trainings that do not come to their end.
        self.training = self._guarded(lambda: self._instance("training", Training)) or Training()
        #: How calls are put together for ``predict_batch``; ``None`` where each runs alone.
        self.batch = self._guarded(self._find_batch)
        predict = self._function("predict")
        #: Whether there is a function for one call.
        self.has_single_predict = predict is not None
        self.has_predict = self.has_single_predict or self.batch is not None
        #: Whether ``predict`` is ``async``, so that many calls can run at once.
        self.is_async = self.batch is None and is_async(predict)
        self.has_health = _needs_nothing(self._function("health"))
        self.describes_itself = self._function("get_metadata") is not None
        self._has_told_absence = False
        # A mistake in these should end the start and not the first call.
        #: The declared arguments, by function; the author's code was asked once.
        self.fields = {name: self._guarded(partial(self._fields_of, name)) for name in DECLARATIONS}
        self.parsers = {
            name: self._guarded(partial(ArgumentParser, declared))
            for name, declared in self.fields.items()
        }
        self.predict_parser = self.parsers["predict"]
        self.response_schema = self._guarded(self._make_response_schema)

    def metadata(self) -> Mapping[str, Any]:
        """Call ``get_metadata``, or say that there is nothing to say.

        Raises:
            Exception: Whatever the author's code raises, except for what means "not implemented".
        """
        returned = None
        with self._absent_metadata():
            returned = self.loop.settle(self._required("get_metadata")())
        return self._shown_metadata(returned)

    async def metadata_async(self) -> Mapping[str, Any]:
        """Do as :meth:`metadata` does, in the event loop that runs."""
        returned = None
        with self._absent_metadata():
            returned = self._required("get_metadata")()
            returned = await returned if inspect.isawaitable(returned) else returned
        return self._shown_metadata(returned)

    def _shown_metadata(self, returned: Any) -> Mapping[str, Any]:
        """Take whatever a dict is updated with, as version 2 did: a message of e-mail is metadata.

        That is what importlib.metadata gives for a package.
        """
        if isinstance(returned, Mapping):
            return returned
        is_like_one = hasattr(returned, "keys") and hasattr(returned, "__getitem__")
        return dict(returned) if is_like_one else self.default_metadata()

    @contextmanager
    def _absent_metadata(self) -> Iterator[None]:
        """Go on where an exception means "not implemented", and say so once."""
        try:
            yield
        except NotImplementedByModel:
            return
        except (NotImplementedError, AttributeError):
            log = logger.debug if self._has_told_absence else logger.info
            self._has_told_absence = True
            log(
                "get_metadata of model %s is not implemented",
                self.name,
                exc_info=True,
                extra={"action": "model_metadata_missing", "model": self.name},
            )

    def default_metadata(self) -> dict[str, Any]:
        """Return what is shown for a model that does not describe itself."""
        return {
            "id": "0",
            "name": self.name,
            "description": (
                f"Could not load description from underlying model (loaded '{self.name}')"
            ),
        }

    def warm(self) -> None:
        """Call the model's ``warm``; a model without one needs no warming."""
        function = self._function("warm")
        if function is None:
            return
        try:
            self.loop.settle(function())
        except NotImplementedError:
            logger.info(
                "warm of model %s is not implemented",
                self.name,
                exc_info=True,
                extra={"action": "model_warm_missing", "model": self.name},
            )

    def predict(self, **kwargs: Any) -> Any:
        """Call the model's ``predict``, and wait for it where it is ``async``.

        Of a model that has ``predict_batch`` only, this is a batch of one.

        Raises:
            NotImplementedByModel: There is none, or all it does is raise ``NotImplementedError``.
            Exception: Whatever the author's code raises.
        """
        if self.batch is not None and self._function("predict") is None:
            return self._predict_alone(kwargs)
        return self._call("predict", kwargs)

    def _predict_alone(self, kwargs: dict[str, Any]) -> Any:
        (result,) = self.predict_batch([kwargs])
        if isinstance(result, Exception):
            raise result
        return result

    async def predict_async(self, kwargs: Mapping[str, Any]) -> Any:
        """Call the model's ``predict``, in the event loop that runs.

        Returns:
            What it gave; an asynchronous generator is returned as it is.

        Raises:
            Exception: As :meth:`predict`.
        """
        function = self._required("predict")
        try:
            returned = function(**kwargs)
            return await returned if inspect.isawaitable(returned) else returned
        except NotImplementedError as exc:
            if _says_absent(exc, function):
                raise NotImplementedByModel(self.name) from exc
            raise

    def predict_batch(self, calls: list[dict[str, Any]]) -> list[Any]:
        """Call the model's ``predict_batch``.

        Returns:
            As many results as calls, in their order; an exception stands for a call that failed.

        Raises:
            InvalidAnswer: It returned something else.
            Exception: Whatever the author's code raises.
        """
        returned = self._call("predict_batch", {}, calls)
        try:
            if isinstance(returned, str | bytes | Mapping):
                raise TypeError("no sequence of results")
            results = list(returned)
        except TypeError as exc:
            raise InvalidAnswer(
                f"predict_batch returned {type(returned).__name__} where a list was due."
            ) from exc
        if len(results) != len(calls):
            raise InvalidAnswer(
                f"predict_batch returned {len(results)} results for {len(calls)} calls."
            )
        return results

    def has(self, function: str) -> bool:
        """Whether there is ``train`` or ``evaluate``.

        An ``evaluate`` without ``get_evaluate_args`` counts as absent: packages from before this
        function have helpers of that name, which are not meant to be called from outside.
        """
        if self._function(function) is None:
            return False
        return function != "evaluate" or self._function(DECLARATIONS[function]) is not None

    def run(self, function: str, /, **kwargs: Any) -> Any:
        """Call the model's ``train`` or ``evaluate``; see :meth:`predict` for what it raises."""
        if not self.has(function):
            raise NotImplementedByModel(self.name)
        return self._call(function, kwargs)

    def health(self) -> Any:
        """Call the model's ``health``, and wait for it where it is ``async``.

        Raises:
            Exception: Whatever the author's code raises.
        """
        return self._call("health", {})

    async def health_async(self) -> Any:
        """Do as :meth:`health` does, in the event loop that runs."""
        returned = self._required("health")()
        return await returned if inspect.isawaitable(returned) else returned

    def _call(self, name: str, kwargs: Mapping[str, Any], *args: Any) -> Any:
        function = self._required(name)
        try:
            returned = function(*args, **kwargs)
            return self.loop.settle(returned) if isinstance(returned, AWAITED) else returned
        except NotImplementedError as exc:
            # One from deeper down, say from torch, is a failure like any other.
            if _says_absent(exc, function):
                raise NotImplementedByModel(self.name) from exc
            raise

    def _required(self, name: str) -> Callable[..., Any]:
        function = self._function(name)
        if function is None:
            raise NotImplementedByModel(self.name)
        return function

    def _function(self, name: str) -> Callable[..., Any] | None:
        """Find a function of the model; one inherited from ours counts as absent."""
        function = getattr(self._model, name, None)
        if not callable(function):
            return None
        if getattr(function, "__func__", None) is getattr(base.BaseModel, name):
            return None
        return function  # type: ignore[no-any-return]

    def _instance(self, name: str, kind: type[_T]) -> _T | None:
        """Return what the model declares by this name; an existing one may use it for its own."""
        declared = getattr(self._model, name, None)
        return declared if isinstance(declared, kind) else None

    def _find_batch(self) -> Batch | None:
        batch = self._instance("batch", Batch)
        if batch is not None and self._function("predict_batch") is None:
            raise TypeError("the model has a 'batch', but no function 'predict_batch'")
        return batch

    def _fields_of(self, function: str) -> dict[str, "Field"]:
        # What declares the arguments of a function that is not there may be a helper too.
        is_asked = function != "evaluate" or self.has(function)
        return self._declared(DECLARATIONS[function]) if is_asked else {}

    def _declared(self, name: str) -> dict[str, "Field"]:
        function = self._function(name)
        if function is None:
            return {}
        try:
            declared = function()
        except (NotImplementedError, AttributeError):
            # 2.6.0 took both for "declares nothing", so models with such a mistake run today.
            logger.warning(
                "%s of model %s failed; it declares no arguments",
                name,
                self.name,
                exc_info=True,
                extra={"action": "model_arguments_missing", "model": self.name},
            )
            return {}
        return _as_fields(declared, name) if declared else {}

    def _make_response_schema(self) -> "Schema | None":
        """Make the schema of answers once; ``schema`` may be a dict of fields or a class."""
        declared = getattr(self._model, "schema", None)
        if declared is None:
            return None
        from marshmallow import Schema

        if isinstance(declared, Mapping):
            return Schema.from_dict(dict(declared), name="ModelPredictionResponse")()
        if isinstance(declared, type) and issubclass(declared, Schema):
            return declared()
        if isinstance(declared, Schema):
            return declared
        raise TypeError(
            "the model's 'schema' must be a dict of marshmallow fields or a marshmallow.Schema"
            f" class, not {declared!r}"
        )

    def _guarded(self, make: Callable[[], _T]) -> _T:
        try:
            return make()
        except (Exception, SystemExit) as exc:
            raise load_error(self.source, exc) from exc


def _make_model(loaded: Any) -> Any:
    model = loaded() if _is_factory(loaded) else loaded
    if isinstance(model, type):
        model = model()
    if model is None:
        raise TypeError("there is None where a model should be")
    return model


def _is_factory(loaded: Any) -> bool:
    return (
        callable(loaded)
        and not inspect.isclass(loaded)
        and not any(hasattr(loaded, name) for name in (*FUNCTIONS, "predict_batch"))
    )


def _as_fields(declared: Any, function: str) -> dict[str, "Field"]:
    """Check the answer of ``get_…_args``; a ``Schema`` in place of its fields is forgiven."""
    from marshmallow import Schema
    from marshmallow.fields import Field

    if isinstance(declared, type) and issubclass(declared, Schema):
        declared = declared()
    if isinstance(declared, Schema):
        declared = declared.fields
    if not isinstance(declared, Mapping):
        raise TypeError(f"{function}() must return a dict of fields, not {declared!r}")
    made = {}
    for name, field in declared.items():
        if isinstance(field, type) and issubclass(field, Field):
            field = field()
        if not isinstance(field, Field):
            raise TypeError(f"{function}(): argument {name!r} must be a field, not {field!r}")
        made[str(name)] = field
    return made


def _needs_nothing(function: Callable[..., Any] | None) -> bool:
    """Tell whether a function can be called without arguments."""
    if function is None:
        return False
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return False
    return True


def _says_absent(exc: NotImplementedError, function: Callable[..., Any]) -> bool:
    """Whether the function that was called, or ours that it extends, raised ``exc`` itself."""
    frames = [frame for frame, _ in traceback.walk_tb(exc.__traceback__)]
    last = frames[-1].f_code
    # Of an async function there are frames of its event loop between.
    return (
        len(frames) == 2
        or last.co_filename == base.__file__
        or last is getattr(inspect.unwrap(function), "__code__", None)
    )
