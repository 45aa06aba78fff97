# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""A module, a class, an instance or a factory behind one interface."""

import inspect
import logging
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from deepaas.errors import NotImplementedByModel
from deepaas.model import base
from deepaas.model.arguments import ArgumentParser
from deepaas.model.discovery import load_error, load_object
from deepaas.records import ModelSource

if TYPE_CHECKING:
    from marshmallow import Schema
    from marshmallow.fields import Field

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

#: What a model may define; an object that has none of it and can be called is a factory.
FUNCTIONS = ("get_metadata", "warm", "predict", "train", "get_predict_args", "get_train_args")


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
        self.has_predict = self._function("predict") is not None
        self.has_train = self._function("train") is not None
        # A mistake in these should end the start and not the first call.
        self._predict_fields = self._guarded(lambda: self._declared("get_predict_args"))
        self._train_fields = self._guarded(lambda: self._declared("get_train_args"))
        self.predict_parser = self._guarded(lambda: ArgumentParser(self._predict_fields))
        self.train_parser = self._guarded(lambda: ArgumentParser(self._train_fields))
        self.response_schema = self._guarded(self._make_response_schema)

    def metadata(self) -> Mapping[str, Any]:
        """Call ``get_metadata``, or say that there is nothing to say.

        Raises:
            Exception: Whatever the author's code raises, except for what means "not implemented".
        """
        function = self._function("get_metadata")
        if function is not None:
            try:
                metadata = function()
            except (NotImplementedError, AttributeError):
                logger.info(
                    "get_metadata of model %s is not implemented",
                    self.name,
                    exc_info=True,
                    extra={"action": "model_metadata_missing", "model": self.name},
                )
            else:
                if isinstance(metadata, Mapping):
                    return metadata
        return self.default_metadata()

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
            function()
        except NotImplementedError:
            logger.info(
                "warm of model %s is not implemented",
                self.name,
                exc_info=True,
                extra={"action": "model_warm_missing", "model": self.name},
            )

    def predict(self, **kwargs: Any) -> Any:
        """Call the model's ``predict``.

        Raises:
            NotImplementedByModel: There is none, or all it does is raise ``NotImplementedError``.
            Exception: Whatever the author's code raises.
        """
        return self._call("predict", kwargs)

    def train(self, **kwargs: Any) -> Any:
        """Call the model's ``train``; see :meth:`predict` for what it raises."""
        return self._call("train", kwargs)

    def predict_fields(self) -> dict[str, "Field"]:
        """Return the declared arguments of ``predict``; the author's code was asked once."""
        return self._predict_fields

    def train_fields(self) -> dict[str, "Field"]:
        """Return the declared arguments of ``train``; the author's code was asked once."""
        return self._train_fields

    def _call(self, name: str, kwargs: Mapping[str, Any]) -> Any:
        function = self._function(name)
        if function is None:
            raise NotImplementedByModel(self.name)
        try:
            return function(**kwargs)
        except NotImplementedError as exc:
            # One from deeper down, say from torch, is a failure like any other.
            if _says_absent(exc):
                raise NotImplementedByModel(self.name) from exc
            raise

    def _function(self, name: str) -> Callable[..., Any] | None:
        """Find a function of the model; one inherited from ours counts as absent."""
        function = getattr(self._model, name, None)
        if not callable(function):
            return None
        if getattr(function, "__func__", None) is getattr(base.BaseModel, name):
            return None
        return function  # type: ignore[no-any-return]

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
        and not any(hasattr(loaded, name) for name in FUNCTIONS)
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


def _says_absent(exc: NotImplementedError) -> bool:
    """Whether the function that was called, or ours that it extends, raised ``exc`` itself."""
    frames = [frame for frame, _ in traceback.walk_tb(exc.__traceback__)]
    return len(frames) == 2 or frames[-1].f_code.co_filename == base.__file__
